//! Owns the completion by Tab: the matching words, and the cycle through them. Pure; the model passes the
//! candidates. Never changes the input itself.

use super::editor::{Editor, word_start};

/// A running completion: the next Tab takes the next word.
#[derive(Debug)]
pub(crate) struct Completion {
    from: usize,
    events: Vec<String>,
    next: usize,
    /// The text after the word.
    end: &'static str,
}

/// The candidates.
#[derive(Debug, Default)]
pub(crate) struct Candidates<'a> {
    pub(crate) commands: Vec<&'a str>,
    pub(crate) roles: Vec<&'a str>,
    /// Without `#`.
    pub(crate) rooms: Vec<&'a str>,
    /// The most likely first.
    pub(crate) names: Vec<&'a str>,
}

impl Completion {
    /// The completion of the text before the cursor, if a word matches.
    pub(crate) fn begin(editor: &Editor, all: &Candidates<'_>) -> Option<Self> {
        let head = &editor.text()[..editor.cursor()];
        let from = word_start(head);
        let word = &head[from..];
        let command = head.strip_prefix('/').and_then(|c| c.split_whitespace().next()).unwrap_or_default();
        let events = head.split_whitespace().count();
        let is_role = command == "role" && events + usize::from(word.is_empty()) == 3;
        let about_rooms = matches!(command, "join" | "j" | "room" | "r" | "leave" | "part" | "who");
        let (sign, pool, end) = match word.chars().next() {
            Some('/') if from == 0 => ("/", &all.commands, " "),
            Some('#') => ("#", &all.rooms, " "),
            Some('@') => ("@", &all.names, " "),
            None if from == 0 => return None,
            _ if from > 0 && about_rooms => ("", &all.rooms, " "),
            _ if is_role => ("", &all.roles, " "),
            _ if from == 0 => ("", &all.names, ": "),
            _ => ("", &all.names, " "),
        };
        let begun = word[sign.len()..].to_lowercase();
        let fits = |w: &&&str| w.to_lowercase().starts_with(&begun);
        let events: Vec<String> = pool.iter().filter(fits).map(|w| format!("{sign}{w}")).collect();
        (!events.is_empty()).then_some(Self { from, events, next: 0, end })
    }

    /// Inserts the next word.
    pub(crate) fn step(&mut self, editor: &mut Editor, back: bool) {
        let count = self.events.len();
        let at = if back { (self.next + 2 * count - 2) % count } else { self.next % count };
        editor.replace_before(self.from, &format!("{}{}", self.events[at], self.end));
        self.next = at + 1;
    }

    /// The words for the line of hints, if there are several.
    pub(crate) fn hint(&self) -> Option<String> {
        (self.events.len() > 1).then(|| self.events.join("  "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(text: &str, tabs: usize) -> Option<String> {
        let mut editor = Editor::default();
        editor.insert(text);
        let all = Candidates {
            commands: vec!["join", "quit"],
            rooms: vec!["lobby", "ops"],
            names: vec!["bo", "Bob", "ana"],
            roles: vec!["member", "moderator"],
        };
        let mut completion = Completion::begin(&editor, &all)?;
        for _ in 0..tabs {
            completion.step(&mut editor, false);
        }
        Some(editor.text().to_owned())
    }

    #[test]
    fn completions_rotate() {
        for (text, tabs, becomes) in [
            ("b", 1, "bo: "),
            ("b", 2, "Bob: "),
            ("b", 3, "bo: "),
            ("hi a", 1, "hi ana "),
            ("hi @B", 2, "hi @Bob "),
            ("see #o", 1, "see #ops "),
            ("/j", 1, "/join "),
            ("/join o", 1, "/join ops "),
            ("/msg a", 1, "/msg ana "),
            ("/kick b", 2, "/kick Bob "),
            ("/role b", 1, "/role bo "),
            ("/role bo mo", 1, "/role bo moderator "),
            ("/role bo ", 1, "/role bo member "),
            ("山\u{3000}a", 1, "山\u{3000}ana "),
        ] {
            assert_eq!(complete(text, tabs).as_deref(), Some(becomes), "{text} {tabs}");
        }
        assert_eq!(complete("", 1), None);
        assert_eq!(complete("xyz", 1), None);
    }

    #[test]
    fn back_again() {
        let mut editor = Editor::default();
        editor.insert("b");
        let all = Candidates { names: vec!["b1", "b2", "b3"], ..Candidates::default() };
        let mut completion = Completion::begin(&editor, &all).unwrap();
        let mut seen = Vec::new();
        for back in [false, false, true, true, false] {
            completion.step(&mut editor, back);
            seen.push(editor.text().to_owned());
        }
        assert_eq!(seen, ["b1: ", "b2: ", "b1: ", "b3: ", "b1: "]);
    }
}
