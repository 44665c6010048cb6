//! The binary as people and scripts use it: what it prints where, and its exit codes. No daemon
//! runs here; the control socket is answered by the test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, wherever it is written")]

use assert_cmd::Command;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;

/// A folder that the program runs in, with nothing of this machine's environment.
struct Desk {
    dir: tempfile::TempDir,
}

/// How a run ended.
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
        command.env_clear().current_dir(self.dir.path()).args(args);
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

    /// Answers one request on the control socket; gives what was asked.
    fn answer(&self, line: &'static str) -> JoinHandle<String> {
        let folder = self.path("data");
        fs::create_dir_all(&folder).unwrap();
        let listener = UnixListener::bind(folder.join("control.sock")).unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
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
fn check_is_fine_before_the_first_start_and_makes_nothing() {
    // Whatever has the usual port here, and however few files may be open.
    let desk = Desk::with("listen.address = \"127.0.0.1:0\"\nlimits.connections = 10\n");
    let ended = desk.run(&["check"]);
    let dir = desk.dir.path().display();
    assert_eq!(
        ended.out,
        format!(
            "{dir}/config.toml: fine\n{dir}/certs: none there yet; a start makes a CA and a certificate\n\
             {dir}/data/chat.db: not there yet; a start makes it\n"
        )
    );
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(fs::read_dir(desk.dir.path()).unwrap().count(), 1);
}

#[test]
fn check_warns_of_what_will_not_work_on_this_host_and_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let desk = Desk::with(&format!(
        "listen.address = \"{address}\"\nlimits.connections = 10\ntls.names = [\"chat.invalid\"]\n"
    ))
    .with_certificates();
    fs::set_permissions(desk.path("certs/server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let ended = desk.run(&["check"]);
    for part in [
        &format!("warning: listen.address: {address} is taken, and no daemon answers"),
        "server.pem: it is not good for chat.invalid (tls.names) yet",
        "warning: tls.names: chat.invalid cannot be looked up from here",
        "certs/server.key: everyone on this host may use it (mode 644): chmod o=",
    ] {
        assert!(ended.err.contains(part), "{part}\n{ended:?}");
    }
    assert_eq!(ended.code, 0, "it would start: {ended:?}");
    // An address of nobody here is no start at all.
    let desk = Desk::with("listen.address = \"192.0.2.1:3000\"\nlimits.connections = 10\n");
    let ended = desk.run(&["check"]);
    assert!(ended.err.contains("192.0.2.1:3000 is not an address of this host"), "{ended:?}");
    assert_eq!(ended.code, 78, "{ended:?}");
}

#[test]
fn check_says_everything_that_is_wrong_at_once_with_78() {
    let desk = Desk::with("[limits]\nburst = 0\n[log]\nlevl = \"info\"\n");
    let ended = Ended::of(desk.command(&["check"]).env("TCP_CHATD__SESSIONS__TTL", "x"));
    assert_eq!((ended.code, ended.out.as_str()), (78, ""));
    for part in [
        "config.toml:2:9: limits.burst: 0 is no whole number from 1 to 10000000",
        "config.toml:4:1: log.levl: there is no such setting; did you mean log.level?",
        "environment variable TCP_CHATD__SESSIONS__TTL: sessions.ttl: \"x\" is no duration",
    ] {
        assert!(ended.err.contains(part), "{part}\n{}", ended.err);
    }
    // Broken certificates are the same to a caller.
    let desk = Desk::with("").with_certificates();
    fs::remove_file(desk.path("certs/ca.key")).unwrap();
    let ended = desk.run(&["check"]);
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.err.contains("certs/ca.key: it is missing, and ca.pem is there"), "{}", ended.err);
    assert!(ended.out.contains("config.toml: fine"), "what is fine is said, too: {}", ended.out);
}

#[test]
fn a_broken_configuration_refuses_to_run_with_78() {
    let desk = Desk::with("[limits]\nburst = 0\n");
    for args in [&[][..], &["run"], &["config"], &["cert", "show"], &["status"]] {
        let ended = desk.run(args);
        assert_eq!((ended.code, ended.out.as_str()), (78, ""), "{args:?}");
        assert!(ended.err.contains("limits.burst"), "{args:?}: {}", ended.err);
    }
    let ended = desk.run(&["--config", "other.toml", "check"]);
    assert_eq!(ended.code, 78);
    assert!(ended.err.starts_with("other.toml: there is no such file"), "{}", ended.err);
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
    assert_eq!(reference.out, tcp_chatd::settings::REFERENCE);
}

#[test]
fn password_prints_a_hash_that_the_configuration_takes() {
    let desk = Desk::with("[auth]\nmode = \"password\"\npassword_file = \"hash\"\n");
    let ended = Ended::of(desk.command(&["password"]).write_stdin("open sesame\n"));
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(tcp_chatd::auth::verify(ended.out.trim_end(), "open sesame"), "{}", ended.out);
    fs::write(desk.path("hash"), &ended.out).unwrap();
    assert_eq!(desk.run(&["check"]).code, 0);
    for bad in ["", "\n", "two\nlines\n", &"x".repeat(2000)] {
        assert_eq!(Ended::of(desk.command(&["password"]).write_stdin(bad)).code, 64, "{bad:?}");
    }
}

#[test]
fn cert_show_issue_and_renew() {
    let desk = Desk::with("");
    let none = desk.run(&["cert", "show"]);
    assert_eq!(none.code, 78);
    assert!(none.err.contains("ca.pem: there is none yet; the first start of the daemon makes it"));

    let desk = desk.with_certificates();
    let shown = desk.run(&["cert", "show"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    for part in
        ["ca.pem: a CA: clients trust it", "server.pem: a server's certificate", "localhost", "(in 89 days)"]
    {
        assert!(shown.out.contains(part), "{part}\n{}", shown.out);
    }
    let issued = desk.run(&["cert", "issue", "ana"]);
    assert_eq!((issued.code, issued.out.as_str()), (0, "./ana.pem\n./ana.key\n"));
    assert_eq!(fs::metadata(desk.path("ana.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(desk.path("ana.key")).unwrap();
    let again = desk.run(&["cert", "issue", "ana"]);
    assert_eq!(again.code, 74);
    assert!(again.err.contains("ana.pem: it is there already, and is not overwritten"), "{}", again.err);
    assert_eq!(fs::read(desk.path("ana.key")).unwrap(), before);
    let printed = desk.run(&["cert", "issue", "ben", "--print"]);
    assert!(printed.out.contains("PRIVATE KEY") && printed.out.matches("BEGIN CERTIFICATE").count() == 2);
    assert!(!desk.path("ben.pem").exists());

    let ca = fs::read(desk.path("certs/ca.pem")).unwrap();
    let leaf = fs::read(desk.path("certs/server.pem")).unwrap();
    let renewed = desk.run(&["cert", "renew"]);
    assert_eq!(renewed.code, 0, "{renewed:?}");
    assert!(renewed.out.contains("a new certificate was issued"), "{}", renewed.out);
    assert_ne!(fs::read(desk.path("certs/server.pem")).unwrap(), leaf);
    assert_eq!(fs::read(desk.path("certs/ca.pem")).unwrap(), ca);
}

#[test]
fn invite_prints_one_line_to_paste() {
    let desk = Desk::with("[tls]\nnames = [\"chat.example\"]\n[listen]\naddress = \"0.0.0.0:4000\"\n");
    let desk = desk.with_certificates();
    let ended = desk.run(&["invite", "--room", "ops"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let shown = desk.run(&["cert", "show"]).out;
    let pin = shown.lines().find_map(|l| l.strip_prefix("  SHA-256  ")).unwrap();
    assert_eq!(ended.out, format!("tcp-chat-cli tcps://chat.example:4000/ops#{pin}\n"));
}

#[test]
fn a_running_daemon_is_asked_through_its_socket() {
    let cases: [(&[&str], &str, &str, i32, &str); 15] = [
        (
            &["status", "--json"],
            "{\"ok\":true,\"data\":{\"state\":\"serving\"}}\n",
            "{\"command\":\"status\",\"version\":1}",
            0,
            "{\"state\":\"serving\"}\n",
        ),
        (
            &["status"],
            "{\"ok\":true,\"data\":{\"state\":\"serving\",\"uptime_s\":5,\"addresses\":[\"a\",\"b\"],\"warning\":null}}\n",
            "{\"command\":\"status\",\"version\":1}",
            0,
            "state      serving\naddresses  a, b\nuptime s   5\n",
        ),
        (
            &["reload"],
            "{\"ok\":true,\"data\":{\"changed\":[\"log.level\"],\"needs_restart\":[\"listen.address\"]}}\n",
            "{\"command\":\"reload\",\"version\":1}",
            0,
            "reloaded; changed: log.level\nchanged in the file, but needs a restart: listen.address\n",
        ),
        (
            &["reload"],
            "{\"ok\":false,\"error\":\"limits.burst: no\"}\n",
            "{\"command\":\"reload\",\"version\":1}",
            78,
            "",
        ),
        (
            &["say", "back", "at", "noon"],
            "{\"ok\":true,\"data\":{}}\n",
            "{\"command\":\"say\",\"msg\":\"back at noon\",\"version\":1}",
            0,
            "",
        ),
        (
            &["kick", "ana"],
            "{\"ok\":false,\"error\":\"there is no such user\"}\n",
            "{\"command\":\"kick\",\"user\":\"ana\",\"version\":1}",
            70,
            "",
        ),
        (
            &["ban", "2001:db8::1", "--for", "1h 30m", "--reason", "flood"],
            "{\"ok\":true,\"data\":{\"address\":\"2001:db8::/64\",\"until\":\"2026-11-24T10:00:00.000Z\"}}\n",
            "{\"command\":\"ban\",\"for_s\":5400,\"reason\":\"flood\",\"version\":1,\"whom\":\"2001:db8::1\"}",
            0,
            "address  2001:db8::/64\nuntil    2026-11-24T10:00:00.000Z\n",
        ),
        (
            &["ban", "list"],
            "{\"ok\":true,\"data\":[{\"user\":\"m\",\"room\":\"ops\",\"until\":null,\"by\":\"ana\",\"reason\":\"a\\u001b\"},\
             {\"address\":\"10.0.0.0/8\",\"room\":null,\"until\":null,\"by\":\"operator (uid 0)\",\"reason\":\"\"}]}\n",
            "{\"command\":\"bans\",\"version\":1}",
            0,
            "WHOM        ROOM  UNTIL  BY                REASON\n\
             m           ops   -      ana               a\n\
             10.0.0.0/8  -     -      operator (uid 0)  -\n",
        ),
        (
            &["ban", "list", "--json"],
            "{\"ok\":true,\"data\":[{\"user\":\"m\"},{\"user\":\"n\"}]}\n",
            "{\"command\":\"bans\",\"version\":1}",
            0,
            "{\"user\":\"m\"}\n{\"user\":\"n\"}\n",
        ),
        (
            &["room", "set", "ops", "private", "--json"],
            "{\"ok\":true,\"data\":{\"room\":\"ops\",\"private\":true}}\n",
            "{\"command\":\"room\",\"private\":true,\"room\":\"ops\",\"version\":1}",
            0,
            "{\"private\":true,\"room\":\"ops\"}\n",
        ),
        (
            &["grant", "ana", "read-only", "--room", "ops"],
            "{\"ok\":true,\"data\":{}}\n",
            "{\"command\":\"grant\",\"role\":\"read-only\",\"room\":\"ops\",\"user\":\"ana\",\"version\":1}",
            0,
            "",
        ),
        (
            &["grant", "ana", "none"],
            "{\"ok\":true,\"data\":{}}\n",
            "{\"command\":\"grant\",\"user\":\"ana\",\"version\":1}",
            0,
            "",
        ),
        (
            &["audit", "--limit", "1"],
            "{\"ok\":true,\"data\":[{\"at\":\"T\",\"did\":\"kick\",\"uid\":0,\"whom\":\"bo\",\"room\":null,\"what\":null,\
             \"until\":null,\"reason\":\"\"}]}\n",
            "{\"command\":\"audit\",\"limit\":1,\"version\":1}",
            0,
            "AT  BY                DID   WHOM  ROOM  WHAT  UNTIL  REASON\n\
             T   operator (uid 0)  kick  bo    -     -     -      -\n",
        ),
        (
            &["log", "debug"],
            "{\"ok\":true,\"data\":{}}\n",
            "{\"command\":\"log\",\"level\":\"debug\",\"version\":1}",
            0,
            "",
        ),
        (&["status"], "{\"ok\":true", "{\"command\":\"status\",\"version\":1}", 69, ""),
    ];
    for (args, answer, asked, code, out) in cases {
        let desk = Desk::with("");
        let daemon = desk.answer(answer);
        let ended = desk.run(args);
        assert_eq!(daemon.join().unwrap().trim_end(), asked, "{args:?}");
        assert_eq!((ended.code, ended.out.as_str()), (code, out), "{args:?}: {ended:?}");
        assert_eq!(ended.err.is_empty(), code == 0, "{args:?}: {ended:?}");
    }
    // A backup is written by the daemon, whose working folder is another one.
    let desk = Desk::with("");
    let daemon = desk.answer("{\"ok\":true,\"data\":{}}\n");
    let ended = desk.run(&["backup", "copy.db"]);
    let file = desk.path("copy.db");
    assert_eq!((ended.code, ended.out), (0, format!("{}\n", file.display())));
    assert!(daemon.join().unwrap().contains(&format!("\"file\":\"{}\"", file.display())));
}

#[test]
fn a_daemon_can_be_asked_although_its_file_is_broken_by_now() {
    let desk = Desk::with("[limits]\nburst = 0\n");
    let daemon = desk.answer("{\"ok\":false,\"error\":\"limits.burst: no\"}\n");
    let ended = desk.run(&["reload"]);
    assert_eq!(daemon.join().unwrap().trim_end(), "{\"command\":\"reload\",\"version\":1}");
    assert_eq!((ended.code, ended.err.as_str()), (78, "limits.burst: no\n"));
}

#[test]
fn no_daemon_is_69_and_says_what_to_do() {
    let desk = Desk::with("");
    let ended = desk.run(&["status"]);
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.err.contains("data/control.sock: no daemon is running with this configuration; start it"));
    let desk = Desk::with("[history]\npath = \":memory:\"\n");
    let ended = desk.run(&["reload"]);
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.err.contains("there is no control socket"), "{}", ended.err);
}
