//! Owns the splitting of long input into messages: at line ends if possible, else between words, else between
//! characters; never over the bound, and nothing is lost except the line breaks at the cuts. Called by `send`.
//! Never sends.

use crate::input::as_text;

/// Collects lines until a message is full.
#[derive(Debug)]
pub(super) struct Splitter {
    bound: usize,
    collected: String,
    /// The position of the last line in the collected text.
    start: usize,
    /// Whether part of that line is in an earlier message.
    is_cut: bool,
}

impl Splitter {
    /// Messages of at most `bound` bytes.
    pub(super) fn new(bound: usize) -> Self {
        Self { bound: bound.max(4), collected: String::new(), start: 0, is_cut: false }
    }

    /// Takes the next piece of the last line; as [`Splitter::push`].
    pub(super) fn push_more(&mut self, piece: &str) -> Vec<String> {
        let line = self.take_line() + &sendable(piece);
        self.add(line)
    }

    /// Takes a line; returns the messages that are now full.
    pub(super) fn push(&mut self, line: &str) -> Vec<String> {
        self.is_cut = false;
        self.add(sendable(line))
    }

    /// Whether the last line was cut.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Removes the collected part of the last line.
    pub(super) fn drop_line(&mut self) {
        self.take_line();
        self.start = self.collected.len();
    }

    /// The collected part of the line, without the line break before it.
    fn take_line(&mut self) -> String {
        let line = self.collected.split_off(self.start);
        if self.collected.ends_with('\n') {
            self.collected.pop();
        }
        line
    }

    fn add(&mut self, line: String) -> Vec<String> {
        let mut full = Vec::new();
        if !self.collected.is_empty() && self.collected.len() + 1 + line.len() > self.bound {
            full.extend(self.take());
        }
        if line.len() <= self.bound {
            if !self.collected.is_empty() {
                self.collected.push('\n');
            }
            self.start = self.collected.len();
            self.collected.push_str(&line);
            return full;
        }
        self.is_cut = true;
        let mut rest = line.as_str();
        while rest.len() > self.bound {
            let (head, tail) = cut(rest, self.bound);
            full.push(head.to_owned());
            rest = tail;
        }
        self.collected = rest.to_owned();
        self.start = 0;
        full
    }

    /// The collected text, if it can be sent.
    pub(super) fn take(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.collected);
        self.start = 0;
        (!text.trim().is_empty()).then_some(text)
    }
}

/// A NUL cannot be sent, so it is shown as a symbol.
fn sendable(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

/// The longest part that fits; ends between words if there are any in its second half.
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

/// Splits bytes into lines; a line that is too long to be kept comes in several pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    partial: Vec<u8>,
    number: u64,
    /// Whether the next piece begins a line.
    begins: bool,
}

/// A line, or a piece of a long one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The number of the line, from 1.
    pub(super) number: u64,
    /// `None`: it is not UTF-8.
    pub(super) text: Option<String>,
    /// Whether it is the first piece of its line.
    pub(super) begins: bool,
}

/// The longest line that is kept whole.
const LINE_BYTES: usize = 256 * 1024;

impl Pieces {
    pub(super) fn new() -> Self {
        Self { partial: Vec::new(), number: 1, begins: true }
    }

    /// Takes the bytes of one read; returns the complete pieces.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut parts = bytes.split(|b| *b == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.partial.extend_from_slice(part);
            if parts.peek().is_some() {
                pieces.push(self.piece(true));
                self.number += 1;
                self.begins = true;
            }
        }
        if self.partial.len() > LINE_BYTES {
            // Not inside a character: its later bytes are 10xxxxxx.
            let last = self.partial.iter().rposition(|b| b & 0xc0 != 0x80).unwrap_or(0);
            let rest = self.partial.split_off(if last == 0 { self.partial.len() } else { last });
            pieces.push(self.piece(false));
            self.partial = rest;
            self.begins = false;
        }
        pieces
    }

    /// The last line, if it has no line end.
    pub(super) fn rest(mut self) -> Option<Piece> {
        (!self.partial.is_empty()).then(|| self.piece(true))
    }

    fn piece(&mut self, ends: bool) -> Piece {
        let mut bytes = std::mem::take(&mut self.partial);
        if ends && bytes.ends_with(b"\r") {
            bytes.pop();
        }
        let (number, begins) = (self.number, self.begins);
        Piece { number, text: as_text(&bytes, begins && number == 1), begins }
    }
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
    fn a_line_in_pieces_is_cut_only_if_it_is_too_long_and_then_reported() {
        let mut s = Splitter::new(20);
        assert!(s.push("before").is_empty());
        assert!(s.push("0123456789").is_empty() && !s.is_cut());
        assert_eq!(s.push_more("abcdefgh"), ["before"], "the line fits, but not beside the one before");
        assert!(!s.is_cut());
        assert_eq!(s.push_more("ijk"), ["0123456789abcdefghij"]);
        assert!(s.is_cut());
        assert!(s.push("next").is_empty() && !s.is_cut());
        assert_eq!(s.take().as_deref(), Some("k\nnext"));
    }

    #[test]
    fn the_collected_part_of_a_bad_line_is_sent_alone() {
        let mut s = Splitter::new(20);
        s.push("prev");
        s.push("bad");
        s.drop_line();
        assert!(s.push("next").is_empty());
        assert_eq!(s.take().as_deref(), Some("prev\nnext"));
        s.push("bad");
        s.drop_line();
        assert_eq!(s.take(), None);
        // The text that a pause has sent is gone.
        s.push("sent");
        s.take();
        s.drop_line();
        assert_eq!(s.take(), None);
    }

    fn texts(pieces: Vec<Piece>) -> Vec<String> {
        pieces.into_iter().map(|piece| piece.text.unwrap()).collect()
    }

    #[test]
    fn lines_from_any_cut() {
        let mut p = Pieces::new();
        assert_eq!(texts(p.feed("\u{feff}one\r\n\nt\u{e9}".as_bytes())), ["one", ""]);
        assert_eq!(texts(p.feed(b"wo\n\xff\xfe\nx")[..1].iter().map(copy).collect()), ["t\u{e9}wo"]);
        assert_eq!(p.rest().map(|x| (x.number, x.text)), Some((5, Some("x".into()))));
        let mut p = Pieces::new();
        assert_eq!(p.feed(b"caf\xe9\n"), [Piece { number: 1, text: None, begins: true }]);
    }

    fn copy(piece: &Piece) -> Piece {
        Piece { text: piece.text.clone(), ..*piece }
    }

    #[test]
    fn a_line_in_pieces_gets_no_line_break_at_their_borders() {
        // Messages may be longer than a piece.
        for bound in [1000, LINE_BYTES, 3 * LINE_BYTES] {
            let (mut p, mut s) = (Pieces::new(), Splitter::new(bound));
            let long = "\u{e9}".repeat(LINE_BYTES);
            let mut pieces: Vec<_> = long.as_bytes().chunks(1001).flat_map(|c| p.feed(c)).collect();
            pieces.extend(p.rest());
            assert!(pieces.len() > 1 && pieces.iter().filter(|piece| piece.begins).count() == 1);
            let mut out = Vec::new();
            for piece in pieces {
                let text = piece.text.unwrap();
                out.extend(if piece.begins { s.push(&text) } else { s.push_more(&text) });
            }
            out.extend(s.take());
            assert!(out.iter().all(|m| m.len() <= bound));
            assert_eq!(out.concat(), long, "{bound}");
        }
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
