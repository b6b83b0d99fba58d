//! iptables as far as our scripts use it: tables of chains of lines, saved text in and out.

use std::collections::BTreeMap;

/// The chains that the kernel walks by itself.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// Every table of a family: chains by name, and their lines in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    tables: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Tables {
    /// Reads what a save program printed. Nothing when no save program prints such a text: every chain is declared, nothing
    /// is there twice, and one space stands between two words.
    pub fn read(text: &str) -> Option<Tables> {
        let mut read = Tables::default();
        let mut current: Option<&mut BTreeMap<String, Vec<String>>> = None;
        for line in text.lines() {
            if line.contains(char::is_control) || line.trim() != line {
                return None;
            }
            if let Some(name) = line.strip_prefix('*') {
                if current.is_some() || read.tables.contains_key(name) || !is_name(name) {
                    return None;
                }
                current = Some(read.tables.entry(name.to_owned()).or_default());
            } else if line == "COMMIT" {
                current.take()?;
            } else if let Some(declared) = line.strip_prefix(':') {
                let name = declared.split(' ').next().filter(|name| is_name(name))?;
                if current.as_mut()?.insert(name.to_owned(), Vec::new()).is_some() {
                    return None;
                }
            } else if let Some(rule) = line.strip_prefix("-A ") {
                let (chain, specification) = rule.split_once(' ')?;
                if specification.split(' ').any(str::is_empty) {
                    return None;
                }
                current.as_mut()?.get_mut(chain)?.push(specification.to_owned());
            } else if !line.starts_with('#') {
                return None;
            }
        }
        current.is_none().then_some(read)
    }

    /// As a save program prints it.
    pub fn save(&self) -> String {
        let mut text = String::new();
        for (table, chains) in &self.tables {
            text.push_str(&format!("*{table}\n"));
            for chain in chains.keys() {
                let policy = if BUILT_IN.contains(&chain.as_str()) { "ACCEPT" } else { "-" };
                text.push_str(&format!(":{chain} {policy} [0:0]\n"));
            }
            for (chain, lines) in chains {
                lines.iter().for_each(|line| text.push_str(&format!("-A {chain} {line}\n")));
            }
            text.push_str("COMMIT\n");
        }
        text
    }

    /// Carries out a script, as `iptables-restore --noflush` does.
    ///
    /// # Errors
    /// The line that it would stop at.
    pub fn restore(&mut self, script: &str) -> Result<(), String> {
        let mut current: Option<&mut BTreeMap<String, Vec<String>>> = None;
        for line in script.lines() {
            if let Some(name) = line.strip_prefix('*') {
                let chains = self.tables.entry(name.to_owned()).or_default();
                for name in BUILT_IN {
                    chains.entry(name.to_owned()).or_default();
                }
                current = Some(chains);
            } else if line == "COMMIT" {
                current = None;
            } else if !line.starts_with('#') {
                let chains = current.as_mut().ok_or(line)?;
                command(chains, line).ok_or(line)?;
            }
        }
        Ok(())
    }

    /// The same without these chains and without the lines that `is_ours` says.
    #[must_use]
    pub fn without(mut self, names: &[&str], is_ours: impl Fn(&str, &str, &str) -> bool) -> Tables {
        for (table, chains) in &mut self.tables {
            chains.retain(|name, _| !names.contains(&name.as_str()));
            for (name, lines) in chains.iter_mut() {
                lines.retain(|line| !is_ours(table, name, line));
            }
            chains.retain(|_, lines| !lines.is_empty());
        }
        self.tables.retain(|_, chains| !chains.is_empty());
        self
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(' ') && !name.starts_with('-')
}

fn command(chains: &mut BTreeMap<String, Vec<String>>, line: &str) -> Option<()> {
    let (verb, rest) = line.split_once(' ')?;
    let (chain, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match verb {
        "-N" => chains.insert(chain.to_owned(), Vec::new()).is_none().then_some(()),
        "-F" => chains.get_mut(chain).map(Vec::clear),
        "-X" => chains.remove(chain).filter(Vec::is_empty).map(drop),
        "-A" => chains.get_mut(chain).map(|lines| lines.push(rest.to_owned())),
        "-D" => {
            let lines = chains.get_mut(chain)?;
            let place = lines.iter().position(|line| line == rest)?;
            lines.remove(place);
            Some(())
        }
        "-I" => {
            let (place, specification) = rest.split_once(' ')?;
            let place: usize = place.parse().ok()?;
            let lines = chains.get_mut(chain)?;
            (1..=lines.len() + 1).contains(&place).then(|| lines.insert(place - 1, specification.to_owned()))
        }
        _ => None,
    }
}
