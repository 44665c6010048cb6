//! Owns a running daemon: the real binary, in a folder of its own, on a port that the system chooses. The
//! test ends and removes it. If the test fails, its log is printed.

use super::PATIENCE;
use super::log::Log;
use super::peer::{Peer, Session};
use super::tls::{Trust, client_config};
use rustls::ClientConfig;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_tcp-chatd");

/// The settings of every test daemon, before those of the test.
const BASE: &str = "listen.address = \"127.0.0.1:0\"\nlog.format = \"json\"\n";

/// A daemon that runs or has ended.
pub(crate) struct Daemon {
    folder: TempDir,
    child: Child,
    log: Log,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    environment: Vec<(String, String)>,
    /// Shell commands that run before the daemon replaces the shell.
    prelude: String,
    /// A socket that this test holds and passes on, as a service manager does.
    socket: Option<TcpListener>,
}

impl Daemon {
    /// A daemon with default settings.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// A daemon with these further lines in `config.toml` (dotted keys, such as `limits.errors = 5`).
    pub(crate) fn with(settings: &str) -> Self {
        Self::launch(settings, &[], "", None)
    }

    /// A daemon with these variables in its environment.
    pub(crate) fn with_environment(settings: &str, environment: &[(&str, &str)]) -> Self {
        Self::launch(settings, environment, "", None)
    }

    /// A daemon whose shell first does `prelude`.
    pub(crate) fn after(prelude: &str, settings: &str) -> Self {
        Self::launch(settings, &[], prelude, None)
    }

    /// A daemon that gets a listening socket, as from systemd. The socket outlives it.
    pub(crate) fn activated(settings: &str) -> Self {
        Self::activated_on("127.0.0.1:0", settings)
    }

    /// The same, on this address.
    pub(crate) fn activated_on(address: &str, settings: &str) -> Self {
        let socket = TcpListener::bind(address).unwrap();
        Self::launch(settings, &[], "", Some(socket))
    }

    fn launch(
        settings: &str,
        environment: &[(&str, &str)],
        prelude: &str,
        socket: Option<TcpListener>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), format!("{BASE}{settings}\n")).unwrap();
        let environment: Vec<_> = environment.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let (mut child, log) = spawn(folder.path(), &environment, prelude, socket.as_ref());
        let address = served_at(&mut child, &log);
        let client =
            client_config(&folder.path().join("certs/ca.pem"), Trust { alpn: true, only_1_2: false });
        Self { folder, child, log, address, client, environment, prelude: prelude.into(), socket }
    }

    /// Starts it again in the same folder, after it ended; it may get another port.
    pub(crate) fn start_again(&mut self) {
        let (mut child, log) =
            spawn(self.folder.path(), &self.environment, &self.prelude, self.socket.as_ref());
        self.address = served_at(&mut child, &log);
        (self.child, self.log) = (child, log);
    }

    /// The address of its listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its CA.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("certs/ca.pem")
    }

    /// Its output on standard error.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The trust of its clients.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// The number of its open sockets.
    pub(crate) fn sockets(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        // A descriptor may be closed during the count.
        let what = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        what.filter(|what| what.to_string_lossy().starts_with("socket:")).count()
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// A connection before the login.
    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(self.address, self.client.clone()).unwrap()
    }

    /// Logs a user in.
    pub(crate) fn login(&self, name: &str) -> Peer {
        let mut peer = self.connect();
        peer.login(name);
        peer
    }

    /// Logs a user in, with these rooms.
    pub(crate) fn login_to(&self, name: &str, rooms: &[&str]) -> Peer {
        let mut peer = self.connect();
        peer.logs_in_with(serde_json::json!({"name": name, "rooms": rooms}));
        peer
    }

    /// Resumes a session, with all messages after the last seen one.
    pub(crate) fn resume(&self, session: &Session) -> Peer {
        let mut peer = self.connect();
        peer.resumes(session, Some(session.cursor));
        peer
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name, `TERM` for example.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid();
        assert!(in_shell(&format!("kill -{name} {pid}")).status.success());
    }

    /// Waits until it has ended, in whatever way.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child)
    }

    /// Ends it cleanly and starts it again.
    pub(crate) fn restart(&mut self) {
        self.signal("TERM");
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "SIGTERM ends it in order: {status}\n{}", self.log.text());
        self.start_again();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what the daemon said ---\n{}\n---", self.log.text());
        } else {
            crate::events::held(&self.log);
        }
    }
}

fn spawn(
    folder: &Path,
    environment: &[(String, String)],
    prelude: &str,
    socket: Option<&TcpListener>,
) -> (Child, Log) {
    let mut command = match socket {
        None if prelude.is_empty() => Command::new(BINARY),
        _ => {
            // The shell gets the socket as its standard input, and moves it to the descriptor where the
            // daemon expects it. Then the daemon replaces the shell.
            let hand_over = if socket.is_some() {
                "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=chat;"
            } else {
                ""
            };
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("{prelude}\n{hand_over} exec \"$0\" \"$@\"")).arg(BINARY);
            shell
        }
    };
    clean(&mut command, folder);
    command.envs(environment.iter().map(|(k, v)| (k, v)));
    command.stdin(match socket {
        Some(socket) => Stdio::from(OwnedFd::from(socket.try_clone().unwrap())),
        None => Stdio::null(),
    });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Its output for people is only removed here.
    Log::follow(child.stdout.take().unwrap());
    let log = Log::follow(child.stderr.take().unwrap());
    (child, log)
}

/// Hides the environment of the test run.
fn clean(command: &mut Command, folder: &Path) {
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("TCP_CHAT") || text == "PORT" || text.starts_with("LISTEN_") {
            command.env_remove(&name);
        }
    }
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "RUST_LOG", "JOURNAL_STREAM"] {
        command.env_remove(name);
    }
}

fn served_at(child: &mut Child, log: &Log) -> SocketAddr {
    let Some(line) = log.event("listening") else {
        let _ = child.kill();
        panic!("the daemon does not say where it listens:\n{}", log.text());
    };
    line["address"].as_str().expect("an address").parse().unwrap()
}

fn ended(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        // The standard library can wait for a child or poll it, but not wait with a timeout.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The result of a command: its exit code and output.
pub(crate) struct Finished {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Runs `tcp-chatd ARGUMENTS` in `folder` to its end. For commands that end by themselves: after the timeout
/// it is killed, and has no exit code.
pub(crate) fn run(folder: &Path, arguments: &[&str], input: &str) -> Finished {
    let mut command = Command::new(BINARY);
    clean(&mut command, folder);
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, err) = (Log::follow(child.stdout.take().unwrap()), Log::follow(child.stderr.take().unwrap()));
    // It may end without reading its input.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
    if !(out.ends() && err.ends()) {
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    Finished { code: status.code(), out: out.text(), err: err.text() }
}

/// Runs a line of shell to its end.
pub(crate) fn in_shell(line: &str) -> std::process::Output {
    Command::new("sh").arg("-c").arg(line).stdin(Stdio::null()).output().unwrap()
}
