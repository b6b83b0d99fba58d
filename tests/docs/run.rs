//! The commands that documents show are run: those of the program, each in a pod that has the rules which it is about; and of
//! each script its help, which has to know the flags that are shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::PLACEHOLDERS;
use crate::common::{BINARY, Lab};
use crate::document::{Document, documents, top};
use crate::shell::commands;

/// The rules that commands look at, unless they put them in.
const RULES: [&str; 6] = ["-u", "1337", "-i", "*", "-b", "*"];
/// Where scripts are.
const FOLDERS: [&str; 5] = ["scripts", "container", "vagrant", ".ci", "."];
/// It takes no arguments and has no help: it is the list of what has to hold.
const WITHOUT_HELP: &str = ".ci/run";

/// The commands in a document's blocks of code.
fn shown(document: &Document) -> impl Iterator<Item = Vec<String>> + use<> {
    document.code().into_iter().flat_map(|line| commands(&line))
}

/// Runs a command of the program.
fn run(words: &[String]) -> Output {
    let lab = Lab::new("nameserver 10.96.0.10\n");
    let namespace = lab.pod.path();
    let namespace = namespace.to_str().unwrap();
    let mut given = vec![BINARY.to_owned()];
    for word in &words[1..] {
        match word.as_str() {
            word if PLACEHOLDERS.contains(&word) => given.extend(RULES.map(str::to_owned)),
            "/proc/PID/ns/net" | "/run/netns/NAME" => given.push(namespace.to_owned()),
            word => given.push(word.to_owned()),
        }
    }
    let asked = |word: &str| given.iter().any(|it| it == word);
    if !asked("init") && !asked("plan") {
        let dns: &[&str] = if asked("--redirect-dns") { &["--redirect-dns"] } else { &[] };
        let output = lab.init(&[&RULES[..], dns].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    lab.pod.output(&given.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn every_command_of_the_program_that_is_shown_works() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        for words in shown(&document).filter(|words| words[0] == "mesh-intercept") {
            count += 1;
            let output = run(&words);
            // What has no equal in an import is what such an example is about.
            let is_import = words.get(1).is_some_and(|verb| verb == "import");
            let is_right = output.status.success() || (is_import && output.status.code() == Some(4));
            if !is_right {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(document.where_is(&format!("{}: {}: {why}", words.join(" "), output.status)));
            }
        }
    }
    assert!(count > 30, "only {count} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a command of this repository's, if it is one.
fn fault_of_script(words: &[String]) -> Option<String> {
    let path = words[0].strip_prefix("./").unwrap_or(&words[0]);
    let folder = Path::new(path).parent()?.to_str()?;
    if folder.is_empty() || !FOLDERS.contains(&folder) {
        return None;
    }
    let program = top().join(path);
    if !program.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o100 != 0) {
        return Some("there is no such program".to_owned());
    }
    if path == WITHOUT_HELP {
        return None;
    }
    let help = Command::new(&program).arg("--help").output().unwrap();
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    let is_unknown = |word: &&String| {
        let name = word.split('=').next().unwrap_or_default();
        // What stands behind it belongs to cargo.
        name.starts_with("--") && name != "--test" && !text.contains(name)
    };
    if !help.status.success() || text.is_empty() {
        return Some("it has no --help".to_owned());
    }
    words[1..].iter().find(is_unknown).map(|word| format!("its help does not know {word}"))
}

#[test]
fn every_script_that_is_shown_is_there_and_knows_its_flags() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        for words in shown(&document) {
            count += usize::from(words[0].contains("scripts/"));
            wrong.extend(
                fault_of_script(&words)
                    .map(|fault| document.where_is(&format!("{}: {fault}", words.join(" ")))),
            );
        }
    }
    assert!(count > 10, "only {count} scripts were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_script_that_is_none_is_found() {
    let fault = |line: &str| fault_of_script(&commands(line)[0]);
    assert_eq!(fault("scripts/release --require-arm64"), None);
    assert_eq!(fault("kubectl apply -k container/deploy/cni"), None);
    for wrong in ["scripts/nothing", "scripts/release --no-such-flag", "container/deploy"] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
}
