//! Plugins of a list that are files of their own: since CNI 1.1 a runtime takes them from a folder beside the list,
//! which has the network's name, and calls them after those that are in the list.
//!
//! The rules are those of libcni 1.3: files that end with `.conf`, byte by byte in the order of their names, and no
//! folder is read when the list says `loadOnlyInlinedPlugins`. One file that is no plugin spoils the whole list. A
//! runtime with an earlier libcni looks at no folder.

use super::document::{Flaw, text_of};
use super::members::Members;
use super::plugin::Plugin;

/// The key of a list whose plugins are all in it.
pub(super) const ONLY_INLINED: &str = "loadOnlyInlinedPlugins";

/// The folder of plugins beside a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Its name; nothing when the runtime looks at none.
    pub folder: Option<String>,
    /// The files in it that end with `.conf`, in their order; or why they cannot be known.
    pub files: Result<Vec<PluginFile>, String>,
}

/// A file of a folder of plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFile {
    /// Its name.
    pub name: String,
    /// What is in it, or why that cannot be known.
    pub bytes: Result<Vec<u8>, String>,
}

impl Beside {
    /// No folder.
    pub fn none() -> Beside {
        Beside { folder: None, files: Ok(Vec::new()) }
    }

    /// The plugins, as the runtime reads them.
    pub(super) fn plugins(&self) -> Result<Vec<Plugin<'_>>, Flaw> {
        let folder = self.folder.as_deref().unwrap_or_default();
        let files = self.files.as_ref().map_err(|reason| Flaw::Folder {
            folder: folder.to_owned(),
            flaw: Box::new(Flaw::Unreadable(reason.clone())),
        })?;
        let plugin = |file| {
            read(file).map_err(|flaw| {
                let folder = format!("{folder}/{}", file.name);
                Flaw::Folder { folder, flaw: Box::new(flaw) }
            })
        };
        files.iter().map(plugin).collect()
    }
}

fn read(file: &PluginFile) -> Result<Plugin<'_>, Flaw> {
    let bytes = file.bytes.as_ref().map_err(|reason| Flaw::Unreadable(reason.clone()))?;
    Plugin::read(text_of(bytes)?.trim())?.ok_or(Flaw::NoType)
}

/// The name of the folder from which a runtime takes more plugins of this list; nothing when it takes none.
pub fn folder_of(list: &str) -> Option<String> {
    let members = Members::parse(list).ok()?;
    if only_inlined(&members).ok()? {
        return None;
    }
    members.string("name").ok()?.filter(|name| is_network_name(name))
}

/// Does the list say that its plugins are all in it?
pub(super) fn only_inlined(members: &Members<'_>) -> Result<bool, Flaw> {
    let Some(raw) = members.last(ONLY_INLINED) else { return Ok(false) };
    match raw.trim_matches('"').to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Flaw::NotBoolean(ONLY_INLINED)),
    }
}

/// Runtimes refuse other names when they call the plugins; this also keeps the folder beside the list.
fn is_network_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    name.bytes().all(is_allowed) && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_has_the_name_of_a_network_that_does_not_say_that_all_is_inlined() {
        for (list, folder) in [
            (r#"{"name":"net"}"#, Some("net")),
            (r#"{"name":"k8s-pod.net_2","loadOnlyInlinedPlugins":false}"#, Some("k8s-pod.net_2")),
            (r#"{"name":"net","loadOnlyInlinedPlugins":"FALSE"}"#, Some("net")),
            (r#"{"name":"net","loadOnlyInlinedPlugins":true}"#, None),
            (r#"{"name":"net","loadOnlyInlinedPlugins":"True"}"#, None),
            (r#"{"name":"net","loadOnlyInlinedPlugins":1}"#, None),
            (r#"{"name":"../net"}"#, None),
            (r#"{"name":".."}"#, None),
            (r#"{"name":"a/b"}"#, None),
            (r#"{"name":""}"#, None),
            (r#"{"plugins":[]}"#, None),
            ("not JSON", None),
        ] {
            assert_eq!(folder_of(list).as_deref(), folder, "{list}");
        }
    }
}
