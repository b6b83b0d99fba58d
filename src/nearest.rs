//! The known name that a misspelt one most likely stands for.

/// One wrong letter for each so many of a name, and at least one, may be a slip.
const LETTERS_FOR_A_SLIP: usize = 4;

/// The known name that is nearest to an unknown one; nothing when none is near. Case, `_` and `-` do not count: with
/// them, the same words are spelt in several ways.
pub fn nearest<'n>(unknown: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let unknown = letters(unknown);
    let distance = |name: &str| {
        let name = letters(name);
        let most = (name.chars().count().max(unknown.chars().count()) / LETTERS_FOR_A_SLIP).max(1);
        // Counting the slips takes time by the product of both lengths.
        let is_comparable = name.len().abs_diff(unknown.len()) <= most * char::MAX.len_utf8();
        let slips = is_comparable.then(|| strsim::osa_distance(&name, &unknown))?;
        (slips <= most && slips < name.chars().count()).then_some(slips)
    };
    let near = known.into_iter().filter_map(|name| Some((distance(name)?, name)));
    near.min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

/// A question about the nearest name, to be put behind an error; nothing to say when none is near.
pub fn hint<'n>(unknown: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(unknown, known).map(|name| format!(": did you mean {name}?")).unwrap_or_default()
}

fn letters(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["time_budget", "flags", "exclude_namespaces", "proxyListenPort"];

    #[test]
    fn a_slip_is_recognised() {
        for (unknown, name) in [
            ("tme_budget", "time_budget"),
            ("timebudget", "time_budget"),
            ("flag", "flags"),
            ("falgs", "flags"),
            ("excluded_namespace", "exclude_namespaces"),
            ("excludeNamespaces", "exclude_namespaces"),
            ("proxy-listen-port", "proxyListenPort"),
        ] {
            assert_eq!(nearest(unknown, KNOWN), Some(name), "{unknown}");
        }
    }

    #[test]
    fn another_word_is_no_slip() {
        for unknown in ["", "x", "budget", "concurrency", "drain_duration"] {
            assert_eq!(nearest(unknown, KNOWN), None, "{unknown}");
        }
        assert_eq!(nearest("y", ["x"]), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), KNOWN), None);
    }
}
