//! Owns standard input as text, with one rule for all modes: bytes that are not UTF-8 are refused, one byte order
//! mark at the start is dropped, and nothing is cut silently. Called by `settings`, by line mode and by `send`.
//! Never sends anything.

use crate::exit::{Exit, Failure};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The largest read, in bytes.
const READ_BYTES: usize = 64 * 1024;
/// No server accepts a longer message: further bytes are counted, not kept.
pub(crate) const LONGEST: usize = 8 * 1024 * 1024;
/// Beyond this the input is not counted to its end, which may never come.
const COUNTED: u64 = 1024 * 1024 * 1024;
const BOM: char = '\u{feff}';

/// An input that reports a pause: the earlier bytes are then handled.
#[derive(Debug)]
pub(crate) struct Watched<R> {
    from: R,
    waits: Arc<AtomicBool>,
}

impl<R> Watched<R> {
    pub(crate) fn new(from: R, waits: &Arc<AtomicBool>) -> Self {
        Self { from, waits: Arc::clone(waits) }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.waits.store(true, Ordering::Release);
        let read = self.from.read(into);
        self.waits.store(false, Ordering::Release);
        read
    }
}

/// Passes each read to `take`, until the input ends (true) or `take` returns false (false).
///
/// # Errors
/// The error of the system, if the input cannot be read.
pub(crate) fn read_all(from: &mut impl Read, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<bool> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(n) if take(&buffer[..n]) => {}
            Ok(_) => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Standard input is unreadable.
pub(crate) fn unreadable(e: &io::Error) -> Failure {
    Failure::new(Exit::Other, format!("standard input cannot be read: {e}"))
}

/// Why a text cannot be used.
#[must_use]
pub(crate) fn why_unread(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::InvalidData => {
            "it is not UTF-8; convert it first, with `iconv -t UTF-8` for example".into()
        }
        _ => e.to_string(),
    }
}

/// The text without one byte order mark at its start.
#[must_use]
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// Reads one message: the whole input without its last line end.
///
/// # Errors
/// The input is unreadable, not UTF-8, or longer than the limit of any server.
pub(crate) fn message(from: &mut impl Read) -> Result<String, Failure> {
    let (mut bytes, mut size) = (Vec::new(), 0u64);
    let ended = read_all(from, |read| {
        size += read.len() as u64;
        // One byte order mark and one line end do not belong to the message.
        let room = (LONGEST + 8).saturating_sub(bytes.len());
        bytes.extend_from_slice(&read[..read.len().min(room)]);
        size <= COUNTED
    })
    .map_err(|e| unreadable(&e))?;
    if size > bytes.len() as u64 {
        let more = if ended { "" } else { "more than " };
        let text = format!("standard input has {more}{size} bytes, and no server takes more than {LONGEST}");
        return Err(
            Failure::usage(text).hint("Nothing was sent. Use --split to send it as several messages.")
        );
    }
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        Failure::usage(format!("standard input is not UTF-8: byte {} cannot be read", e.valid_up_to() + 1))
            .hint("Nothing was sent. Convert it first, with `iconv -t UTF-8` for example.")
    })?;
    let text = without_bom(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// A line of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) what: What,
}

/// The content of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Its text, without the line end.
    Text(String),
    /// It is not UTF-8.
    NotUtf8,
    /// It has this many bytes, more than the bound.
    TooLong(u64),
}

impl Line {
    /// Why the line cannot be sent.
    pub(crate) fn not_utf8(number: u64) -> Failure {
        Failure::usage(format!("line {number} of the input was not sent: it is not UTF-8"))
    }

    /// As above.
    pub(crate) fn too_long(number: u64, bytes: u64, bound: usize) -> Failure {
        let text =
            format!("line {number} of the input was not sent: it has {bytes} bytes of {bound} allowed");
        Failure::new(Exit::Refused, text)
    }
}

