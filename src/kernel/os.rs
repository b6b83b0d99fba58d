//! Is the node a CentOS machine? TPROXY is not supported there.

use std::path::Path;

use super::{Error, files};

/// What is known about the node's operating system. A container shares the node's kernel, but not its files.
#[derive(Clone, Debug, Default)]
pub struct NodeOs {
    /// What the operator says, such as a node's `osImage`.
    pub stated: Option<String>,
    /// The text of the node's os-release file.
    pub os_release: Option<String>,
    /// The text of /proc/version: who built the kernel, and where.
    pub kernel_version: Option<String>,
}

impl NodeOs {
    /// Gathers what there is.
    ///
    /// # Errors
    /// When an os-release file was named and cannot be read.
    pub fn look(stated: Option<String>, os_release: Option<&Path>) -> Result<NodeOs, Error> {
        Ok(NodeOs {
            stated,
            os_release: os_release.map(files::read).transpose()?,
            kernel_version: files::read(Path::new("/proc/version")).ok(),
        })
    }

    /// Why the node is taken for a CentOS machine, if it is. The first source that says anything decides.
    pub fn centos(&self) -> Option<String> {
        if let Some(stated) = &self.stated {
            return is_centos(stated).then(|| format!("the node's operating system is {stated:?}"));
        }
        let id =
            self.os_release.iter().flat_map(|text| text.lines()).find_map(|line| line.strip_prefix("ID="));
        if let Some(id) = id {
            let id = id.trim_matches(['"', '\'', ' ']);
            return is_centos(id).then(|| format!("the node's os-release says ID={id}"));
        }
        // `.el7` or `.el8` alone is no proof: RHEL has it as well. CentOS builds on hosts of its own domain.
        let version = self.kernel_version.as_ref()?;
        version.contains("centos.org").then(|| format!("the kernel was built by CentOS ({})", version.trim()))
    }
}

fn is_centos(text: &str) -> bool {
    text.to_ascii_lowercase().contains("centos")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENTOS_7: &str =
        "Linux version 3.10.0-1160.el7.x86_64 (mockbuild@kbuilder.bsys.centos.org) (gcc 4.8.5)";
    const RHEL_8: &str =
        "Linux version 4.18.0-553.el8_10.x86_64 (mockbuild@x86-64-02.build.eng.rdu2.redhat.com)";

    fn os(stated: &str, os_release: &str, kernel: &str) -> Option<String> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        NodeOs { stated: given(stated), os_release: given(os_release), kernel_version: given(kernel) }
            .centos()
    }

    #[test]
    fn centos_is_known_by_its_name_or_its_build_host() {
        assert!(os("CentOS Linux 7 (Core)", "", "").is_some());
        assert!(os("", "NAME=\"CentOS Stream\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\n", "").is_some());
        assert!(os("", "", CENTOS_7).is_some());
    }

    #[test]
    fn what_is_only_like_centos_is_not() {
        assert_eq!(os("", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", ""), None);
        assert_eq!(os("", "", RHEL_8), None);
        assert_eq!(os("", "", ""), None);
    }

    #[test]
    fn the_first_source_decides() {
        assert_eq!(os("Ubuntu 24.04", "ID=centos", CENTOS_7), None);
        assert_eq!(os("", "ID=debian", CENTOS_7), None);
        assert!(os("", "NAME=Something", CENTOS_7).is_some());
    }
}
