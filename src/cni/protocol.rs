//! What the runtime and a plugin say to each other (CNI specification 1.1, sections 2 and 4): variables and a configuration
//! go in, one JSON object comes out.

use std::path::PathBuf;

use serde::Serialize;

/// The versions of the specification that are spoken, the oldest first.
pub const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The version of a configuration that does not say its own.
pub const VERSION_UNSAID: &str = VERSIONS[0];

/// What the runtime wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A sandbox gets its network.
    Add,
    /// Is its network still as it was made?
    Check,
    /// A sandbox goes.
    Del,
    /// Could the plugin serve an ADD?
    Status,
    /// These sandboxes are all there are.
    Gc,
    /// Which versions are spoken?
    Version,
}

impl Command {
    const ALL: [(&str, Command); 6] = [
        ("ADD", Command::Add),
        ("CHECK", Command::Check),
        ("DEL", Command::Del),
        ("STATUS", Command::Status),
        ("GC", Command::Gc),
        ("VERSION", Command::Version),
    ];

    /// The first version that knows it.
    pub fn since(self) -> &'static str {
        match self {
            Command::Add | Command::Del | Command::Version => VERSIONS[0],
            Command::Check => "0.4.0",
            Command::Status | Command::Gc => "1.1.0",
        }
    }

    /// As the runtime spells it.
    pub fn name(self) -> &'static str {
        Command::ALL.iter().find(|(_, command)| *command == self).map_or("", |(name, _)| name)
    }
}

/// A sandbox's attachment to a network: what ADD makes and the others refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The sandbox (`CNI_CONTAINERID`).
    pub container_id: String,
    /// Its interface (`CNI_IFNAME`).
    pub interface: String,
}

/// What the variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What the runtime wants.
    pub command: Command,
    /// For which sandbox; empty for STATUS, GC and VERSION.
    pub attachment: Attachment,
    /// Its network namespace, a file. A DEL may come without.
    pub network_namespace: Option<PathBuf>,
    /// `CNI_ARGS`, as it is.
    pub arguments: String,
    /// May the namespace be the one that the plugin runs in (`CNI_NETNS_OVERRIDE`)?
    pub may_be_own_namespace: bool,
}

impl Invocation {
    /// Reads the variables; nothing when `CNI_COMMAND` is not set, and so no runtime calls.
    ///
    /// # Errors
    /// Every variable that is missing or wrong, in one error (code 4).
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Option<Result<Invocation, Error>> {
        let name = variable("CNI_COMMAND").filter(|name| !name.is_empty())?;
        let Some((_, command)) = Command::ALL.into_iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = Command::ALL.iter().map(|(name, _)| *name).collect();
            let message = format!("unknown CNI_COMMAND {name:?}: expected one of {}", known.join(", "));
            return Some(Err(Error::new(code::ENVIRONMENT, message)));
        };
        Some(Invocation::of(command, variable))
    }

    fn of(command: Command, variable: &dyn Fn(&str) -> Option<String>) -> Result<Invocation, Error> {
        let text = |name| variable(name).unwrap_or_default();
        let needed: &[&str] = match command {
            Command::Add | Command::Check => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            Command::Del => &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
            Command::Gc => &["CNI_PATH"],
            Command::Status | Command::Version => &[],
        };
        let missing: Vec<&str> = needed.iter().copied().filter(|name| text(name).is_empty()).collect();
        let mut wrong = Vec::new();
        if !missing.is_empty() {
            wrong.push(format!("required variables are missing: {}", missing.join(", ")));
        }
        let (container_id, interface) = (text("CNI_CONTAINERID"), text("CNI_IFNAME"));
        if !container_id.is_empty() && !is_container_id(&container_id) {
            wrong.push(format!(
                "CNI_CONTAINERID {container_id:?} is no id: it begins with a letter or digit, and letters, digits, _ . - follow"
            ));
        }
        if !interface.is_empty() && !is_interface(&interface) {
            wrong.push(format!(
                "CNI_IFNAME {interface:?} is no interface name: at most 15 bytes, no / : or space"
            ));
        }
        if !wrong.is_empty() {
            return Err(Error::new(code::ENVIRONMENT, wrong.join("; ")));
        }
        Ok(Invocation {
            command,
            attachment: Attachment { container_id, interface },
            network_namespace: Some(text("CNI_NETNS")).filter(|path| !path.is_empty()).map(PathBuf::from),
            arguments: text("CNI_ARGS"),
            may_be_own_namespace: matches!(
                text("CNI_NETNS_OVERRIDE").as_str(),
                "1" | "true" | "TRUE" | "True"
            ),
        })
    }
}

