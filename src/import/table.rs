//! Tables of what other programs take, and what was given of it.

use super::Peer;
use crate::config::problem::{Problem, Problems};
use crate::config::settings::{Kind, Setting};
use crate::config::typed::{Origin, Typed};
use crate::config::values;

/// What becomes of one of their settings.
#[derive(Debug)]
pub enum Here {
    /// Its text goes as it is under a setting of ours.
    Same(&'static Setting),
    /// It makes these flags, alone or with others.
    Makes(&'static str),
    /// It names a file with more settings.
    File,
    /// It has no equal: why, and what to do.
    NoEqual(&'static str, &'static str),
    /// It means nothing here: why.
    Nothing(&'static str),
}

/// One thing that can be set in another mesh.
#[derive(Debug)]
pub struct Item {
    /// The flag with its dashes; empty for what only a file can say.
    pub flag: &'static str,
    /// Its short form with its dash; empty for none.
    pub short: &'static str,
    /// Its place in their file; empty for what only a flag can say.
    pub key: &'static str,
    /// How the flag is written. A list grows when its flag is repeated; of anything else the last one counts.
    pub kind: Kind,
    /// What holds there without it.
    pub default: &'static str,
    /// What becomes of it.
    pub here: Here,
}

pub(super) const fn value(flag: &'static str, key: &'static str, default: &'static str, here: Here) -> Item {
    Item { flag, short: "", key, kind: Kind::Value, default, here }
}

pub(super) const fn list(flag: &'static str, key: &'static str, here: Here) -> Item {
    Item { kind: Kind::List, ..value(flag, key, "", here) }
}

pub(super) const fn switch(flag: &'static str, key: &'static str, here: Here) -> Item {
    Item { kind: Kind::Switch, ..value(flag, key, "false", here) }
}

impl Item {
    pub(super) const fn short(self, short: &'static str) -> Item {
        // `..self` would drop the table's constant.
        let Item { flag, key, kind, default, here, .. } = self;
        Item { flag, short, key, kind, default, here }
    }

    pub(super) const fn default(self, default: &'static str) -> Item {
        let Item { flag, short, key, kind, here, .. } = self;
        Item { flag, short, key, kind, default, here }
    }

    /// What identifies it: its flag, or its key where it has no flag.
    pub fn name(&self) -> &'static str {
        if self.flag.is_empty() { self.key } else { self.flag }
    }

    /// A switch that is turned off asks for nothing.
    pub(super) fn is_off(&self, text: &str) -> bool {
        self.kind == Kind::Switch && values::boolean(text) == Ok(false)
    }
}

/// What was given of a table.
pub(super) struct Given {
    items: &'static [&'static Item],
    texts: Vec<Option<Typed>>,
}

impl Given {
    pub(super) fn new(items: &'static [&'static Item]) -> Given {
        Given { items, texts: vec![None; items.len()] }
    }

    fn typed(&self, item: &Item) -> Option<&Typed> {
        let place = self.items.iter().position(|it| it.name() == item.name())?;
        self.texts[place].as_ref()
    }

    /// The text of a setting, or its default.
    pub(super) fn text(&self, item: &Item) -> &str {
        self.typed(item).map_or(item.default, |typed| &typed.text)
    }

    /// Is a switch on? One that is no boolean was refused when it was read.
    pub(super) fn is_on(&self, item: &Item) -> bool {
        values::boolean(self.text(item)) == Ok(true)
    }

    /// Was it given?
    pub(super) fn has(&self, item: &Item) -> bool {
        self.typed(item).is_some()
    }

    /// Where it was given, or would have been.
    pub(super) fn origin(&self, item: &Item) -> Origin {
        self.typed(item).map_or(Origin::Peer(item.name()), |typed| typed.origin)
    }

    /// Everything that was given.
    pub(super) fn all(&self) -> Vec<(&'static Item, Typed)> {
        let pairs = self.items.iter().zip(&self.texts);
        pairs.filter_map(|(item, typed)| Some((*item, typed.clone()?))).collect()
    }

    /// What `other` has counts more.
    pub(super) fn overrule(&mut self, other: Given) {
        for (own, other) in self.texts.iter_mut().zip(other.texts) {
            *own = other.or(own.take());
        }
    }

    /// Takes the text of a setting under the name `name`.
    pub(super) fn take(&mut self, place: usize, name: &'static str, text: &str, problems: &mut Problems) {
        let item = self.items[place];
        let origin = Origin::Peer(name);
        if item.kind == Kind::Switch
            && let Err(reason) = values::boolean(text)
        {
            problems.push(Problem::new(origin, text, reason));
        }
        match &mut self.texts[place] {
            Some(typed) if item.kind == Kind::List => {
                typed.text.push(',');
                typed.text.push_str(text);
            }
            typed => *typed = Some(Typed { origin, text: text.to_owned() }),
        }
    }

    /// Takes a text in place of what was taken before.
    pub(super) fn replace(&mut self, place: usize, name: &'static str, text: &str, problems: &mut Problems) {
        self.texts[place] = None;
        self.take(place, name, text, problems);
    }

    /// Reads their words; gives the files that are named in them.
    pub(super) fn read_words(
        &mut self,
        peer: Peer,
        words: &[String],
        problems: &mut Problems,
    ) -> Vec<String> {
        let mut files = Vec::new();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" {
                continue;
            }
            if !word.starts_with('-') || word == "-" {
                files.push(word.clone());
                continue;
            }
            let wrong = |reason: String| Problem { origin: None, item: word.clone(), reason };
            let Some((place, attached)) = self.find(word) else {
                problems.push(wrong(format!("{} has no such flag", peer.name())));
                // What follows is most likely its value.
                words.next_if(|next| !next.starts_with('-'));
                continue;
            };
            let item = self.items[place];
            let text = match (attached, item.kind) {
                (Some(text), _) => text,
                (None, Kind::Switch) => "true",
                (None, _) => match words.next() {
                    Some(text) => text,
                    None => {
                        problems.push(wrong("a value has to follow".to_owned()));
                        continue;
                    }
                },
            };
            match item.here {
                Here::File => files.push(text.to_owned()),
                _ => self.take(place, item.flag, text, problems),
            }
        }
        files
    }

    /// The setting that a word names, and the value that is attached to it.
    fn find<'w>(&self, word: &'w str) -> Option<(usize, Option<&'w str>)> {
        let (name, text) = match word.split_once('=') {
            Some((name, text)) => (name, Some(text)),
            None => (word, None),
        };
        // Go's own parser, which has no short forms, takes two dashes for one.
        let is_flag =
            |it: &&Item| !it.flag.is_empty() && (it.flag == name || name.strip_prefix('-') == Some(it.flag));
        if let Some(place) =
            self.items.iter().position(|it| is_flag(it) || (!it.short.is_empty() && it.short == name))
        {
            return Some((place, text));
        }
        let attached = |it: &&Item| {
            word.strip_prefix(it.short).filter(|_| !it.short.is_empty() && it.kind != Kind::Switch)
        };
        let place = self.items.iter().position(|it| attached(it).is_some())?;
        Some((place, attached(&self.items[place])))
    }

    /// The setting of this place in a file.
    pub(super) fn place_of(&self, key: &str) -> Option<(usize, &'static str)> {
        let place = self.items.iter().position(|it| !key.is_empty() && it.key == key)?;
        Some((place, self.items[place].key))
    }
}
