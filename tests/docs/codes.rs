//! Exit codes and error codes that the text names exist.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mesh_intercept::cni::protocol::code;
use mesh_intercept::exit::Exit;

use crate::document::{Document, documents};

/// The number that follows each occurrence of some words.
fn numbers_after(text: &str, words: &str) -> Vec<u32> {
    let lower = text.to_lowercase();
    lower
        .match_indices(words)
        // "os error 2" is a number of the system.
        .filter(|(place, _)| !lower[..*place].ends_with("os "))
        .filter_map(|(place, found)| {
            let rest = &lower[place + found.len()..];
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .collect()
}

fn is_exit_code(number: u32) -> bool {
    let Ok(number) = u8::try_from(number) else { return false };
    let known = [
        Exit::Done,
        Exit::BadInput,
        Exit::Environment,
        Exit::ApplyFailed,
        Exit::Conflict,
        Exit::ValidationFailed(126),
    ];
    let shown = |code: ExitCode| format!("{code:?}");
    known.into_iter().any(|exit| shown(exit.into()) == shown(ExitCode::from(number)))
}

#[test]
fn every_exit_code_and_error_code_in_the_text_is_one() {
    let errors = [
        code::VERSION,
        code::ENVIRONMENT,
        code::IO,
        code::DECODE,
        code::CONFIGURATION,
        code::TRY_AGAIN,
        code::NOT_AVAILABLE,
        code::POD_SETTINGS,
        code::NODE,
        code::NOT_APPLIED,
        code::DRIFT,
        code::CONFLICT,
    ];
    let mut count = 0;
    for document in documents() {
        for text in document.prose() {
            for number in numbers_after(&text, "exit code ") {
                count += 1;
                assert!(is_exit_code(number), "{}", document.where_is(&format!("exit code {number}")));
            }
            for number in numbers_after(&text, "error ") {
                assert!(errors.contains(&number), "{}", document.where_is(&format!("error {number}")));
            }
        }
    }
    assert!(count > 10, "only {count} exit codes were found");
}

#[test]
fn the_readmes_table_of_exit_codes_is_whole() {
    let readme = Document::read(Path::new("README.md"));
    let prose = readme.prose();
    let rows = prose.iter().skip_while(|line| *line != "## Exit codes").skip(1);
    let first_cell = |line: &String| line.trim_matches('|').split('|').next()?.trim().parse::<u32>().ok();
    let codes: Vec<u32> = rows.take_while(|line| !line.starts_with('#')).filter_map(first_cell).collect();
    assert!(codes.iter().all(|code| is_exit_code(*code)), "{codes:?}");
    assert_eq!(codes, [0, 1, 2, 3, 4, 126]);
}

#[test]
fn headings_become_anchors_as_on_github() {
    let text = "# A Title\n\n## Can't lock /run/xtables.lock\n\n```\n# no heading\n```\n\n## `init` & Co\n\n## A Title\n";
    let document = Document { path: PathBuf::from("x.md"), text: text.to_owned() };
    let expected = ["a-title", "a-title-1", "cant-lock-runxtableslock", "init--co"];
    assert_eq!(document.anchors().into_iter().collect::<Vec<_>>(), expected);
}
