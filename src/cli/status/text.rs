//! The status for people: aligned, with colours on a terminal.

use std::fmt::{self, Write};
use std::io::IsTerminal;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Drift, Report, Status};
use crate::backend::listing::Count;
use crate::backend::nftables::Record;
use crate::backend::traffic::{Counted, Fate};
use crate::config::quoted;

/// Begins the screen anew (ECMA-48: cursor to the first place, erase what follows).
const FIRST_PLACE: &str = "\x1b[H\x1b[J";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Writes the report; with what it was a while ago, rates as well.
pub(super) fn render(report: &Report, before: Option<(Duration, &Report)>, again: bool) -> String {
    let on_terminal = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = Text { out: String::new(), colours: on_terminal };
    if again && on_terminal {
        text.out.push_str(FIRST_PLACE);
    }
    // Writing to a String cannot fail.
    let _ = text.report(report, before);
    text.out
}

struct Text {
    out: String,
    colours: bool,
}

impl Text {
    fn report(&mut self, report: &Report, before: Option<(Duration, &Report)>) -> fmt::Result {
        if report.back_ends.is_empty() && report.istio_nftables_tables.is_empty() {
            return writeln!(self.out, "nothing of ours is here");
        }
        for (place, status) in report.back_ends.iter().enumerate() {
            if place > 0 {
                writeln!(self.out)?;
            }
            let earlier = before.and_then(|(passed, report)| {
                let same = report.back_ends.iter().find(|it| it.backend == status.backend)?;
                Some((passed, &same.rules[..]))
            });
            self.status(status, earlier)?;
        }
        for table in &report.istio_nftables_tables {
            writeln!(self.out, "istio's nftables table {table} is here as well")?;
        }
        Ok(())
    }

    fn status(&mut self, status: &Status, before: Option<(Duration, &[Counted])>) -> fmt::Result {
        writeln!(self.out, "back end       {}", status.backend)?;
        match &status.installation {
            Some(record) => self.record(record)?,
            None => writeln!(self.out, "installed      by whom and when is not recorded in this back end")?,
        }
        self.drift(status)?;
        let rate = if before.is_some() { "  packets/s" } else { "" };
        writeln!(self.out, "\n{:>12} {:>14}{rate}  rule", "packets", "bytes")?;
        for fate in Fate::ALL {
            let Some(sum) = status.totals.get(&fate) else { continue };
            let name = self.bold(fate.name());
            let space = if before.is_some() { "           " } else { "" };
            writeln!(self.out, "{:>12} {:>14}{space}  {name}", sum.packets, sum.bytes)?;
            for rule in status.rules.iter().filter(|rule| rule.fate == fate) {
                self.rule(rule, before)?;
            }
        }
        writeln!(
            self.out,
            "\nRules in nat count the first packet of each connection, all others every packet."
        )
    }

    fn record(&mut self, record: &Record) -> fmt::Result {
        let time = UNIX_EPOCH + Duration::from_secs(record.time);
        let ago = SystemTime::now().duration_since(time).unwrap_or_default();
        let ago = humantime::format_duration(Duration::from_secs(ago.as_secs()));
        let time = humantime::format_rfc3339_seconds(time);
        writeln!(self.out, "installed      by {} at {time} ({ago} ago)", record.installer)?;
        let cut = if record.whole { "" } else { " (cut)" };
        let words = record.configuration.split_whitespace().map(quoted).collect::<Vec<_>>().join(" ");
        let configuration = if words.is_empty() { "defaults" } else { &words };
        writeln!(self.out, "configuration  {configuration}{cut}")
    }

    fn drift(&mut self, status: &Status) -> fmt::Result {
        match status.drift {
            Drift::None => writeln!(self.out, "drift          none"),
            Drift::Unknown => {
                writeln!(
                    self.out,
                    "drift          unknown: give the flags of the installation to compare with"
                )
            }
            Drift::Changed => {
                let word = self.red("changed since the installation");
                writeln!(self.out, "drift          {word}: give its flags to see how")
            }
            Drift::Differs => {
                let word = self.red("differs");
                writeln!(self.out, "drift          {word}; missing (+) and unexpected (-):")?;
                status.difference.to_string().lines().try_for_each(|line| writeln!(self.out, "  {line}"))
            }
        }
    }

    fn rule(&mut self, rule: &Counted, before: Option<(Duration, &[Counted])>) -> fmt::Result {
        let Count { packets, bytes } = rule.count;
        write!(self.out, "{packets:>12} {bytes:>14}")?;
        if let Some((passed, earlier)) = before {
            let same = earlier.iter().find(|it| (&it.id, it.fate) == (&rule.id, rule.fate));
            let new = packets.saturating_sub(same.map_or(packets, |it| it.count.packets));
            let rate = new as f64 / passed.as_secs_f64().max(f64::MIN_POSITIVE);
            write!(self.out, " {rate:>10.1}")?;
        }
        let reason = if rule.reason.is_empty() { String::new() } else { format!(": {}", rule.reason) };
        writeln!(self.out, "    {} {}{reason}", rule.table, rule.id)
    }

    fn bold(&self, text: &str) -> String {
        if self.colours { format!("{BOLD}{text}{PLAIN}") } else { text.to_owned() }
    }

    fn red(&self, text: &str) -> String {
        if self.colours { format!("{RED}{text}{PLAIN}") } else { text.to_owned() }
    }
}
