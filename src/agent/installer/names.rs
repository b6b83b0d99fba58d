//! Names for our copy of a configuration: one that the runtime reads before the file that was copied.

use super::options::DEFAULT_COPY;

/// What comes after the number in the names that the agent chooses.
const NAME: &str = "mesh-intercept.conflist";

/// How the names begin of files that Multus does not take for the network that it is to call.
pub(super) const MULTUS: &str = "00-multus";

/// A name that sorts before this file's. `is_free` says which names may be used.
pub(super) fn in_front(of: &str, is_free: impl Fn(&str) -> bool) -> Option<String> {
    let marks = of.len() - of.trim_start_matches('!').len();
    let first = format!("{}{NAME}", "!".repeat(marks + 1));
    let names = [DEFAULT_COPY.to_owned(), format!("00-{NAME}"), first];
    names.into_iter().find(|name| name.as_str() < of && is_free(name))
}

/// A name that sorts before that of a file of Multus, and that Multus passes over.
pub(super) fn in_front_of_multus(of: &str, is_free: impl Fn(&str) -> bool) -> Option<String> {
    let names = [format!("{MULTUS}-{NAME}"), format!("{MULTUS}!{NAME}")];
    names.into_iter().find(|name| name.as_str() < of && is_free(name))
}

/// A name between that of a file of Multus, which the runtime reads, and that of a file which Multus takes for its
/// network.
pub(super) fn behind_multus(multus: &str, network: &str, is_free: impl Fn(&str) -> bool) -> Option<String> {
    let names = [DEFAULT_COPY.to_owned(), format!("01-{NAME}"), format!("00-n-{NAME}")];
    let fits = |name: &str| multus < name && name < network && !name.starts_with(MULTUS);
    names.into_iter().find(|name| fits(name) && is_free(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_sorts_before_its_original_whatever_that_is_called() {
        for (of, name) in [
            ("10-net.conflist", Some("02-mesh-intercept.conflist")),
            ("net.conf", Some("02-mesh-intercept.conflist")),
            ("UPPER.conf", Some("02-mesh-intercept.conflist")),
            ("02-net.conf", Some("02-mesh-intercept.conflist")),
            ("02-a.conf", Some("00-mesh-intercept.conflist")),
            ("01-x.conf", Some("00-mesh-intercept.conflist")),
            ("00-multus.conf", Some("00-mesh-intercept.conflist")),
            ("00-cilium.conf", Some("!mesh-intercept.conflist")),
            ("000.conf", Some("00-mesh-intercept.conflist")),
            ("#1.conf", Some("!mesh-intercept.conflist")),
            ("!first.conf", Some("!!mesh-intercept.conflist")),
            ("!!!.conf", Some("!!!!mesh-intercept.conflist")),
            (" blank.conf", None),
        ] {
            assert_eq!(in_front(of, |_| true).as_deref(), name, "{of}");
            assert!(name.is_none_or(|name| name < of), "{of}");
        }
        let others = |name: &str| name != DEFAULT_COPY;
        assert_eq!(in_front("10-net.conf", others).as_deref(), Some("00-mesh-intercept.conflist"));
    }

    #[test]
    fn multus_passes_over_a_copy_in_front_of_its_file_and_takes_one_behind_it() {
        for (of, name) in [
            ("00-multus.conf", Some("00-multus-mesh-intercept.conflist")),
            ("00-multus.conflist", Some("00-multus-mesh-intercept.conflist")),
            ("00-multus-a.conf", Some("00-multus!mesh-intercept.conflist")),
            ("00-a.conf", None),
        ] {
            assert_eq!(in_front_of_multus(of, |_| true).as_deref(), name, "{of}");
        }
        let behind = |network: &str| behind_multus("00-multus.conf", network, |_| true);
        assert_eq!(behind("10-net.conf").as_deref(), Some("02-mesh-intercept.conflist"));
        assert_eq!(behind("02-a.conf").as_deref(), Some("01-mesh-intercept.conflist"));
        assert_eq!(behind("01-kube-ovn.conf").as_deref(), Some("00-n-mesh-intercept.conflist"));
        assert_eq!(behind("00-n-a.conf"), None);
    }
}
