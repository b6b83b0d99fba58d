//! docs/logs.md has every key of the table of fields, and the code writes no other.

use std::fs;
use std::path::{Path, PathBuf};

use mesh_intercept::logs::LONGEST_VALUE;
use mesh_intercept::logs::fields::{FIELDS, RESERVED, TARGET};
use mesh_intercept::logs::scopes::{ALL, Program};

use crate::document::{Document, top};

/// The rows of the table with this heading, cell by cell.
fn rows(document: &Document, heading: &str) -> Vec<Vec<String>> {
    let prose = document.prose();
    let section =
        prose.iter().skip_while(|line| *line != heading).skip(1).take_while(|it| !it.starts_with('#'));
    let rows = section.filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn page() -> Document {
    Document::read(Path::new("docs/logs.md"))
}

#[test]
fn the_page_of_keys_is_the_table_of_fields() {
    let word = |writer: &Program| match writer {
        Program::Commands => "commands",
        Program::Plugin => "plugin",
        Program::Agent => "agent",
    };
    let table: Vec<[String; 3]> = FIELDS
        .iter()
        .map(|field| {
            let writers: Vec<_> = field.writers.iter().map(word).collect();
            [format!("`{}`", field.name), field.kind.name().to_owned(), writers.join(", ")]
        })
        .collect();
    let shown: Vec<[String; 3]> = rows(&page(), "## Every key")
        .into_iter()
        .map(|row| [row[0].clone(), row[1].clone(), row[2].clone()])
        .collect();
    assert_eq!(shown, table);
    let scopes: Vec<_> = rows(&page(), "## Scopes").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(scopes, ALL.map(|scope| format!("`{scope}`")));
    assert!(page().text.contains(&format!("cut** at {LONGEST_VALUE} bytes")));
}

/// Every file of the sources.
fn sources() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![top().join("src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// What stands between the parentheses of each call of a macro that logs, up to its text.
fn calls(text: &str) -> Vec<&str> {
    let mut calls = Vec::new();
    for name in ["error!(", "warn!(", "info!(", "debug!(", "trace!("] {
        for (place, _) in text.match_indices(name) {
            let is_word = text[..place].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let rest = &text[place + name.len()..];
            if !is_word {
                calls.push(rest);
            }
        }
    }
    calls
}

/// The fields of a call: what stands between commas outside of parentheses, before the text.
fn fields(call: &str) -> Vec<String> {
    let (mut depth, mut field, mut fields, mut is_text) = (0, String::new(), Vec::new(), false);
    for c in call.chars() {
        match c {
            '"' if !is_text && depth == 0 && field.trim().is_empty() => return fields,
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                fields.push(std::mem::take(&mut field).trim().to_owned());
                continue;
            }
            _ => {}
        }
        field.push(c);
    }
    panic!("no text at the end of a log call: {}", &call[..call.len().min(80)]);
}

#[test]
fn the_code_writes_the_fields_of_the_table_and_never_debug_text() {
    let mut written: Vec<String> =
        [&RESERVED[..], &[TARGET]].concat().iter().map(|it| (*it).to_owned()).collect();
    let mut count = 0;
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        // Comments speak of such calls.
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for call in calls(&code) {
            count += 1;
            for field in fields(call) {
                let place = path.display();
                let (name, value) = field
                    .split_once('=')
                    .map_or((field.as_str(), ""), |(name, value)| (name.trim(), value.trim()));
                assert!(
                    !name.starts_with('?') && !value.starts_with('?'),
                    "{place}: {field} is Rust's debug text"
                );
                let name = name.trim_start_matches('%').rsplit('.').next().unwrap().to_owned();
                assert!(
                    FIELDS.iter().any(|it| it.name == name),
                    "{place}: the table of fields has no {name}"
                );
                written.push(name);
            }
        }
    }
    assert!(count > 60, "only {count} calls were found");
    // Fields of every line of the plugin, and those that an older plugin's report becomes.
    let plugin = fs::read_to_string(top().join("src/cni/logging.rs")).unwrap();
    let left: Vec<_> = FIELDS
        .iter()
        .filter(|field| {
            !written.contains(&field.name.to_owned()) && !plugin.contains(&format!("(\"{}\"", field.name))
        })
        .map(|field| field.name)
        .collect();
    assert!(left.is_empty(), "nothing writes {left:?}");
}

#[test]
fn the_examples_are_lines_as_they_are_written() {
    for example in page().code().iter().filter(|line| line.starts_with('{')) {
        let line: serde_json::Value = serde_json::from_str(example).unwrap();
        for (name, _) in line.as_object().unwrap() {
            assert!(FIELDS.iter().any(|it| it.name == name), "{name}");
        }
    }
}
