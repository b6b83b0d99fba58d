//! Which file gets our entry, and how.

use super::discovery::{Found, Network};
use super::document::Flaw;
use super::multus::{self, Multus, referred};
use super::names;
use super::options::Options;
use super::plan::{self, Awaited, Goal, Refusal, Step, is_candidate, is_of_others, write, write_ours};
use super::warning::Warning;

/// The folder, and what is wanted there.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s> {
    pub(super) files: &'s [Found],
    pub(super) options: &'s Options,
    /// The name of our copy; without it one is chosen.
    pub(super) copy: Option<&'s str>,
    pub(super) always_copy: bool,
    pub(super) multus: plan::Multus,
}

/// How our entry gets to the runtime.
pub(super) struct Joined {
    pub(super) goal: Goal,
    pub(super) steps: Vec<Step>,
    /// Our files that are needed.
    pub(super) kept: Vec<String>,
}

/// Where our copy of a file has to be.
#[derive(Clone, Copy)]
enum Place<'p> {
    /// The runtime reads it instead of the original.
    InFront,
    /// The same, and Multus does not take it for the network that it calls.
    InFrontOfMultus,
    /// Multus takes it for the network that it calls, and the runtime reads Multus's file.
    BehindMultus(&'p str),
}

impl Scene<'_> {
    /// Joins the primary configuration.
    pub(super) fn join(
        &self,
        file: &Found,
        network: &Network<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Joined, Refusal> {
        let kind = self.options.entry.kind();
        let multus = file.text().ok().and_then(Multus::of);
        let Some(multus) = multus.filter(|_| !network.kinds().contains(&kind)) else {
            return self.chained(file, network, self.always_copy, Place::InFront, warnings);
        };
        match multus.network() {
            multus::Network::File(path) => match referred(self.files, path, &self.options.folder) {
                Some(called) if called.is_copy() => self.called_copy(file, called, warnings),
                Some(called) if self.is_joined_in_place(called) => {
                    let network = called.network().map_err(|flaw| edit(called, flaw))?;
                    self.chained(called, &network, false, Place::InFront, warnings)
                }
                _ => self.behind(file, network, warnings),
            },
            multus::Network::Inline(delegate) => {
                if delegate.is_multus() {
                    return Err(Refusal::Recursive(file.name.clone()));
                }
                match self.copied_by_multus(file, &delegate) {
                    Some((copied, network)) => self.taken_over(file, &multus, copied, &network, warnings),
                    None if multus.calls(kind) => {
                        let after = multus.with(&file.name, &self.options.entry);
                        let step = write(file, after.map_err(|flaw| edit(file, flaw))?);
                        Ok(Joined::new(Goal::InPlace(file.name.clone()), step, None))
                    }
                    None => self.behind(file, network, warnings),
                }
            }
            multus::Network::Elsewhere => self.behind(file, network, warnings),
        }
    }

    /// In the list itself, or in a copy of it.
    fn chained(
        &self,
        file: &Found,
        network: &Network<'_>,
        must_copy: bool,
        place: Place<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Joined, Refusal> {
        match network {
            Network::List(list) if !must_copy && is_editable(file, network) => {
                let after = list.with(&self.options.entry).map_err(|flaw| edit(file, flaw))?;
                Ok(Joined::new(Goal::InPlace(file.name.clone()), write(file, after), None))
            }
            _ => {
                let text = match network {
                    Network::Single(single) => single.copied(&file.name, &self.options.entry),
                    Network::List(list) => list.copied(&file.name, &self.options.entry),
                };
                let text = text.map_err(|flaw| edit(file, flaw))?;
                let name = self.copy_name(&file.name, place)?;
                if !network.can_chain() {
                    warnings.push(Warning::OldVersion { file: file.name.clone(), copy: name.clone() });
                }
                let step = write_ours(self.files, self.options, &name, text)?;
                Ok(Joined::new(Goal::InPlace(name.clone()), step, Some(name)))
            }
        }
    }

    /// In a list of the agent, behind Multus, which calls its networks as ever.
    fn behind(
        &self,
        file: &Found,
        network: &Network<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Joined, Refusal> {
        self.chained(file, network, true, Place::InFrontOfMultus, warnings)
    }

    /// In our copy, which Multus has taken for the pods' network when it started.
    fn called_copy(
        &self,
        multus: &Found,
        copy: &Found,
        warnings: &mut Vec<Warning>,
    ) -> Result<Joined, Refusal> {
        let list = copy.list();
        let source = list.as_ref().and_then(|list| list.copy_of());
        let source = self.files.iter().find(|file| Some(file.name.as_str()) == source);
        match source.and_then(|source| Some((source, source.network().ok()?))) {
            Some((source, network)) => {
                self.chained(source, &network, true, Place::BehindMultus(&multus.name), warnings)
            }
            None => {
                warnings.push(Warning::Orphan { copy: copy.name.clone() });
                Ok(Joined::new(Goal::Wait(Awaited::AnyNetwork), None, Some(copy.name.clone())))
            }
        }
    }

    /// In the file that Multus has copied into its own, and in Multus's file: by its own doing, or else by ours.
    fn taken_over(
        &self,
        file: &Found,
        multus: &Multus<'_>,
        copied: &Found,
        network: &Network<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Joined, Refusal> {
        let place = Place::BehindMultus(&file.name);
        let mut joined = self.chained(copied, network, self.always_copy, place, warnings)?;
        let after = multus.with(&copied.name, &self.options.entry).map_err(|flaw| edit(file, flaw))?;
        let step = write(file, after);
        let may_edit = file.is_plain && !self.always_copy && self.multus == plan::Multus::HasNotWritten;
        joined.goal = match (&step, joined.goal) {
            (Some(_), Goal::InPlace(network)) if !may_edit => {
                Goal::Wait(Awaited::Multus { file: file.name.clone(), network })
            }
            _ => Goal::InPlace(file.name.clone()),
        };
        joined.steps.extend(step.filter(|_| may_edit));
        Ok(joined)
    }

    /// The file of the folder that Multus has copied into its own.
    fn copied_by_multus(
        &self,
        file: &Found,
        delegate: &multus::Delegate<'_>,
    ) -> Option<(&Found, Network<'_>)> {
        let kind = self.options.entry.kind();
        let others = self.files.iter().filter(|other| {
            is_candidate(other)
                && other.name != file.name
                && !other.name.starts_with(names::MULTUS)
                && !other.is_ours(kind)
        });
        let networks = others.filter_map(|other| Some((other, other.network().ok()?)));
        networks.into_iter().find(|(_, network)| delegate.is_copy_of(network.name(), &network.kinds(), kind))
    }

    /// Can our entry be in this file itself, or is it there already?
    fn is_joined_in_place(&self, file: &Found) -> bool {
        let Ok(network) = file.network() else { return false };
        let is_there = network.kinds().contains(&self.options.entry.kind());
        is_editable(file, &network) && (is_there || !self.always_copy)
    }

    fn copy_name(&self, of: &str, place: Place<'_>) -> Result<String, Refusal> {
        let kind = self.options.entry.kind();
        let is_free = |name: &str| {
            self.files.iter().find(|file| file.name == name).is_none_or(|file| !is_of_others(file, kind))
        };
        let (chosen, words) = match place {
            Place::InFront => (names::in_front(of, is_free), format!("before {of}")),
            Place::InFrontOfMultus => {
                let chosen = names::in_front_of_multus(of, is_free);
                (chosen.or_else(|| names::in_front(of, is_free)), format!("before {of}"))
            }
            Place::BehindMultus(multus) => {
                (names::behind_multus(multus, of, is_free), format!("behind {multus} and before {of}"))
            }
        };
        let is_read =
            |name: &str| name < of && !matches!(place, Place::BehindMultus(multus) if name <= multus);
        match (self.copy, chosen) {
            (Some(given), _) if is_read(given) => Ok(given.to_owned()),
            (Some(given), instead) => Err(Refusal::Unread { copy: given.to_owned(), place: words, instead }),
            (None, Some(chosen)) => Ok(chosen),
            (None, None) => Err(Refusal::NoName { place: words }),
        }
    }
}

impl Joined {
    fn new(goal: Goal, step: Option<Step>, kept: Option<String>) -> Joined {
        Joined { goal, steps: step.into_iter().collect(), kept: kept.into_iter().collect() }
    }
}

/// Can the entry be put into the file itself, such that it is called last and after the others' results?
fn is_editable(file: &Found, network: &Network<'_>) -> bool {
    matches!(network, Network::List(list) if file.is_plain && list.version().can_chain() && list.is_whole())
}

fn edit(file: &Found, flaw: Flaw) -> Refusal {
    Refusal::Edit { name: file.name.clone(), flaw }
}