/// Splits bytes into lines, for any division into reads. Keeps at most its bound of a line.
#[derive(Debug)]
pub(crate) struct Lines {
    bound: usize,
    partial: Vec<u8>,
    /// The length of the line so far, including bytes that are not kept.
    bytes: u64,
    number: u64,
}

impl Lines {
    /// Lines of at most `bound` bytes.
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound, partial: Vec::new(), bytes: 0, number: 0 }
    }

    /// Takes the bytes of one read; returns the lines that they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut parts = bytes.split(|b| *b == b'\n').peekable();
        while let Some(part) = parts.next() {
            // A byte order mark and a carriage return do not belong to the text.
            let room = (self.bound + 4).saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&part[..part.len().min(room)]);
            self.bytes += part.len() as u64;
            if parts.peek().is_some() {
                lines.push(self.line());
            }
        }
        lines
    }

    /// The last line, if it has no line end.
    pub(crate) fn rest(&mut self) -> Option<Line> {
        (self.bytes > 0).then(|| self.line())
    }

    fn line(&mut self) -> Line {
        self.number += 1;
        let (bytes, partial) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.partial));
        let is_whole = bytes == partial.len() as u64;
        let text = partial.strip_suffix(b"\r").unwrap_or(&partial);
        let what = match as_text(text, self.number == 1) {
            _ if !is_whole => What::TooLong(bytes),
            Some(text) if text.len() > self.bound => What::TooLong(text.len() as u64),
            Some(text) => What::Text(text),
            None => What::NotUtf8,
        };
        Line { number: self.number, what }
    }
}

/// The text of a line's bytes. `None`: they are not UTF-8.
pub(crate) fn as_text(bytes: &[u8], is_first: bool) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(if is_first { without_bom(text) } else { text }.to_owned())
}

/// Runs blocking work on its own thread within the time. `None`: the time has passed; the thread ends with the
/// program.
pub(crate) fn within<T: Send + 'static>(
    until: Option<Instant>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let Some(until) = until else { return Some(work()) };
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // After that time the receiver is gone.
        let _ = done.send(work());
    });
    wait.recv_timeout(until.checked_duration_since(Instant::now()).unwrap_or(Duration::ZERO)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, Failure> {
        message(&mut &*bytes)
    }

    #[test]
    fn a_message_is_the_whole_input_or_nothing() {
        assert_eq!(read(b"two\nlines\r\n").unwrap(), "two\nlines");
        assert_eq!(
            read("\u{feff}\u{feff}x\n\n".as_bytes()).unwrap(),
            "\u{feff}x\n",
            "one mark, one line end"
        );
        let longest = vec![b'x'; LONGEST];
        assert_eq!(read(&longest).unwrap().len(), LONGEST);
        let failure = read(&vec![b'x'; LONGEST + 1000]).unwrap_err();
        assert!(failure.to_string().contains(&format!("has {} bytes", LONGEST + 1000)), "{failure}");
        let failure = read(b"caf\xe9\n").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("byte 4"), "{failure}");
    }

    #[test]
    fn an_input_without_an_end_is_not_counted_for_ever() {
        let failure = message(&mut io::repeat(b'x')).unwrap_err();
        assert!(failure.to_string().contains("more than"), "{failure}");
    }

    #[test]
    fn every_line_is_accounted_for() {
        let mut lines = Lines::new(5);
        let mut all = Vec::new();
        for part in "\u{feff}one\r\n\n\u{feff}\n123456\nab".as_bytes().chunks(2) {
            all.extend(lines.feed(part));
        }
        all.extend(lines.feed(b"c\xff\n1234567890123\n12345"));
        all.extend(lines.rest());
        let all: Vec<_> = all.into_iter().map(|line| (line.number, line.what)).collect();
        let text = |text: &str| What::Text(text.into());
        assert_eq!(
            all,
            [
                (1, text("one")),
                (2, text("")),
                (3, text("\u{feff}")),
                (4, What::TooLong(6)),
                (5, What::NotUtf8),
                (6, What::TooLong(13)),
                (7, text("12345")),
            ]
        );
        assert_eq!(lines.rest(), None);
    }
}
