//! Owns the daemon's standard error: a thread reads it, so that the daemon never blocks, and tests wait for
//! lines.

use super::PATIENCE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// The daemon's log so far. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    /// Reads `from` to its end, in a separate thread.
    pub(crate) fn follow(from: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let writer = log.clone();
        std::thread::spawn(move || {
            let (state, changed) = &*writer.0;
            let mut reader = BufReader::new(from);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                state.lock().unwrap().lines.push(text);
                changed.notify_all();
                line.clear();
            }
            state.lock().unwrap().ended = true;
            changed.notify_all();
        });
        log
    }

    /// Everything so far, as one text.
    pub(crate) fn text(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }

    /// Waits for the first line that `wanted` accepts. `None`: the log ended without one.
    pub(crate) fn wait<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (state, changed) = &*self.0;
        let deadline = Instant::now() + PATIENCE;
        let mut guard = state.lock().unwrap();
        let mut seen = 0;
        loop {
            while let Some(line) = guard.lines.get(seen) {
                if let Some(found) = wanted(line) {
                    return Some(found);
                }
                seen += 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if guard.ended || left.is_zero() {
                return None;
            }
            guard = changed.wait_timeout(guard, left).unwrap().0;
        }
    }

    /// Waits for its end. False: the log continues.
    pub(crate) fn ends(&self) -> bool {
        self.wait(|_| None::<()>);
        self.0.0.lock().unwrap().ended
    }

    /// Waits for the first line of the JSON log with this event. `None`: the log ended without one.
    pub(crate) fn emits(&self, event: &str) -> Option<Value> {
        self.wait(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["event"] == event).then_some(line)
        })
    }

    /// Waits for the line of the JSON log whose message is `message`.
    pub(crate) fn event(&self, message: &str) -> Option<Value> {
        self.wait(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let fields = line.get("fields").unwrap_or(&line);
            (fields["message"] == message).then(|| fields.clone())
        })
    }
}
