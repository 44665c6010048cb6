//! Owns the line of progress that a long command shows on standard error. Called by the commands of `tcp-chatd` and
//! `tcp-chat-cli`. Never writes where standard error is not a terminal, and never writes data.
//!
//! The line appears after half a second, so a short command shows nothing. It is rewritten at most four times a
//! second, and cleared at the end.
//!
//! ```
//! use tcp_chat_progress::{Progress, Shown};
//!
//! let mut progress = Progress::new(Shown::Always);
//! for message in 0..1_000_u64 {
//!     progress.show(|| format!("{message} messages"));
//! }
//! ```

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A command that is done before this time shows nothing.
const FIRST: Duration = Duration::from_millis(500);
/// The time between two writes.
const EVERY: Duration = Duration::from_millis(250);
/// The longest line, in characters: it must not wrap, because only one line is cleared.
const COLUMNS: usize = 78;

/// When a command shows its progress on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Whenever standard error is a terminal.
    Always,
    /// Only if standard output is not a terminal. For commands that print while they work: their output is the
    /// progress, and a line in it would damage it.
    WithoutOutput,
}

impl Shown {
    fn is_wanted(self) -> bool {
        let can_rewrite =
            std::env::var("TERM").is_ok_and(|term| !matches!(term.as_str(), "" | "dumb" | "unknown"));
        let is_free = self == Self::Always || !std::io::stdout().is_terminal();
        can_rewrite && is_free && std::io::stderr().is_terminal()
    }
}

/// A line of progress, rewritten by the code that does the work. The line is cleared when this is dropped.
#[derive(Debug)]
pub struct Progress {
    /// When the next write is due. `None`: nothing is shown.
    due: Option<Instant>,
    is_on_screen: bool,
}

impl Progress {
    /// A line that is shown where `shown` allows it.
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        let due = shown.is_wanted().then(|| Instant::now() + FIRST);
        Self { due, is_on_screen: false }
    }

    /// Rewrites the line if a write is due. Cheap otherwise: `text` is called only for a write. The text must have no
    /// control characters.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = Some(now + EVERY);
        self.is_on_screen = true;
        write(&text());
    }

    /// Clears the line, before something else is written to the terminal.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.is_on_screen) {
            write("");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A line of progress that a thread rewrites, for work that cannot be interrupted to do so. The line is cleared when
/// this is dropped.
#[derive(Debug)]
pub struct Watch(Option<(mpsc::Sender<()>, JoinHandle<()>)>);

impl Watch {
    /// Shows `text` again and again; it gets the time since the start.
    #[must_use]
    pub fn start(shown: Shown, text: impl Fn(Duration) -> String + Send + 'static) -> Self {
        if !shown.is_wanted() {
            return Self(None);
        }
        let (stop, stopped) = mpsc::channel();
        let began = Instant::now();
        let show = move || {
            let mut progress = Progress::new(shown);
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                progress.show(|| text(began.elapsed()));
            }
        };
        // Without a thread nothing is shown.
        Self(
            std::thread::Builder::new().name("progress".into()).spawn(show).ok().map(|thread| (stop, thread)),
        )
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            // After this, the line is cleared.
            let _ = thread.join();
        }
    }
}

/// A number with its thousands apart: `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes in MiB: `1,234 MiB`.
#[must_use]
pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", thousands(bytes >> 20))
}

/// The share of the work that is done: `42 %`. At most 99 %, because the end is shown by the end.
#[must_use]
pub fn percent(done: u64, total: u64) -> String {
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(0).min(99);
    format!("{percent} %")
}

/// Rewrites the line: back to its start, the text, and clear the rest.
fn write(text: &str) {
    let text: String = text.chars().take(COLUMNS).collect();
    let mut out = std::io::stderr().lock();
    // A terminal that is gone is ignored.
    let _ = out.write_all(format!("\r{text}\x1b[K").as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_a_reader() {
        let shown = [0, 999, 1_000, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(mebibytes(5 << 30), "5,120 MiB");
        assert_eq!([percent(0, 0), percent(1, 3), percent(7, 7)], ["0 %", "33 %", "99 %"]);
        assert_eq!(percent(u64::MAX, u64::MAX), "1 %", "no overflow");
    }

    #[test]
    fn where_nothing_is_shown_no_text_is_made() {
        let mut progress = Progress { due: None, is_on_screen: false };
        progress.show(|| unreachable!("nothing is shown"));
        let mut early = Progress { due: Some(Instant::now() + FIRST), is_on_screen: false };
        early.show(|| unreachable!("it is too early"));
        early.due = None;
    }
}
