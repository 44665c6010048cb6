//! Tests of the binary as people and scripts use it: its output and its exit codes. No daemon runs here; the
//! test answers on the control socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, wherever it is written")]

mod certificates;
mod check;
mod control;

use assert_cmd::Command;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The bound of each wait. Only a test that hangs reaches it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A working folder, and an environment without this machine's variables.
struct Desk {
    dir: tempfile::TempDir,
}

/// The result of a run.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn with(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), config).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("tcp-chatd").unwrap();
        command.env_clear().current_dir(self.dir.path()).args(args).timeout(LONGEST_WAIT);
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::of(&mut self.command(args))
    }

    /// Certificates as a first start leaves them.
    fn with_certificates(self) -> Self {
        let settings =
            tcp_chatd::settings::Tls { dir: self.path("certs"), ..tcp_chatd::settings::Tls::default() };
        tcp_chatd::tls::open(&settings, std::time::SystemTime::now()).unwrap();
        self
    }

    /// Answers one request on the control socket. Returns the request.
    fn answer(&self, line: &'static str) -> JoinHandle<String> {
        let folder = self.path("data");
        fs::create_dir_all(&folder).unwrap();
        let listener = UnixListener::bind(folder.join("control.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let until = Instant::now() + LONGEST_WAIT;
            let stream = loop {
                match listener.accept() {
                    Ok((stream, _)) => break stream,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                    Err(e) => panic!("{e}"),
                }
                assert!(Instant::now() < until, "the program does not connect to the control socket");
            };
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(LONGEST_WAIT)).unwrap();
            let mut asked = String::new();
            BufReader::new(&stream).read_line(&mut asked).unwrap();
            (&stream).write_all(line.as_bytes()).unwrap();
            asked
        })
    }
}

impl Ended {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn help_and_version() {
    let desk = Desk::with("");
    let help = desk.run(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for part in ["Usage: tcp-chatd", "Examples:", "check", "invite", "backup", "Exit codes:"] {
        assert!(help.out.contains(part), "{part}: {}", help.out);
    }
    let version = desk.run(&["--version"]);
    assert_eq!(version.code, 0);
    assert!(version.out.starts_with(concat!("tcp-chatd ", env!("CARGO_PKG_VERSION"))), "{}", version.out);
    assert!(version.out.contains("\nTLS: rustls 0.23."), "{}", version.out);
    assert!(version.out.contains(" with aws-lc-rs 1."), "{}", version.out);
}

#[test]
fn a_wrong_command_line_is_64() {
    let desk = Desk::with("");
    for args in [
        &["--nope"][..],
        &["fly"],
        &["cert"],
        &["cert", "issue"],
        &["--set", "x"],
        &["kick"],
        &["ban"],
        &["ban", "x", "--for", "0s"],
        &["mute", "x", "--for", "soon"],
        &["grant", "ana"],
        &["grant", "ana", "king"],
        &["room", "set", "ops"],
        &["log"],
        &["cert", "issue", "a b"],
        &["invite", "--room", "a b"],
        &["cert", "issue", "ana", "--print", "--out", "x"],
    ] {
        let ended = desk.run(args);
        assert_eq!(ended.code, 64, "{args:?}: {ended:?}");
        assert_eq!(ended.out, "", "{args:?}");
        assert!(!ended.err.is_empty(), "{args:?}");
    }
}

#[test]
fn config_prints_what_holds_and_where_it_came_from() {
    let desk = Desk::with("[limits]\nburst = 5\n");
    let ended = Ended::of(
        desk.command(&["--set", "sessions.ttl=9s", "config"])
            .env("PORT", "4000")
            .env("TCP_CHATD__LOG__LEVEL", "debug"),
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    for line in [
        "address = \"127.0.0.1:4000\"  # default; the port: environment variable PORT",
        "burst = 5  # file, line 2",
        "ttl = \"9s\"  # command line",
        "level = \"debug\"  # environment variable TCP_CHATD__LOG__LEVEL",
        "errors = 10000  # default",
    ] {
        assert!(ended.out.lines().any(|l| l == line), "{line}\n{}", ended.out);
    }
    let reference = desk.run(&["config", "--reference"]);
    assert_eq!(reference.out, tcp_chatd::settings::reference());
}

#[test]
fn password_prints_a_hash_that_the_configuration_takes() {
    let desk = Desk::with("[auth]\nmode = \"password\"\npassword_file = \"hash\"\n");
    let ended = Ended::of(desk.command(&["password"]).write_stdin("open sesame\n"));
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(tcp_chatd::auth::verify(ended.out.trim_end(), "open sesame", || {}), "{}", ended.out);
    fs::write(desk.path("hash"), &ended.out).unwrap();
    assert_eq!(desk.run(&["check"]).code, 0);
    for bad in ["", "\n", "two\nlines\n", &"x".repeat(2000)] {
        assert_eq!(Ended::of(desk.command(&["password"]).write_stdin(bad)).code, 64, "{bad:?}");
    }
}
