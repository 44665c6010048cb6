//! Owns the output to the terminal: collects a whole picture, and writes the colours of terminals with eight:
//! crossterm writes each as one of 256, which not all of them know. Used by `terminal`. Never changes a text.

use std::io::{self, Write};

/// The start of a 256-colour sequence. No text contains it: texts have no escape character.
const INDEXED: &[u8] = b"\x1b[38;5;";

/// A writer that passes its content on with each flush.
pub(super) struct Out<W> {
    to: W,
    basic: bool,
    written: Vec<u8>,
}

impl<W: Write> Out<W> {
    /// `basic`: the terminal has eight colours.
    pub(super) fn new(to: W, basic: bool) -> Self {
        Self { to, basic, written: Vec::new() }
    }
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = std::mem::take(&mut self.written);
        if self.basic {
            self.to.write_all(&with_eight(&written))?;
        } else {
            self.to.write_all(&written)?;
        }
        self.to.flush()
    }
}

/// Maps the first eight of 256 colours to the eight basic ones.
fn with_eight(written: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some(&first) = rest.first() {
        match rest.strip_prefix(INDEXED) {
            Some([color @ b'0'..=b'7', after @ ..]) if !after.first().is_some_and(u8::is_ascii_digit) => {
                out.extend_from_slice(b"\x1b[3");
                out.push(*color);
                rest = after;
            }
            _ => {
                out.push(first);
                rest = &rest[1..];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_colours_are_written_as_such() {
        let written = "\x1b[38;5;1;49mana\x1b[39;49m 38;5;1 \x1b[38;5;12m\x1b[38;5;6m é";
        for (basic, wanted) in
            [(false, written), (true, "\x1b[31;49mana\x1b[39;49m 38;5;1 \x1b[38;5;12m\x1b[36m é")]
        {
            let mut bytes = Vec::new();
            let mut out = Out::new(&mut bytes, basic);
            // In pieces, as it arrives.
            for piece in written.as_bytes().chunks(3) {
                out.write_all(piece).unwrap();
            }
            out.flush().unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), wanted);
        }
    }
}
