//! The node agent: what the plugin needs on a node, and what a plugin that is called once a pod cannot do.
//!
//! It watches the pods of its node and answers the plugin out of memory, installs the plugin and its
//! configuration, and repairs pods that started without rules.

pub mod installer;
