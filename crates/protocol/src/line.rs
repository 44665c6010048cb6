//! Owns the framing: bytes in any division become lines. Used by the daemon's read side and by the client
//! library. Never holds more than one partial line within its bound: the rest of a longer line is skipped, not
//! stored.

use zeroize::Zeroize;

/// One line, without its ending.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The bytes of a line within the bound; not checked to be UTF-8. Never empty.
    Bytes(&'a [u8]),
    /// A line over the bound. It is reported once, after its newline.
    TooLong,
}

/// Splits a stream of bytes at newlines.
///
/// A line that arrives complete in one read is returned without a copy; only a partial line is stored. Between
/// lines the decoder owns no memory.
#[derive(Debug)]
pub struct LineDecoder {
    /// The longest line, in bytes, without its ending.
    bound: usize,
    partial: Vec<u8>,
    skipping: bool,
    /// Whether a partial line is wiped before its memory is freed.
    wiping: bool,
}

impl LineDecoder {
    /// A decoder for lines of at most `bound` bytes, the ending (`\n` or `\r\n`) not counted.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { bound, partial: Vec::new(), skipping: false, wiping: false }
    }

    /// Sets whether stored parts of a line are wiped before their memory is freed: while lines may contain
    /// secrets.
    pub fn set_wiping(&mut self, wiping: bool) {
        self.wiping = wiping;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let length = self.partial.len() + bytes.len();
        if self.wiping && length > self.partial.capacity() {
            // A vector that grows by itself leaves its old content in freed memory.
            let mut longer = Vec::with_capacity(length.max(2 * self.partial.capacity()));
            longer.extend_from_slice(&self.partial);
            self.forget();
            self.partial = longer;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn forget(&mut self) {
        let mut partial = std::mem::take(&mut self.partial);
        if self.wiping {
            partial.zeroize();
        }
    }

    /// The number of stored bytes of a partial line.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.partial.len()
    }

    /// Takes the bytes of one read and returns an iterator over the lines that they complete.
    ///
    /// Drive the iterator to its end: dropping it early drops the remaining lines.
    pub fn feed<'a>(&'a mut self, bytes: &'a [u8]) -> Lines<'a> {
        Lines { decoder: self, rest: bytes, spent: false }
    }
}

impl Drop for LineDecoder {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The lines that one read completed; see [`LineDecoder::feed`].
#[derive(Debug)]
pub struct Lines<'a> {
    decoder: &'a mut LineDecoder,
    rest: &'a [u8],
    /// Whether the decoder's buffer was returned as a line and must be emptied.
    spent: bool,
}

impl Lines<'_> {
    /// The next line, or `None` at the end of the read. Skips empty lines.
    #[expect(clippy::should_implement_trait, reason = "a line borrows from the iterator itself")]
    pub fn next(&mut self) -> Option<Line<'_>> {
        if std::mem::take(&mut self.spent) {
            self.decoder.forget();
        }
        loop {
            let Some(end) = memchr::memchr(b'\n', self.rest) else {
                self.keep();
                return None;
            };
            let (head, tail) = (&self.rest[..end], &self.rest[end + 1..]);
            self.rest = tail;
            if std::mem::take(&mut self.decoder.skipping) {
                return Some(Line::TooLong);
            }
            if self.decoder.partial.is_empty() {
                let line = without_cr(head);
                if line.is_empty() {
                    continue;
                }
                return Some(if line.len() > self.decoder.bound { Line::TooLong } else { Line::Bytes(line) });
            }
            // One byte more than the bound may be a `\r` of the ending.
            if self.decoder.partial.len() + head.len() > self.decoder.bound + 1 {
                self.decoder.forget();
                return Some(Line::TooLong);
            }
            self.decoder.keep(head);
            let length = without_cr(&self.decoder.partial).len();
            if length == 0 || length > self.decoder.bound {
                self.decoder.forget();
                if length == 0 {
                    continue;
                }
                return Some(Line::TooLong);
            }
            self.spent = true;
            return Some(Line::Bytes(&self.decoder.partial[..length]));
        }
    }

    /// Stores the rest as the beginning of the next line, or starts to skip that line.
    fn keep(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        if self.decoder.skipping || rest.is_empty() {
            return;
        }
        if self.decoder.partial.len() + rest.len() > self.decoder.bound + 1 {
            self.decoder.skipping = true;
            self.decoder.forget();
        } else {
            self.decoder.keep(rest);
        }
    }
}

impl Drop for Lines<'_> {
    fn drop(&mut self) {
        if self.spent {
            self.decoder.forget();
        }
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(decoder: &mut LineDecoder, bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut out = Vec::new();
        let mut lines = decoder.feed(bytes);
        while let Some(line) = lines.next() {
            out.push(match line {
                Line::Bytes(b) => Some(b.to_vec()),
                Line::TooLong => None,
            });
        }
        out
    }

    /// The definition of the framing, in a slow form.
    fn model(bytes: &[u8], bound: usize) -> Vec<Option<Vec<u8>>> {
        let mut parts: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        parts.pop();
        parts
            .into_iter()
            .map(without_cr)
            .filter(|l| !l.is_empty())
            .map(|l| (l.len() <= bound).then(|| l.to_vec()))
            .collect()
    }

    #[test]
    fn lines_endings_and_bounds() {
        let mut d = LineDecoder::new(4);
        assert_eq!(
            run(&mut d, b"ab\ncd\r\n\n\r\nabcd\r\nabcde\nx"),
            vec![Some(b"ab".to_vec()), Some(b"cd".to_vec()), Some(b"abcd".to_vec()), None,]
        );
        assert_eq!(d.kept(), 1);
        assert_eq!(run(&mut d, b"y\n"), vec![Some(b"xy".to_vec())]);
        assert_eq!(d.kept(), 0);
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut d = LineDecoder::new(10);
        for _ in 0..1000 {
            assert!(run(&mut d, &[b'x'; 100]).is_empty());
            assert!(d.kept() <= 11);
        }
        assert_eq!(run(&mut d, b"\nok\n"), vec![None, Some(b"ok".to_vec())]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_lines(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1usize..20, 1..50),
            bound in 1usize..12,
            wiping: bool,
        ) {
            let mut d = LineDecoder::new(bound);
            d.set_wiping(wiping);
            let mut got = Vec::new();
            let (mut at, mut i) = (0, 0);
            while at < text.len() {
                let next = (at + cuts[i % cuts.len()]).min(text.len());
                got.extend(run(&mut d, &text[at..next]));
                prop_assert!(d.kept() <= bound + 1);
                (at, i) = (next, i + 1);
            }
            prop_assert_eq!(got, model(&text, bound));
        }
    }
}
