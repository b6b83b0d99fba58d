//! Versions of the CNI specification.

/// A version as a configuration says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CniVersion([u32; 3]);

impl CniVersion {
    /// The version to which a copy is raised whose source knows no chain.
    pub const OLDEST_CHAIN: &str = "0.3.1";

    /// What it means. No version means 0.1.0, as the specification says; a text in a form that is not known yet is
    /// taken for a version after all others.
    pub fn parse(text: &str) -> CniVersion {
        if text.is_empty() {
            return CniVersion([0, 1, 0]);
        }
        let release = text.split_once('-').map_or(text, |(release, _)| release);
        let numbers: Option<Vec<u32>> = release.split('.').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => CniVersion([major, minor, patch]),
            _ => CniVersion([u32::MAX; 3]),
        }
    }

    /// Do plugins of this version get the result of those before them? It came with 0.3.0.
    pub fn can_chain(&self) -> bool {
        *self >= CniVersion([0, 3, 0])
    }
}
