//! What is made of the table of flags for readers: docs/flags.md, manual pages, completions. They are kept in docs, where
//! people read and packages take them; `WRITE_REFERENCE=1 cargo test --test reference` writes them again.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use mesh_intercept::cli;
use mesh_intercept::config::settings::{ALL, Kind, Setting};

/// Every file by its path, and what has to be in it.
fn reference() -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::from([(PathBuf::from("docs/flags.md"), flags())]);
    let program = cli::reference();
    for page in std::iter::once(&program).chain(program.get_subcommands()) {
        let (name, text) = manual_page(&program, page);
        files.insert(Path::new("docs/man").join(name), text);
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli::reference(), "mesh-intercept", &mut script);
        let mut script = String::from_utf8(script).unwrap();
        // The generator spells the hyphen of a program's name in two ways, and finds no command then:
        // https://github.com/clap-rs/clap/issues/6421
        if shell == Shell::Bash {
            script = script.replace("mesh__subcmd__intercept", "mesh__intercept");
        }
        let name = match shell {
            Shell::Bash => "mesh-intercept.bash",
            Shell::Zsh => "_mesh-intercept",
            _ => "mesh-intercept.fish",
        };
        files.insert(Path::new("docs/completions").join(name), script);
    }
    files
}

fn manual_page(program: &Command, page: &Command) -> (String, String) {
    // clap wants a name that lives as long as the program: a process of a test is short enough for that.
    let page = match page.get_name() {
        name if name == program.get_name() => page.clone(),
        // The version is for the page's title: commands have no flag for it.
        name => page
            .clone()
            .name(&*format!("{}-{name}", program.get_name()).leak())
            .version(env!("CARGO_PKG_VERSION"))
            .disable_version_flag(true),
    };
    let name = page.get_name().to_owned();
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).unwrap();
    (format!("{name}.1"), String::from_utf8(text).unwrap())
}

fn flags() -> String {
    let mut text = "# Flags\n\n\
        Every flag with its variables and its default; `tests/reference.rs` makes this page of the table in \
        `src/config/settings.rs`.\n\
        A flag beats its variables, of several variables the first that is set counts, in the order of istio (a warning names what contradicts it), the last of a repeated flag counts. Lists are \
        comma\nseparated; `@FILE` and `@-` stand for the content of a file or of standard input. A switch alone means \
        `true`.\n"
        .to_owned();
    let is_special = |setting: &&&Setting| !setting.verbs.is_empty();
    let general = ALL.iter().filter(|it| !is_special(it) && !it.flag.is_empty()).copied();
    text.push_str(&table("Every command but `import` and `cni`", general));
    let mut by_verbs: BTreeMap<String, Vec<&Setting>> = BTreeMap::new();
    for setting in ALL.iter().filter(is_special) {
        by_verbs.entry(setting.verbs.join(", ")).or_default().push(setting);
    }
    for (verbs, settings) in by_verbs {
        text.push_str(&table(&format!("Only `{verbs}`"), settings.into_iter()));
    }
    let environment = ALL.iter().filter(|it| it.flag.is_empty()).copied();
    text.push_str(&table("Only in the environment", environment));
    text
}

fn table<'a>(title: &str, settings: impl Iterator<Item = &'a Setting>) -> String {
    let mut text =
        format!("\n## {title}\n\n| flag | variables | default | what it does |\n|---|---|---|---|\n");
    for setting in settings {
        let short = setting.short.map(|letter| format!("`-{letter}`, ")).unwrap_or_default();
        let value = match setting.kind {
            Kind::Switch => String::new(),
            Kind::Value | Kind::List => format!(" {}", setting.placeholder),
        };
        let flag = if setting.flag.is_empty() {
            String::new()
        } else {
            format!("{short}`--{}{value}`", setting.flag).replace('|', "\\|")
        };
        let variables: Vec<String> = setting.variables.iter().map(|name| format!("`{name}`")).collect();
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let help = setting.help.replace('|', "\\|");
        text.push_str(&format!("| {flag} | {} | {default} | {help} |\n", variables.join(", ")));
    }
    text
}

#[test]
fn the_reference_is_what_the_program_takes() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = reference();
    if std::env::var_os("WRITE_REFERENCE").is_some() {
        for (path, text) in &wanted {
            fs::create_dir_all(top.join(path).parent().unwrap()).unwrap();
            fs::write(top.join(path), text).unwrap();
        }
    }
    let differs =
        wanted.iter().filter(|(path, text)| fs::read_to_string(top.join(path)).ok().as_ref() != Some(text));
    let differs: Vec<_> = differs.map(|(path, _)| path).collect();
    assert!(
        differs.is_empty(),
        "write them again (WRITE_REFERENCE=1 cargo test --test reference): {differs:?}"
    );
    for folder in ["docs/man", "docs/completions"] {
        for entry in fs::read_dir(top.join(folder)).unwrap() {
            let path = Path::new(folder).join(entry.unwrap().file_name());
            assert!(wanted.contains_key(&path), "{} is about nothing that is there", path.display());
        }
    }
}

#[test]
fn bash_completes_the_flags_of_every_command() {
    const ASK: &str = r#"
        source docs/completions/mesh-intercept.bash
        COMP_WORDS=(mesh-intercept "$1" --) COMP_CWORD=2
        _mesh__intercept mesh-intercept -- "$1"
        echo "${COMPREPLY[@]}"
    "#;
    for command in cli::reference().get_subcommands() {
        let run = std::process::Command::new("bash")
            .args(["-c", ASK, "bash", command.get_name()])
            .output()
            .unwrap();
        let offered = String::from_utf8(run.stdout).unwrap();
        for flag in command.get_arguments().filter(|it| !it.is_hide_set()).filter_map(|it| it.get_long()) {
            let flag = format!("--{flag}");
            assert!(offered.split_whitespace().any(|it| it == flag), "{}: {flag}", command.get_name());
        }
    }
}
