//! A document: its prose, its blocks of code, its headings and links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A line, and what it is part of.
pub enum Line<'t> {
    /// Text, up to the next empty line; each line of a table is one.
    Prose(String),
    /// A line of a block of code.
    Code(&'t str),
}

pub struct Document {
    /// From the top of the repository.
    pub path: PathBuf,
    pub text: String,
}

impl Document {
    pub fn read(path: &Path) -> Document {
        let whole = top().join(path);
        let text = fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{}: {error}", whole.display()));
        Document { path: path.to_owned(), text }
    }

    /// Code is what stands between fences, and what is indented by four after an empty line.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        let mut paragraph = String::new();
        let mut is_fenced = false;
        let mut may_be_indented = true;
        for line in self.text.lines() {
            let is_fence = line.trim_start().starts_with("```");
            let is_indented = may_be_indented && line.starts_with("    ");
            let is_code = is_fenced || is_indented;
            if is_fence {
                is_fenced = !is_fenced;
            }
            may_be_indented = line.trim().is_empty() || is_indented;
            let ends = is_fence || is_code || line.trim().is_empty() || line.starts_with(['|', '#']);
            if ends && !paragraph.is_empty() {
                lines.push(Line::Prose(std::mem::take(&mut paragraph)));
            }
            match line {
                _ if is_fence => {}
                line if is_code => lines.push(Line::Code(line.trim())),
                line if line.starts_with(['|', '#']) => lines.push(Line::Prose(line.to_owned())),
                line => {
                    paragraph.push_str(line);
                    paragraph.push(' ');
                }
            }
        }
        lines.push(Line::Prose(paragraph));
        lines
    }

    pub fn prose(&self) -> Vec<String> {
        let prose = |line| match line {
            Line::Prose(text) => Some(text),
            Line::Code(_) => None,
        };
        self.lines().into_iter().filter_map(prose).collect()
    }

    pub fn code(&self) -> Vec<String> {
        let code = |line| match line {
            Line::Code(text) => Some(text.to_owned()),
            Line::Prose(_) => None,
        };
        self.lines().into_iter().filter_map(code).collect()
    }

    /// The names by which its headings can be linked to, as GitHub makes them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for heading in self.prose().iter().filter(|line| line.starts_with('#')) {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let slug: String = title.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect();
            let count = counts.entry(slug.clone()).or_default();
            anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
            *count += 1;
        }
        anchors
    }

    /// Where its links lead: `[text](target)`, and `[name]: target` at the beginning of a line.
    pub fn targets(&self) -> Vec<String> {
        let mut targets = self.between("](", ')');
        targets.extend(self.definitions().into_values());
        targets
    }

    /// What stands between these in the prose.
    fn between(&self, open: &str, close: char) -> Vec<String> {
        let mut found = Vec::new();
        for text in self.prose() {
            let text = without_code(&text);
            let rests = text.split(open).skip(1);
            found.extend(rests.filter_map(|rest| Some(rest.split_once(close)?.0.to_owned())));
        }
        found
    }

    pub fn definitions(&self) -> BTreeMap<String, String> {
        let definition = |line: &str| {
            let (name, target) = line.strip_prefix('[')?.split_once("]: ")?;
            Some((name.to_owned(), target.trim().to_owned()))
        };
        self.text.lines().filter_map(definition).collect()
    }

    /// The names that `[text][name]` refers to.
    pub fn references(&self) -> BTreeSet<String> {
        self.between("][", ']').into_iter().collect()
    }

    pub fn where_is(&self, what: &str) -> String {
        format!("{}: {what}", self.path.display())
    }
}

pub fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README.md, CONTRIBUTING.md, CHANGELOG.md, and everything below docs.
pub fn documents() -> Vec<Document> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).to_vec();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(top().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                paths.push(path);
            }
        }
    }
    paths.iter().map(|path| Document::read(path)).collect()
}

/// What stands in backquotes.
pub fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

pub fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect()
}

/// `a/b/../c` as `a/c`.
pub fn straight(path: &Path) -> PathBuf {
    let mut straight = PathBuf::new();
    for part in path {
        if part == ".." {
            straight.pop();
        } else if part != "." {
            straight.push(part);
        }
    }
    straight
}
