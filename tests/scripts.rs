//! What the scripts of a check say when a part of it cannot be done, and that what is found is a failure. The programs that
//! they call are stand-ins.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What scripts may call besides stand-ins.
const PROGRAMS: [&str; 14] = [
    "awk", "bash", "cat", "dirname", "env", "git", "mktemp", "python3", "rm", "sed", "sh", "sort", "tail",
    "xargs",
];

/// A copy of some scripts, with a PATH of its own.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn new(scripts: &[&str]) -> Copy {
        let copy = Copy { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "scripts", ".ci", "fuzz"] {
            fs::create_dir(copy.path(folder)).unwrap();
        }
        for program in PROGRAMS {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
            let found = found.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {program}"));
            symlink(found, copy.path("bin").join(program)).unwrap();
        }
        for script in scripts.iter().chain(&["scripts/skipped"]) {
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(script), copy.path(script)).unwrap();
        }
        copy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program that does what these lines of shell say.
    fn stand_in(&self, name: &str, lines: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        Command::new(self.path(script))
            .args(arguments)
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("SKIPPED_LIST", self.path("list"))
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn list(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("list")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Everything that scripts/check calls, each content, and no database of advisories.
    fn of_check(deny: &str) -> Copy {
        let copy = Copy::new(&["scripts/check", "scripts/check-exceptions"]);
        copy.stand_in("bin/cargo", "exit 0");
        copy.stand_in("deny", deny);
        copy.stand_in("scripts/tool", "echo \"$PWD/deny\"");
        fs::write(copy.path("deny.toml"), "").unwrap();
        copy
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_was_skipped_is_listed_at_the_end_also_after_a_failure() {
    let copy = Copy::new(&[".ci/run"]);
    copy.stand_in(
        "scripts/test",
        "scripts/skipped 'half of it' 'no other half'; scripts/skipped more less; exit 7",
    );
    let output = copy.run(".ci/run", &[]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        text(&output.stdout),
        "\nskipped, and not checked:\n  * half of it: no other half\n  * more: less\n"
    );
    assert_eq!(text(&output.stderr), "skipped: half of it: no other half\nskipped: more: less\n");
    assert_eq!(copy.list(), [""; 0], "the list is a file of its own");

    copy.stand_in("scripts/test", "exit 1");
    assert_eq!(text(&copy.run(".ci/run", &[]).stdout), "\nnothing was skipped\n");
}

#[test]
fn a_check_lists_the_programs_that_are_missing_and_the_database_that_cannot_be_fetched() {
    let copy = Copy::of_check("case \"$*\" in *fetch*) echo first; echo 'no such host' >&2; exit 1;; esac");
    let output = copy.run("scripts/check", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        copy.list(),
        [
            "shell scripts: shellcheck is not installed",
            "the machines of vagrant/: vagrant or ruby is not installed",
            "advisories about dependencies: their database cannot be fetched: no such host",
        ]
    );
}

#[test]
fn an_advisory_fails_the_check_and_is_no_skipped_part_of_it() {
    let copy = Copy::of_check("case \"$*\" in *advisories*) echo 'RUSTSEC-2026-0001'; exit 1;; esac");
    let output = copy.run("scripts/check", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("RUSTSEC-2026-0001"));
    assert!(!copy.list().iter().any(|line| line.contains("advisories")), "{:?}", copy.list());
}

#[test]
fn an_exception_has_a_reason_and_a_day_that_is_not_over() {
    let cases = [
        ("", None),
        ("[advisories]\nignore = []", None),
        (
            "[advisories]\nignore = [{ id = \"RUSTSEC-2026-0001\", reason = \"not called; until 2999-12-31\" }]",
            None,
        ),
        (
            "[advisories]\nignore = [{ id = \"RUSTSEC-2026-0001\", reason = \"not called; until 2020-02-29\" }]",
            Some("RUSTSEC-2026-0001 was excepted until 2020-02-29"),
        ),
        (
            "[advisories]\nignore = [{ id = \"RUSTSEC-2026-0001\", reason = \"not called\" }]",
            Some("RUSTSEC-2026-0001 has no reason"),
        ),
        (
            "[advisories]\nignore = [{ id = \"RUSTSEC-2026-0001\", reason = \"; until 2999-12-31\" }]",
            Some("RUSTSEC-2026-0001 has no reason"),
        ),
        ("[advisories]\nignore = [\"RUSTSEC-2026-0001\"]", Some("RUSTSEC-2026-0001 has no reason")),
        ("[advisories]\nignore = [{ crate = \"left@1.0.0\" }]", Some("left@1.0.0 has no reason")),
    ];
    let copy = Copy::of_check("");
    for (configuration, complaint) in cases {
        fs::write(copy.path("deny.toml"), configuration).unwrap();
        let output = copy.run("scripts/check", &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.success(), complaint.is_none(), "{configuration}: {said}");
        assert!(complaint.is_none_or(|complaint| said.contains(complaint)), "{configuration}: {said}");
    }
}

#[test]
fn every_file_that_a_shell_runs_is_checked() {
    let copy = Copy::of_check("");
    copy.stand_in("bin/shellcheck", "printf '%s\\n' \"$@\" | sort >shellcheck.arguments");
    assert!(copy.run("bin/git", &["init", "--quiet", "."]).status.success());
    fs::create_dir(copy.path("deep")).unwrap();
    for (name, first) in [
        ("deep/by_path", "#!/bin/bash -e"),
        ("deep/by_env.txt", "#!/usr/bin/env bash"),
        ("deep/small", "#!/bin/sh"),
        ("deep/python", "#!/usr/bin/env python3"),
        ("deep/no_script", "text, #!/bin/sh"),
        ("deep/ignored", "#!/bin/sh"),
    ] {
        fs::write(copy.path(name), format!("{first}\n#!/bin/sh\n")).unwrap();
    }
    fs::write(copy.path(".gitignore"), "ignored\nbin/\ndeny\nscripts/\n").unwrap();
    let output = copy.run("scripts/check", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let checked = fs::read_to_string(copy.path("shellcheck.arguments")).unwrap();
    assert_eq!(checked, "deep/by_env.txt\ndeep/by_path\ndeep/small\n");
}