/// The specification's `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`. It becomes part of a file's name here.
fn is_container_id(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn is_interface(text: &str) -> bool {
    let is_wrong = |c: char| matches!(c, '/' | ':') || c.is_whitespace();
    text.len() <= 15 && text != "." && text != ".." && !text.contains(is_wrong)
}

/// Error codes: below 100 they are the specification's, the others are this plugin's (docs/cni.md).
pub mod code {
    /// The configuration's version does not know the command, or is not spoken.
    pub const VERSION: u32 = 1;
    /// Variables are missing or wrong.
    pub const ENVIRONMENT: u32 = 4;
    /// Something could not be read.
    pub const IO: u32 = 5;
    /// The configuration is no JSON.
    pub const DECODE: u32 = 6;
    /// The configuration is wrong.
    pub const CONFIGURATION: u32 = 7;
    /// Nothing is known of the pod yet: the runtime is to try again.
    pub const TRY_AGAIN: u32 = 11;
    /// The plugin could not serve an ADD now (STATUS).
    pub const NOT_AVAILABLE: u32 = 50;
    /// The pod's own settings are wrong.
    pub const POD_SETTINGS: u32 = 100;
    /// The node lacks something: a privilege, a kernel feature, a program, an address.
    pub const NODE: u32 = 101;
    /// The kernel did not take the rules, and is as before.
    pub const NOT_APPLIED: u32 = 102;
    /// The rules are not those that were installed (CHECK).
    pub const DRIFT: u32 = 103;
    /// Somebody else's rules, names or marks are in the way.
    pub const CONFLICT: u32 = 104;
    /// A defect of the plugin.
    pub const INTERNAL: u32 = 999;
}

/// What went wrong, as the runtime is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Error {
    /// The version of the configuration.
    #[serde(rename = "cniVersion")]
    pub version: String,
    /// One of [`code`].
    pub code: u32,
    /// What failed, on what, and what to do.
    #[serde(rename = "msg")]
    pub message: String,
    /// More about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl Error {
    /// An error of a configuration whose version is not known yet.
    pub fn new(code: u32, message: impl Into<String>) -> Error {
        let version = VERSIONS[VERSIONS.len() - 1].to_owned();
        Error { version, code, message: message.into(), details: String::new() }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(self, details: impl Into<String>) -> Error {
        Error { details: details.into(), ..self }
    }

    /// The same for a configuration of this version.
    #[must_use]
    pub fn of_version(self, version: &str) -> Error {
        Error { version: version.to_owned(), ..self }
    }
}

/// The answer to VERSION.
pub fn versions() -> String {
    let newest = VERSIONS[VERSIONS.len() - 1];
    serde_json::json!({ "cniVersion": newest, "supportedVersions": VERSIONS }).to_string()
}

/// Is `version` at least `other`? Both are of [`VERSIONS`].
pub fn is_at_least(version: &str, other: &str) -> bool {
    let place = |wanted: &str| VERSIONS.iter().position(|it| *it == wanted);
    place(version) >= place(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Option<Result<Invocation, Error>> {
        Invocation::read(&|name| {
            variables.iter().find(|(it, _)| *it == name).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn without_a_command_no_runtime_calls() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("CNI_COMMAND", "")]), None);
    }

    #[test]
    fn every_variable_that_is_missing_or_wrong_is_named_at_once() {
        let error =
            read(&[("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "../../etc"), ("CNI_IFNAME", "et/h0")]);
        let error = error.unwrap().unwrap_err();
        assert_eq!(error.code, code::ENVIRONMENT);
        for word in ["CNI_NETNS", "CNI_PATH", "\"../../etc\"", "\"et/h0\""] {
            assert!(error.message.contains(word), "{word}: {}", error.message);
        }
        let error = read(&[("CNI_COMMAND", "add")]).unwrap().unwrap_err();
        assert!(error.message.contains("ADD, CHECK, DEL, STATUS, GC, VERSION"), "{}", error.message);
    }

    #[test]
    fn a_del_may_come_without_a_namespace_and_a_version_without_anything() {
        let del =
            [("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "a"), ("CNI_IFNAME", "eth0"), ("CNI_PATH", "/p")];
        assert_eq!(read(&del).unwrap().unwrap().network_namespace, None);
        assert_eq!(read(&[("CNI_COMMAND", "VERSION")]).unwrap().unwrap().command, Command::Version);
    }

    #[test]
    fn an_error_is_an_object_of_the_specification() {
        let error = Error::new(code::TRY_AGAIN, "m").with_details("d").of_version("0.4.0");
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(text, r#"{"cniVersion":"0.4.0","code":11,"msg":"m","details":"d"}"#);
        assert!(is_at_least("1.1.0", "0.4.0") && !is_at_least("0.3.1", "0.4.0"));
    }
}
