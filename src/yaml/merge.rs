//! Merge keys: `<<: *base` stands for the keys of another mapping (<https://yaml.org/type/merge.html>), which istio's
//! reader of YAML follows.

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

/// The key.
const MERGE: &str = "<<";

/// The same with every merge key replaced, at all depths. Keys that are there themselves beat those that are merged, and
/// of several mappings the earlier ones beat the later ones.
///
/// # Errors
/// When what is to be merged is no mapping.
pub(super) fn merged(keys: Hash) -> Result<Hash, String> {
    let mut own = Hash::new();
    let mut base = Vec::new();
    for (key, value) in keys {
        let value = within(value)?;
        match (key.as_str(), value) {
            (Some(MERGE), Yaml::Hash(keys)) => base.push(keys),
            (Some(MERGE), Yaml::Array(items)) => {
                for item in items {
                    let Yaml::Hash(keys) = item else { return Err(wrong()) };
                    base.push(keys);
                }
            }
            (Some(MERGE), _) => return Err(wrong()),
            (_, value) => drop(own.insert(key, value)),
        }
    }
    for (key, value) in base.into_iter().flatten() {
        if !own.contains_key(&key) {
            own.insert(key, value);
        }
    }
    Ok(own)
}

fn within(value: Yaml) -> Result<Yaml, String> {
    Ok(match value {
        Yaml::Hash(keys) => Yaml::Hash(merged(keys)?),
        Yaml::Array(items) => Yaml::Array(items.into_iter().map(within).collect::<Result<_, _>>()?),
        value => value,
    })
}

fn wrong() -> String {
    format!("{MERGE} merges a mapping, or a list of mappings")
}

#[cfg(test)]
mod tests {
    use super::super::{get, read, scalar};

    fn value(text: &str, path: [&str; 2]) -> Option<String> {
        let keys = read(text).unwrap().unwrap();
        let inner = get(&keys, path[0])?.as_hash()?;
        scalar(get(inner, path[1])?)?
    }

    #[test]
    fn own_keys_beat_merged_ones_and_earlier_mappings_later_ones() {
        let text =
            "one: &one {a: 1, b: 1, c: 1}\ntwo: &two {a: 2, d: 2}\nthree:\n  c: 3\n  <<: [*one, *two]\n";
        let three = |key| value(text, ["three", key]);
        assert_eq!(
            [three("a"), three("b"), three("c"), three("d")],
            ["1", "1", "3", "2"].map(|it| Some(it.into()))
        );
        assert_eq!(three("<<"), None);
        assert_eq!(value("x: &x {a: 1}\ny: {<<: *x}", ["y", "a"]), Some("1".into()));
    }

    #[test]
    fn what_is_no_mapping_is_not_merged() {
        for text in ["a: {<<: 5}", "a: &a [1]\nb: {<<: *a}", "a: {<<: [{}, x]}"] {
            assert!(read(text).unwrap_err().contains("<<"), "{text}");
        }
    }
}
