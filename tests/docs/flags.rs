//! Commands and flags that are named exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use mesh_intercept::config::arguments::{Outcome, parse};
use mesh_intercept::config::settings::ALL;
use mesh_intercept::import::{Peer, import};
use mesh_intercept::kernel::files::Files;

use crate::PLACEHOLDERS;
use crate::document::{documents, spans, top};
use crate::shell::commands;

/// Flags in the text that belong to other programs: kubelet, scripts/bench, and any.
const FLAGS_OF_OTHERS: [&str; 6] =
    ["register-with-taints", "multus-conf-file", "multus-master-cni-file-name", "alone", "help", "version"];

/// The commands that the program knows, each with the name under which its flags are listed.
fn verbs() -> BTreeMap<String, &'static str> {
    let help = Command::new(env!("CARGO_BIN_EXE_mesh-intercept")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut verbs = BTreeMap::new();
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in lines.take_while(|line| !line.is_empty()) {
        let name: &'static str = line.split_whitespace().next().unwrap().to_owned().leak();
        verbs.insert(name.to_owned(), name);
        if let Some((_, alias)) = line.split_once("[alias: ") {
            verbs.insert(alias.trim_end_matches(']').to_owned(), name);
        }
    }
    assert!(verbs.len() >= 8, "{help}");
    verbs
}

/// The agent's flags, from their table: the agent itself is not built without its feature.
fn flags_of_the_agent() -> BTreeSet<String> {
    let table = fs::read_to_string(top().join("src/agent/options/flags.rs")).unwrap();
    let mut flags = BTreeSet::new();
    for opening in ["= value(", "= switch(", "= dead(", ".alias("] {
        flags.extend(
            table.split(opening).skip(1).filter_map(|rest| rest.split('"').nth(1)).map(str::to_owned),
        );
    }
    assert!(flags.contains("reconcile-interval") && flags.contains("log-as-json"), "{flags:?}");
    flags
}

/// A flag's name: `--output=json` is about `output`.
fn flag_name(word: &str) -> Option<&str> {
    word.strip_prefix("--")?.split(['=', '[', ',']).next()
}

/// What is wrong with a command of ours, if anything.
fn fault(
    words: &[String],
    verbs: &BTreeMap<String, &'static str>,
    agent: &BTreeSet<String>,
) -> Option<String> {
    let program = Path::new(&words[0]).file_name()?.to_str()?;
    let arguments = &words[1..];
    match (program, arguments.first().map(String::as_str)) {
        ("mesh-intercept", None) => None,
        ("mesh-intercept", Some("--help" | "-h" | "--version" | "-V")) => None,
        ("mesh-intercept", Some("import")) => fault_of_import(&arguments[1..]),
        ("mesh-intercept", Some(verb)) => {
            let Some(name) = verbs.get(verb) else { return Some(format!("there is no command {verb:?}")) };
            let given = arguments[1..].iter().filter(|word| !PLACEHOLDERS.contains(&word.as_str())).cloned();
            let line: Vec<String> = [program.to_owned()].into_iter().chain(given).collect();
            match parse(name, "", line, &|_| Err(std::env::VarError::NotPresent)) {
                Outcome::Parsed(_, problems) if !problems.is_empty() => Some(problems.to_string()),
                _ => None,
            }
        }
        ("mesh-intercept-agent", _) => {
            let unknown = |word: &&String| {
                flag_name(word).is_some_and(|name| !agent.contains(name) && !FLAGS_OF_OTHERS.contains(&name))
            };
            arguments.iter().find(unknown).map(|word| format!("the agent has no flag {word}"))
        }
        _ => None,
    }
}

/// What is wrong with an import that is shown, if it is shown with what is imported.
fn fault_of_import(arguments: &[String]) -> Option<String> {
    let mesh = arguments.first().map(String::as_str).unwrap_or_default();
    let Some(peer) = Peer::ALL.into_iter().find(|peer| peer.name() == mesh) else {
        return arguments.first().map(|word| format!("there is no mesh {word:?} to import from"));
    };
    let words: Vec<String> = arguments.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    if words.is_empty() || PLACEHOLDERS.contains(&words[0].as_str()) {
        return None;
    }
    import(peer, &words, &Files, &Files).err().map(|problems| problems.to_string())
}

#[test]
fn every_command_that_is_shown_is_one() {
    let (verbs, agent) = (verbs(), flags_of_the_agent());
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        let mut lines = document.code();
        for text in document.prose() {
            let is_ours = |span: &&str| {
                span.starts_with("mesh-intercept ") || span.starts_with("mesh-intercept-agent ")
            };
            let is_verb = |span: &&str| verbs.contains_key(span.split(' ').next().unwrap_or_default());
            lines.extend(spans(&text).into_iter().filter(is_ours).map(str::to_owned));
            // `init --migrate` says it as well.
            let of_verbs = spans(&text).into_iter().filter(is_verb);
            // In a table a bar is written \|.
            lines.extend(of_verbs.map(|span| format!("mesh-intercept {}", span.replace("\\|", "/"))));
        }
        for words in lines.iter().flat_map(|line| commands(line)) {
            count += usize::from(words[0] == "mesh-intercept");
            if let Some(fault) = fault(&words, &verbs, &agent) {
                wrong.push(document.where_is(&format!("{}: {fault}", words.join(" "))));
            }
        }
    }
    assert!(count > 30, "only {count} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_that_is_none_is_found() {
    let (verbs, agent) = (verbs(), flags_of_the_agent());
    let fault = |line: &str| fault(&commands(line)[0], &verbs, &agent);
    assert_eq!(fault("mesh-intercept init -i '*' --reconcile"), None);
    assert_eq!(fault("mesh-intercept istio-iptables -i '*'"), None);
    assert_eq!(fault("mesh-intercept import linkerd -- -p 4143 -o 4140 -u 2102"), None);
    assert_eq!(fault("mesh-intercept-agent --reconcile-interval 60s"), None);
    for wrong in [
        "mesh-intercept instal",
        "mesh-intercept init --no-such-flag",
        "mesh-intercept init --watch 1s",
        "mesh-intercept import nomad",
        "mesh-intercept import linkerd -- --no-such-flag 1",
        "mesh-intercept verify words",
        "mesh-intercept-agent --live",
    ] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
}

#[test]
fn every_flag_in_the_text_is_known() {
    let mut known = flags_of_the_agent();
    known.extend(
        ALL.iter().flat_map(|setting| [Some(setting.flag), setting.alias]).flatten().map(str::to_owned),
    );
    known.extend(FLAGS_OF_OTHERS.map(str::to_owned));
    let imported =
        Peer::ALL.iter().flat_map(|peer| peer.items()).filter_map(|item| item.flag.strip_prefix("--"));
    known.extend(imported.map(str::to_owned));
    let mut wrong = Vec::new();
    for document in documents() {
        for text in document.prose() {
            for span in spans(&text).into_iter().filter(|span| span.starts_with("--")) {
                let names = span.split(' ').filter_map(flag_name).filter(|name| !known.contains(*name));
                wrong.extend(names.map(|name| document.where_is(&format!("nobody knows --{name}"))));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
