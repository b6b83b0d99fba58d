//! Lists: items between commas, or in a file.

use std::collections::HashSet;
use std::path::Path;

use super::problem::{Problem, Problems};
use super::typed::Settings;

/// Where `@FILE` and `@-` are read.
pub trait ListFiles {
    /// The content of a file.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    fn file(&self, path: &Path) -> Result<String, String>;

    /// The content of standard input.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    fn standard_input(&self) -> Result<String, String>;
}

/// Replaces every list of the form `@FILE` or `@-` by what is read there. In a file, items stand between commas or
/// line breaks, and `#` begins a comment.
pub fn expand(settings: &mut Settings, files: &dyn ListFiles) -> Problems {
    let mut problems = Problems::default();
    let mut from_input = HashSet::new();
    for typed in settings.lists_mut() {
        let Some(path) = typed.text.trim().strip_prefix('@') else { continue };
        let content = match path {
            "" => Err("a file name has to follow the @".to_owned()),
            "-" if !from_input.insert(()) => Err("standard input can be read only once".to_owned()),
            "-" => files.standard_input(),
            path => files.file(Path::new(path)),
        };
        match content {
            Ok(content) => {
                let lines = content.lines().map(|line| line.split_once('#').map_or(line, |(items, _)| items));
                // The comma at the end tells a file without items from a list that was not given.
                typed.text = lines.collect::<Vec<_>>().join(",") + ",";
            }
            Err(reason) => {
                problems.push(Problem::new(typed.origin, &typed.text, reason));
                typed.text.clear();
            }
        }
    }
    problems
}

/// Is `*` the only item?
pub fn is_everything(text: &str) -> bool {
    items(text).eq(["*"])
}

/// The items of a list, without the spaces around them; empty items are skipped, as in istio-iptables.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(|item| item.trim_matches([' ', '\t'])).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::settings::{OUTBOUND_EXCLUDED_RANGES, OUTBOUND_RANGES};
    use super::super::typed::Origin;
    use super::*;

    struct Files;

    impl ListFiles for Files {
        fn file(&self, path: &Path) -> Result<String, String> {
            if path == Path::new("/lists/ranges") {
                Ok("10.0.0.0/8 # a\n\n# b\n1.0.0.0/8,2.0.0.0/8\r\n".into())
            } else {
                Err("no such file".into())
            }
        }

        fn standard_input(&self) -> Result<String, String> {
            Ok("3.0.0.0/8".into())
        }
    }

    fn settings(include: &str, exclude: &str) -> Settings {
        let mut settings = Settings::default();
        settings.set(&OUTBOUND_RANGES, Origin::Flag("istio-service-cidr"), include.into());
        settings.set(&OUTBOUND_EXCLUDED_RANGES, Origin::Flag("istio-service-exclude-cidr"), exclude.into());
        settings
    }

    #[test]
    fn a_file_is_a_list_with_comments() {
        let mut settings = settings("@/lists/ranges", "@-");
        assert!(expand(&mut settings, &Files).is_empty());
        let text = settings.get(&OUTBOUND_RANGES).text;
        assert_eq!(items(&text).collect::<Vec<_>>(), ["10.0.0.0/8", "1.0.0.0/8", "2.0.0.0/8"]);
        assert_eq!(settings.get(&OUTBOUND_EXCLUDED_RANGES).text, "3.0.0.0/8,");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_of_its_flag() {
        assert_eq!(expand(&mut settings("@/nowhere", "@"), &Files).iter().count(), 2);
        assert_eq!(expand(&mut settings("@-", "@-"), &Files).iter().count(), 1);
    }
}
