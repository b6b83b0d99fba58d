//! Which part of the program says something: the key `scope`.

/// A program that logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The commands of the command line: `init` and the others.
    Commands,
    /// The CNI plugin.
    Plugin,
    /// The node agent.
    Agent,
}

/// The scope of every line of a command.
pub const CLI: &str = "cli";
/// The scope of every line of the plugin, also where the agent hands it on.
pub const CNI_PLUGIN: &str = "cni-plugin";
/// The agent, where no other scope says more.
pub const CNI_AGENT: &str = "cni-agent";
/// The agent as it installs the plugin.
pub const INSTALL: &str = "install";
/// The agent as it repairs pods and compares their rules.
pub const REPAIR: &str = "repair";
/// What a library says.
pub const LIBRARY: &str = "library";
/// Every scope.
pub const ALL: [&str; 6] = [CLI, CNI_PLUGIN, CNI_AGENT, INSTALL, REPAIR, LIBRARY];

/// The modules of this crate.
const OWN: &str = "mesh_intercept";

/// Does this crate say it? What libraries say of their own work is of interest when it is an error.
pub(super) fn is_own(target: &str) -> bool {
    target.starts_with(OWN)
}

/// The scope of what a module says in a program.
pub(super) fn scope(program: Program, target: &str) -> &'static str {
    let module = target.strip_prefix(OWN).map(|rest| rest.trim_start_matches("::"));
    match (program, module) {
        (_, None) => LIBRARY,
        (Program::Commands, _) => CLI,
        (Program::Plugin, _) => CNI_PLUGIN,
        (Program::Agent, Some(module)) => match module.strip_prefix("agent::") {
            Some(part) if part.starts_with("install") || part == "plugin" => INSTALL,
            Some(part) if part.starts_with("repair") => REPAIR,
            Some(_) => CNI_AGENT,
            // The agent works on rules only when it looks after pods.
            None => REPAIR,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_has_the_scope_of_its_part() {
        for (target, expected) in [
            ("mesh_intercept::agent::run", CNI_AGENT),
            ("mesh_intercept::agent::watch", CNI_AGENT),
            ("mesh_intercept::agent::installer::install", INSTALL),
            ("mesh_intercept::agent::installation", INSTALL),
            ("mesh_intercept::agent::plugin", INSTALL),
            ("mesh_intercept::agent::repair::actions", REPAIR),
            ("mesh_intercept::interception::install", REPAIR),
            ("kube_client::client", LIBRARY),
        ] {
            assert_eq!(scope(Program::Agent, target), expected, "{target}");
        }
        assert_eq!(scope(Program::Plugin, "mesh_intercept::interception"), CNI_PLUGIN);
        assert_eq!(scope(Program::Commands, "mesh_intercept::interception"), CLI);
    }
}
