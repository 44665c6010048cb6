//! Owns a running client: its home, and the lines that it has printed. Called by the tests. Its calls read like the
//! actions of a person.

use crate::daemon::Daemon;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Only bounds a test that hangs.
const LONG: Duration = Duration::from_secs(60);

/// Somebody's home folder.
pub(crate) struct Home(pub(crate) TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("tcp-chat-cli"));
        command
            .env_clear()
            .env("HOME", self.0.path())
            .env("XDG_CONFIG_HOME", self.0.path().join("config"))
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the client; it trusts the daemon.
    pub(crate) fn start(&self, daemon: &Daemon, args: &[&str]) -> Client {
        let mut command = self.command();
        command.arg("--ca").arg(daemon.ca()).arg(daemon.server()).args(args);
        Client::start(command)
    }

    /// Runs the client to its end.
    pub(crate) fn run(&self, daemon: &Daemon, args: &[&str]) -> Ended {
        self.start(daemon, args).ends()
    }
}

#[derive(Default)]
struct Text {
    lines: Mutex<(String, bool)>,
    more: Condvar,
}

impl Text {
    fn follow(from: impl Read + Send + 'static) -> Arc<Self> {
        let text = Arc::new(Self::default());
        let into = Arc::clone(&text);
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            loop {
                let mut line = Vec::new();
                let n = from.read_until(b'\n', &mut line).unwrap_or(0);
                let mut lines = into.lines.lock().unwrap();
                lines.0.push_str(&String::from_utf8(line).unwrap());
                lines.1 = n == 0;
                into.more.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        text
    }

    fn wait_for(&self, part: &str) {
        self.wait_until(part, |text| text.contains(part));
    }

    fn wait_until(&self, part: &str, is: impl Fn(&str) -> bool) {
        let lines = self.lines.lock().unwrap();
        let (lines, timeout) =
            self.more.wait_timeout_while(lines, LONG, |(text, ended)| !is(text) && !*ended).unwrap();
        assert!(is(&lines.0), "{part:?} did not come (timeout: {}): {}", timeout.timed_out(), lines.0);
    }

    fn all(&self) -> String {
        let lines = self.lines.lock().unwrap();
        let (lines, timeout) = self.more.wait_timeout_while(lines, LONG, |(_, ended)| !*ended).unwrap();
        assert!(!timeout.timed_out(), "it does not end: {}", lines.0);
        lines.0.clone()
    }
}

pub(crate) struct Client {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    out: Arc<Text>,
    err: Arc<Text>,
}

/// How a client ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Client {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let out = Text::follow(child.stdout.take().unwrap());
        let err = Text::follow(child.stderr.take().unwrap());
        Self { input: child.stdin.take(), child, out, err }
    }

    pub(crate) fn types(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Gives it these bytes. It may have ended before it has taken all of them.
    pub(crate) fn feeds(&mut self, bytes: &[u8]) {
        let _ = self.input.as_mut().unwrap().write_all(bytes);
    }

    /// Waits until this is on standard output.
    pub(crate) fn shows(&self, part: &str) {
        self.out.wait_for(part);
    }

    /// Waits until this is on standard error.
    pub(crate) fn says(&self, part: &str) {
        self.err.wait_for(part);
    }

    /// Waits until this was said so many times.
    pub(crate) fn says_times(&self, part: &str, times: usize) {
        self.err.wait_until(part, |text| text.matches(part).count() >= times);
    }

    pub(crate) fn so_far(&self) -> String {
        self.out.lines.lock().unwrap().0.clone()
    }

    /// Closes its input, and waits for its end.
    pub(crate) fn ends(mut self) -> Ended {
        drop(self.input.take());
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let (out, err) = (self.out.all(), self.err.all());
        Ended { code: self.child.wait().unwrap().code(), out, err }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
