//! Puts the plugin and its configuration where the container runtime looks for them.
