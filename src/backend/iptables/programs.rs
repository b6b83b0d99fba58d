//! The save and restore programs of iptables, and what they say when they fail.

use crate::config::BackendKind;
use crate::config::families::Family;
use crate::kernel::{Error, Finished, Kernel};

/// How many seconds the restore programs wait for the lock.
const LOCK_SECONDS: &str = "5";
/// The exit code of iptables when somebody else holds the lock (RESOURCE_PROBLEM).
const RESOURCE_PROBLEM: i32 = 4;

/// Rules that did not go in.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A program could not be run.
    #[error(transparent)]
    Kernel(#[from] Error),
    /// A restore program refused.
    #[error("{program} failed: {complaint}{line}")]
    Failed {
        /// The program.
        program: String,
        /// What it said.
        complaint: String,
        /// The rule that it stumbled over, if it said where.
        line: String,
    },
    /// The kernel did not give a table to the restore program, which does not say why.
    #[error(
        "{program} cannot reach its tables: this kernel was built without them, their module is not loaded (ip_tables, \
         ip6_tables), or CAP_NET_RAW is missing: use --backend nftables ({complaint})"
    )]
    NoTable {
        /// The program.
        program: String,
        /// What it said.
        complaint: String,
    },
    /// A table holds what iptables has no word for, so that what is ours in it cannot be told.
    #[error(
        "iptables-nft-save cannot print the table {table} of {family}, because nftables rules are in it that iptables has no \
         word for: see `nft list table`, and remove those"
    )]
    Unprinted {
        /// The family.
        family: Family,
        /// The table.
        table: String,
    },
    /// The restore programs cannot read so long a line.
    #[error(
        "{groups} included groups are one rule, and iptables-restore reads no more than {most} in a line: \
         use --backend nftables"
    )]
    TooManyGroups {
        /// How many there are.
        groups: usize,
        /// How many fit.
        most: usize,
    },
    /// Every item of a list is a rule, and every pair of items where a rule has two lists.
    #[error(
        "{rules} rules in one chain are more than the restore programs take in reasonable time ({most}): \
         use --backend nftables, or fewer virtual interfaces or ranges"
    )]
    TooManyRules {
        /// How many there would be.
        rules: usize,
        /// How many are written.
        most: usize,
    },
    /// And then the other family could not be put back as it was.
    #[error("{failure}; then the rules of {family} could not be put back: {undo}")]
    NotUndone {
        /// What failed first.
        failure: Box<RestoreError>,
        /// The family that is not as it was.
        family: Family,
        /// What failed then.
        undo: Box<RestoreError>,
    },
}

/// The programs of one variant.
pub(super) struct Programs {
    pub(super) variant: BackendKind,
}

impl Programs {
    fn name(&self, family: Family, verb: &str) -> String {
        let prefix = match family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        };
        let variant = if self.variant == BackendKind::IptablesLegacy { "legacy" } else { "nft" };
        format!("{prefix}-{variant}-{verb}")
    }

    /// The program without the variant in its name, where that is the wanted variant: old and small installations have
    /// only these. `iptables-restore --version` says `(nf_tables)`, or `(legacy)`, or before 1.8 nothing.
    fn plain_name(&self, kernel: &mut dyn Kernel, family: Family, verb: &str) -> Option<String> {
        let plain = self.name(family, verb).replace("-legacy", "").replace("-nft", "");
        let version = kernel.run(&plain, &["--version"], "").ok()?.output;
        let is_nft = version.contains("nf_tables");
        (is_nft == (self.variant == BackendKind::IptablesNft)).then_some(plain)
    }

    pub(super) fn restore(
        &self,
        kernel: &mut dyn Kernel,
        family: Family,
        script: &str,
    ) -> Result<(), RestoreError> {
        self.run(kernel, family, "restore", &["--noflush", "--wait", LOCK_SECONDS], script).map(|_| ())
    }

    pub(super) fn run(
        &self,
        kernel: &mut dyn Kernel,
        family: Family,
        verb: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<Finished, RestoreError> {
        let mut program = self.name(family, verb);
        let finished = match kernel.run(&program, arguments, input) {
            Err(Error::NoProgram(missing)) => {
                program = self.plain_name(kernel, family, verb).ok_or(Error::NoProgram(missing))?;
                kernel.run(&program, arguments, input)?
            }
            finished => finished?,
        };
        match finished.code {
            Some(0) => Ok(finished),
            Some(RESOURCE_PROBLEM) if finished.complaints.contains("lock") => Err(RestoreError::Failed {
                program,
                complaint: format!("another program held the iptables lock for {LOCK_SECONDS} seconds"),
                line: String::new(),
            }),
            _ if finished.complaints.contains("unable to initialize table") => {
                Err(RestoreError::NoTable { program, complaint: finished.complaints })
            }
            _ => Err(RestoreError::Failed {
                program,
                line: named_line(&finished.complaints, input),
                complaint: if finished.complaints.is_empty() {
                    finished.code.map_or("a signal ended it".to_owned(), |code| format!("exit code {code}"))
                } else {
                    finished.complaints
                },
            }),
        }
    }
}

/// The line of the script that a complaint names by its number.
fn named_line(complaints: &str, script: &str) -> String {
    let number = complaints.split("line").skip(1).find_map(|rest| {
        let rest = rest.trim_start_matches([' ', ':']);
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<usize>().ok()
    });
    let line = number.and_then(|number| script.lines().nth(number.checked_sub(1)?));
    line.map_or_else(String::new, |line| format!(" (that line is: {line})"))
}
