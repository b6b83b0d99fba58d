//! What readers are told: links lead somewhere, the flags and codes that are named exist, and the commands that are shown
//! work.

#![allow(unreachable_pub, reason = "a test exports nothing")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod codes;
#[path = "../common/mod.rs"]
mod common;
mod document;
mod flags;
mod logs;
mod ports;
mod run;
mod shell;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use document::{Document, documents, straight, top};

/// Stands for flags in the documentation.
const PLACEHOLDERS: [&str; 2] = ["YOUR_FLAGS", "..."];

#[test]
fn every_link_inside_the_repository_leads_to_a_file_and_a_heading() {
    let documents = documents();
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in &documents {
        let folder = document.path.parent().unwrap_or(Path::new(""));
        for target in document.targets() {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { document.path.clone() } else { straight(&folder.join(file)) };
            if !top().join(&path).exists() {
                wrong.push(document.where_is(&format!("{target}: there is no such file")));
            } else if !anchor.is_empty() && !Document::read(&path).anchors().contains(anchor) {
                wrong.push(document.where_is(&format!("{target}: there is no such heading")));
            }
        }
        let definitions = document.definitions();
        for name in document.references().iter().filter(|name| !definitions.contains_key(*name)) {
            wrong.push(document.where_is(&format!("[{name}] is not defined")));
        }
    }
    assert!(count > 30, "only {count} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_leads_to_every_document() {
    let readme = Document::read(Path::new("README.md"));
    let targets: BTreeSet<PathBuf> = readme
        .targets()
        .iter()
        .map(|target| PathBuf::from(target.split('#').next().unwrap_or_default()))
        .collect();
    for document in documents() {
        let is_decision = document.path.starts_with("docs/adr") && targets.contains(Path::new("docs/adr"));
        let is_linked = targets.contains(&document.path) || document.path == readme.path;
        assert!(is_linked || is_decision, "README.md has no link to {}", document.path.display());
    }
}
