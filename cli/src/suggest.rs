//! Owns "did you mean": the known word that is nearest to a mistyped one. Called where words of the user are
//! read: verbs (`settings`), commands of the full screen and of line mode. Pure. Never corrects a word itself.

/// The nearest known word, if it is near: one or two letters differ, or it is a prefix.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let distance = |known: &'a str| {
        if length >= 3 && known.starts_with(&word) {
            return Some((0, known));
        }
        // In a short word, one wrong letter is already much.
        let most = if known.len() < 6 { 1 } else { 2 };
        let distance = strsim::damerau_levenshtein(known, &word);
        (length >= 2 && distance <= most).then_some((distance, known))
    };
    known.into_iter().filter_map(distance).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn similar_words_are_suggested_and_others_are_not() {
        let known = ["send", "tail", "history", "search", "wait", "who", "rooms"];
        for (word, meant) in [
            ("sned", Some("send")),
            ("SEND", Some("send")),
            ("sen", Some("send")),
            ("hist", Some("history")),
            ("hsitroy", Some("history")),
            ("serach", Some("search")),
            ("room", Some("rooms")),
            ("whoo", Some("who")),
            ("chathost", None),
            ("s", None),
            ("ww", None),
            ("", None),
            ("山田", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
