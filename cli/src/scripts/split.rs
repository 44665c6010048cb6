//! Owns cutting long input into messages: at line ends where possible, else between words, else
//! between characters; never over the bound, and nothing lost but the line breaks at the cuts.

/// Collects lines until a message is full.
#[derive(Debug)]
pub(super) struct Splitter {
    bound: usize,
    collected: String,
}

impl Splitter {
    /// Messages of at most `bound` bytes.
    pub(super) fn new(bound: usize) -> Self {
        Self { bound: bound.max(4), collected: String::new() }
    }

    /// Takes a line; returns the messages that are full now.
    pub(super) fn push(&mut self, line: &str) -> Vec<String> {
        // A NUL cannot be sent; it is shown.
        let line = line.replace('\0', "\u{2400}");
        let mut full = Vec::new();
        if !self.collected.is_empty() && self.collected.len() + 1 + line.len() > self.bound {
            full.extend(self.take());
        }
        if line.len() <= self.bound {
            if !self.collected.is_empty() {
                self.collected.push('\n');
            }
            self.collected.push_str(&line);
            return full;
        }
        let mut rest = line.as_str();
        while rest.len() > self.bound {
            let (head, tail) = cut(rest, self.bound);
            full.push(head.to_owned());
            rest = tail;
        }
        self.collected = rest.to_owned();
        full
    }

    /// What is collected, if there is anything to send in it.
    pub(super) fn take(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.collected);
        (!text.trim().is_empty()).then_some(text)
    }
}

/// The longest part that fits, ended between words where there are any in its second half.
fn cut(text: &str, bound: usize) -> (&str, &str) {
    let mut at = bound;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    if text[at..].starts_with(' ') {
        return (&text[..at], &text[at + 1..]);
    }
    match text[..at].rfind(' ') {
        Some(space) if space > at / 2 => (&text[..space], &text[space + 1..]),
        _ => text.split_at(at),
    }
}

/// Bytes in any cut become lines; a line without an end is cut where it is too long to be kept.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    partial: Vec<u8>,
}

/// The longest line that is kept whole; any message is shorter.
const LINE_BYTES: usize = 256 * 1024;

impl Pieces {
    /// Takes the bytes of one read; returns the lines that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut parts = bytes.split(|b| *b == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.partial.extend_from_slice(part);
            if parts.peek().is_some() {
                lines.push(as_line(&self.partial));
                self.partial.clear();
            }
        }
        if self.partial.len() > LINE_BYTES {
            // Not within a character: its later bytes are 10xxxxxx.
            let last = self.partial.iter().rposition(|b| b & 0xc0 != 0x80).unwrap_or(0);
            let rest = self.partial.split_off(if last == 0 { self.partial.len() } else { last });
            lines.push(as_line(&std::mem::replace(&mut self.partial, rest)));
        }
        lines
    }

    /// The last line, where it has no end.
    pub(super) fn rest(self) -> Option<String> {
        (!self.partial.is_empty()).then(|| as_line(&self.partial))
    }
}

fn as_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(bound: usize, lines: &[&str]) -> Vec<String> {
        let mut s = Splitter::new(bound);
        let mut out: Vec<String> = lines.iter().flat_map(|l| s.push(l)).collect();
        out.extend(s.take());
        out
    }

    #[test]
    fn lines_go_together_while_they_fit() {
        assert_eq!(split(10, &["one", "two", "three", "four"]), ["one\ntwo", "three\nfour"]);
        assert_eq!(split(10, &["", "one", "", "two"]), ["one\n\ntwo"]);
        assert_eq!(split(10, &["", " "]), Vec::<String>::new());
    }

    #[test]
    fn a_long_line_is_cut_between_words_or_characters() {
        assert_eq!(split(10, &["hello dear world"]), ["hello dear", "world"]);
        assert_eq!(split(5, &["ééé"]), ["éé", "é"]);
        assert_eq!(split(5, &["🦀🦀", "a\0b"]), ["🦀", "🦀", "a␀b"]);
    }

    #[test]
    fn lines_from_any_cut() {
        let mut p = Pieces::default();
        assert_eq!(p.feed("one\r\n\nt\u{e9}".as_bytes()), ["one", ""]);
        assert_eq!(p.feed(b"wo\nx"), ["t\u{e9}wo"]);
        assert_eq!(p.rest().as_deref(), Some("x"));
        let mut p = Pieces::default();
        let long = "\u{e9}".repeat(LINE_BYTES);
        let mut out: Vec<String> = long.as_bytes().chunks(1001).flat_map(|c| p.feed(c)).collect();
        out.extend(p.rest());
        assert_eq!(out.concat(), long);
    }

    proptest! {
        #[test]
        fn never_over_the_bound_and_nothing_lost(
            lines in proptest::collection::vec("[a-zé🦀 ]{0,40}", 0..20), bound in 4usize..30,
        ) {
            let refs: Vec<&str> = lines.iter().map(String::as_str).collect();
            let out = split(bound, &refs);
            prop_assert!(out.iter().all(|m| m.len() <= bound && !m.is_empty()));
            let letters = |s: String| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(out.concat()), letters(lines.concat()));
        }
    }
}
