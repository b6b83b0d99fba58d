//! What readers are told: links lead somewhere, and the commands, flags and codes that are named exist.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use mesh_intercept::cni::protocol::code;
use mesh_intercept::config::arguments::{Outcome, parse};
use mesh_intercept::config::settings::ALL;
use mesh_intercept::exit::Exit;
use mesh_intercept::import::{Peer, import};
use mesh_intercept::kernel::files::Files;

/// Stands for flags in the documentation.
const PLACEHOLDERS: [&str; 2] = ["YOUR_FLAGS", "..."];
/// Flags in the text that belong to other programs: kubelet, scripts/bench, and any.
const FLAGS_OF_OTHERS: [&str; 4] = ["register-with-taints", "alone", "help", "version"];

/// A line, and what it is part of.
enum Line<'t> {
    /// Text, up to the next empty line; each line of a table is one.
    Prose(String),
    /// A line of a block of code.
    Code(&'t str),
}

struct Document {
    /// From the top of the repository.
    path: PathBuf,
    text: String,
}

impl Document {
    fn read(path: &Path) -> Document {
        let whole = top().join(path);
        let text = fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{}: {error}", whole.display()));
        Document { path: path.to_owned(), text }
    }

    /// Code is what stands between fences, and what is indented by four after an empty line.
    fn lines(&self) -> Vec<Line<'_>> {
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

    fn prose(&self) -> Vec<String> {
        let prose = |line| match line {
            Line::Prose(text) => Some(text),
            Line::Code(_) => None,
        };
        self.lines().into_iter().filter_map(prose).collect()
    }

    fn code(&self) -> Vec<String> {
        let code = |line| match line {
            Line::Code(text) => Some(text.to_owned()),
            Line::Prose(_) => None,
        };
        self.lines().into_iter().filter_map(code).collect()
    }

    /// The names by which its headings can be linked to, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
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
    fn targets(&self) -> Vec<String> {
        let mut targets = Vec::new();
        for text in self.prose() {
            let text = without_code(&text);
            for rest in text.split("](").skip(1) {
                targets.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
            }
        }
        targets.extend(self.definitions().into_values());
        targets
    }

    fn definitions(&self) -> BTreeMap<String, String> {
        let definition = |line: &str| {
            let (name, target) = line.strip_prefix('[')?.split_once("]: ")?;
            Some((name.to_owned(), target.trim().to_owned()))
        };
        self.text.lines().filter_map(definition).collect()
    }

    /// The names that `[text][name]` refers to.
    fn references(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for text in self.prose() {
            let text = without_code(&text);
            for rest in text.split("][").skip(1) {
                names.extend(rest.split_once(']').map(|(name, _)| name.to_owned()));
            }
        }
        names
    }

    fn where_is(&self, what: &str) -> String {
        format!("{}: {what}", self.path.display())
    }
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README.md, CONTRIBUTING.md, CHANGELOG.md, and everything below docs.
fn documents() -> Vec<Document> {
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
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect()
}

/// `a/b/../c` as `a/c`.
fn straight(path: &Path) -> PathBuf {
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

/// The words of a line of shell, command by command: quotes and comments are understood, and nothing else is.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let finish = |word: &mut Option<String>, all: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(last)) = (word.take(), all.last_mut()) {
            last.push(word);
        }
    };
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ';' | '|' | '&') => {
                finish(&mut word, &mut all);
                all.push(Vec::new());
            }
            (None, c) if c.is_whitespace() => finish(&mut word, &mut all),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    finish(&mut word, &mut all);
    for words in &mut all {
        // A prompt, and variables of the command.
        let is_before = |word: &String| {
            matches!(word.as_str(), "$" | "sudo")
                || word.split_once('=').is_some_and(|(name, _)| {
                    name.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !name.is_empty()
                })
        };
        let count = words.iter().take_while(|word| is_before(word)).count();
        words.drain(..count);
    }
    all.retain(|words| !words.is_empty());
    all
}

#[test]
fn lines_of_shell_are_read_as_a_shell_reads_them() {
    let words = |line| commands(line).iter().map(|words| words.join("+")).collect::<Vec<_>>();
    assert_eq!(words("$ RECONCILE=true mesh-intercept init -i '*' # all"), ["mesh-intercept+init+-i+*"]);
    assert_eq!(words("sudo a; b --x=\"1 2\" | c && d"), ["a", "b+--x=1 2", "c", "d"]);
    assert_eq!(words("# nothing"), [""; 0]);
}

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
