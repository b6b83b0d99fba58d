//! What an import prints: the command, and what has no equal.

use serde_json::json;

use super::{Grade, Imported};
use crate::config::arguments::NAME;
use crate::config::quoted;

impl Imported {
    /// The command on the first line, and the rest as comments: a shell can run it.
    pub fn text(&self) -> String {
        let words: Vec<String> = self.arguments.iter().map(|word| quoted(word)).collect();
        let mut text = format!("{NAME} {}\n", words.join(" "));
        for (grade, title) in [
            (Grade::NoEqual, "No equal"),
            (Grade::Differs, "Differs"),
            (Grade::WithoutEffect, "Without effect here"),
        ] {
            let mut notes = self.notes.iter().filter(|note| note.grade == grade).peekable();
            if notes.peek().is_some() {
                text.push_str(&format!("#\n# {title}:\n"));
            }
            for note in notes {
                // Debug formatting keeps line breaks from ending the comment.
                let item = format!("{:?}", note.item);
                text.push_str(&format!("#   {}: {}\n", item.trim_matches('"'), note.why));
                if !note.instead.is_empty() {
                    text.push_str(&format!("#       {}\n", note.instead));
                }
            }
        }
        text
    }

    /// The same for programs.
    pub fn json(&self) -> String {
        let whole = json!({
            "complete": !self.is_incomplete(),
            "arguments": self.arguments,
            "configuration": self.config,
            "notes": self.notes,
        });
        format!("{whole:#}\n")
    }
}
