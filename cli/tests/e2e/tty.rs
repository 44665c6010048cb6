//! Owns a client in a pseudo-terminal, and the screen that a terminal would show of its output. Called by the tests.
//! Never checks a screen.

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Only bounds a test that hangs.
const LONG: Duration = Duration::from_secs(60);

/// How many screens a terminal has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screens {
    /// One, as GNU screen has it without `altscreen`.
    One,
    /// A second one for programs, as nearly all have it.
    Two,
}

struct Out {
    parser: vt100::Parser,
    screens: Screens,
    /// Of the last bytes, an escape sequence that has only begun.
    unshown: Vec<u8>,
    raw: Vec<u8>,
    ended: bool,
}

impl Out {
    fn show(&mut self, bytes: &[u8]) {
        if self.screens == Screens::Two {
            self.parser.process(bytes);
            return;
        }
        self.unshown.extend_from_slice(bytes);
        let escape = self.unshown.iter().rposition(|byte| *byte == 0x1b);
        let whole = match escape {
            Some(at) if !self.unshown[at + 1..].iter().any(u8::is_ascii_alphabetic) => at,
            _ => self.unshown.len(),
        };
        let mut left: Vec<u8> = self.unshown.drain(..whole).collect();
        for switch in [b"\x1b[?1049h", b"\x1b[?1049l"] {
            while let Some(at) = left.windows(switch.len()).position(|bytes| bytes == switch) {
                left.drain(at..at + switch.len());
            }
        }
        self.parser.process(&left);
    }
}

type Shared = Arc<(Mutex<Out>, Condvar)>;

pub(crate) struct Tty {
    master: Box<dyn MasterPty + Send>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    out: Shared,
    before: String,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Tty {
    /// Starts the command in a terminal of this size: with all colours and UTF-8, unless the command's
    /// environment says otherwise.
    pub(crate) fn start(command: &Command, columns: u16, rows: u16) -> Self {
        Self::start_with(command, columns, rows, Screens::Two, "")
    }

    /// The same, in a terminal that shows something and may have no alternate screen.
    pub(crate) fn start_with(
        command: &Command,
        columns: u16,
        rows: u16,
        screens: Screens,
        shown: &str,
    ) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let before = modes(&*pair.master);
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        builder.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")] {
            builder.env(name, value);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            }
        }
        let child = pair.slave.spawn_command(builder).unwrap();
        drop(pair.slave);
        let mut parser = vt100::Parser::new(rows, columns, 0);
        parser.process(shown.as_bytes());
        let out = Out { parser, screens, unshown: Vec::new(), raw: Vec::new(), ended: false };
        let out: Shared = Arc::new((Mutex::new(out), Condvar::new()));
        follow(pair.master.try_clone_reader().unwrap(), Arc::clone(&out));
        let input = pair.master.take_writer().unwrap();
        Self { master: pair.master, input, child, out, before }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.out.0.lock().unwrap().parser.screen_mut().set_size(rows, columns);
        self.master.resize(size(columns, rows)).unwrap();
    }

    /// Waits until the screen is so.
    pub(crate) fn until(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let out = self.out.0.lock().unwrap();
        let waits = |out: &mut Out| !is(&out.parser.screen().contents()) && !out.ended;
        let (out, _) = self.out.1.wait_timeout_while(out, LONG, waits).unwrap();
        let screen = out.parser.screen().contents();
        assert!(is(&screen), "{what} did not come:\n{screen}");
        screen
    }

    /// Waits until this is on the screen.
    pub(crate) fn shows(&self, part: &str) -> String {
        self.until(part, |screen| screen.contains(part))
    }

    /// All that came, escapes and all.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.out.0.lock().unwrap().raw).into_owned()
    }

    /// The screen as a terminal would show it.
    pub(crate) fn screen(&self) -> vt100::Screen {
        self.out.0.lock().unwrap().parser.screen().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// `kill -9`, and waits until nothing of it is left.
    #[cfg(unix)]
    pub(crate) fn is_killed(&mut self) {
        let killed = Command::new("kill").args(["-KILL", &self.pid().to_string()]).status();
        assert!(killed.unwrap().success());
        self.child.wait().unwrap();
    }

    /// Waits for its end; the terminal has to be as it was.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let status = self.ends_without_screen();
        let raw = self.raw();
        for (on, off) in
            [("[?1049h", "[?1049l"), ("[?2004h", "[?2004l"), ("[?1000h", "[?1000l"), ("[?1004h", "[?1004l")]
        {
            assert!(
                raw.rfind(on).is_none_or(|on| raw.rfind(off).is_some_and(|off| off > on)),
                "{on}: {raw:?}"
            );
        }
        assert!(raw.rfind("[?25h") > raw.rfind("[?25l"), "the cursor is back");
        status
    }

    /// Waits for its end.
    pub(crate) fn ends_without_screen(&mut self) -> ExitStatus {
        let out = self.out.0.lock().unwrap();
        let (out, _) = self.out.1.wait_timeout_while(out, LONG, |out| !out.ended).unwrap();
        assert!(out.ended, "it does not end:\n{}", out.parser.screen().contents());
        drop(out);
        self.child.wait().unwrap()
    }

    /// The modes of the terminal before the program and now.
    pub(crate) fn modes(&self) -> (String, String) {
        (self.before.clone(), modes(&*self.master))
    }
}

fn modes(master: &(dyn MasterPty + Send)) -> String {
    #[cfg(unix)]
    return format!("{:?}", master.get_termios());
    #[cfg(not(unix))]
    {
        let _ = master;
        String::new()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
    }
}

fn follow(mut from: Box<dyn Read + Send>, out: Shared) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            // At the end of the program a pseudo-terminal says so by an error.
            let n = from.read(&mut buffer).unwrap_or(0);
            let mut now = out.0.lock().unwrap();
            now.show(&buffer[..n]);
            now.raw.extend_from_slice(&buffer[..n]);
            now.ended = n == 0;
            out.1.notify_all();
            if n == 0 {
                return;
            }
        }
    });
}
