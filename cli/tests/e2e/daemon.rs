//! Owns a running daemon: its folder, its port, its life. The one place that starts it.

use crate::relay::LONG;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use tempfile::TempDir;

pub(crate) struct Daemon {
    folder: TempDir,
    child: Child,
    pub(crate) port: u16,
    settings: String,
}

impl Daemon {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// With further lines in `config.toml`, such as `limits.burst = 1`.
    pub(crate) fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, port) = spawn(folder.path(), 0, settings);
        Self { folder, child, port, settings: settings.to_owned() }
    }

    /// A daemon with the CA of another one, and with everything else of its own.
    pub(crate) fn with_ca_of(other: &Self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("certs")).unwrap();
        for file in ["certs/ca.pem", "certs/ca.key"] {
            std::fs::copy(other.folder.path().join(file), folder.path().join(file)).unwrap();
        }
        let (child, port) = spawn(folder.path(), 0, "");
        Self { folder, child, port, settings: String::new() }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("certs/ca.pem")
    }

    pub(crate) fn server(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The pin of its CA.
    pub(crate) fn pin(&self) -> String {
        let tcp_chat_client::Trust::Ca(ca) = tcp_chat_client::Trust::ca_file(self.ca()).unwrap() else {
            unreachable!()
        };
        tcp_chat_client::pin_of(&ca[0]).to_string()
    }

    /// What an operator asks of it; it has to be done.
    pub(crate) fn operator(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("tcp-chatd"));
        let out = command.env_clear().current_dir(self.folder.path()).args(arguments).output().unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Copies its store, in place of an earlier copy.
    pub(crate) fn backs_up(&self) {
        let copy = self.folder.path().join("backup.db");
        // There may be none yet.
        let _ = std::fs::remove_file(&copy);
        self.operator(&["backup", copy.to_str().unwrap()]);
    }

    /// Puts the copy in the store's place, and starts it again.
    pub(crate) fn restores(&mut self) {
        self.kill();
        let (data, backup) = (self.folder.path().join("data"), self.folder.path().join("backup.db"));
        for ending in ["", "-wal", "-shm"] {
            let file = data.join(format!("chat.db{ending}"));
            assert!(std::fs::remove_file(&file).is_ok() || !ending.is_empty(), "{}", file.display());
        }
        std::fs::copy(backup, data.join("chat.db")).unwrap();
        self.start_again();
    }

    /// Starts it again where it was, on the same port.
    pub(crate) fn start_again(&mut self) {
        (self.child, self.port) = spawn(self.folder.path(), self.port, &self.settings);
    }

    /// Ends, and serves the same store at another port: as another node of a chat does.
    pub(crate) fn moves_to(&mut self, port: u16) {
        self.kill();
        (self.child, self.port) = spawn(self.folder.path(), port, &self.settings);
    }

    /// Another daemon with other certificates on the same port.
    pub(crate) fn replace(&mut self) {
        self.kill();
        let folder = tempfile::tempdir().unwrap();
        (self.child, self.port) = spawn(folder.path(), self.port, &self.settings);
        self.folder = folder;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, port: u16, settings: &str) -> (Child, u16) {
    let config = format!("listen.address = \"127.0.0.1:{port}\"\nlog.format = \"json\"\n{settings}\n");
    std::fs::write(folder.join("config.toml"), config).unwrap();
    let binary = assert_cmd::cargo::cargo_bin("tcp-chatd");
    assert!(binary.exists(), "{} is not there: `cargo build -p tcp-chatd` first", binary.display());
    let mut child = Command::new(binary)
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let (found, port) = mpsc::channel();
    std::thread::spawn(move || {
        let mut all = String::new();
        for line in log.lines().map_while(Result::ok) {
            all.push_str(&line);
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if line["event"] == "listening" {
                let address = line["address"].as_str().unwrap();
                let _ = found.send(Ok(address.rsplit_once(':').unwrap().1.parse().unwrap()));
            }
        }
        let _ = found.send(Err(all));
    });
    let port = port.recv_timeout(LONG).expect("the daemon does not listen");
    let port = port.unwrap_or_else(|log| panic!("the daemon did not start:\n{log}"));
    (child, port)
}
