//! Owns completion by Tab: which words fit, and going round through them. Pure; the candidates are
//! the model's.

use super::editor::{Editor, word_start};

/// A completion that is under way: the next Tab takes the next word.
#[derive(Debug)]
pub(crate) struct Completion {
    from: usize,
    words: Vec<String>,
    next: usize,
    /// What follows the word.
    end: &'static str,
}

/// What can be meant.
#[derive(Debug, Default)]
pub(crate) struct Candidates<'a> {
    pub(crate) commands: Vec<&'a str>,
    pub(crate) roles: Vec<&'a str>,
    /// Without `#`.
    pub(crate) rooms: Vec<&'a str>,
    /// The likeliest first.
    pub(crate) names: Vec<&'a str>,
}

impl Completion {
    /// The completion of what stands before the cursor, if anything fits.
    pub(crate) fn begin(editor: &Editor, all: &Candidates<'_>) -> Option<Self> {
        let head = &editor.text()[..editor.cursor()];
        let from = word_start(head);
        let word = &head[from..];
        let command = head.strip_prefix('/').and_then(|c| c.split_whitespace().next()).unwrap_or_default();
        let words = head.split_whitespace().count();
        let is_role = command == "role" && words + usize::from(word.is_empty()) == 3;
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
        let words: Vec<String> = pool.iter().filter(fits).map(|w| format!("{sign}{w}")).collect();
        (!words.is_empty()).then_some(Self { from, words, next: 0, end })
    }

    /// Puts the next word in.
    pub(crate) fn step(&mut self, editor: &mut Editor, back: bool) {
        let count = self.words.len();
        let at = if back { (self.next + 2 * count - 2) % count } else { self.next % count };
        editor.replace_before(self.from, &format!("{}{}", self.words[at], self.end));
        self.next = at + 1;
    }

    /// The words, where there are several, for the line of hints.
    pub(crate) fn hint(&self) -> Option<String> {
        (self.words.len() > 1).then(|| self.words.join("  "))
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
    fn what_fits_in_turn() {
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
