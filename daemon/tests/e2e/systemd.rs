//! Tests of the notifications to the service manager, and of the socket that it passes.

use crate::common::{Daemon, PATIENCE};
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

/// A service manager that receives notifications.
struct Manager {
    _folder: tempfile::TempDir,
    path: String,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { path: path.to_str().unwrap().into(), _folder: folder, socket }
    }

    /// Waits for a state with this prefix.
    fn is_told(&self, begins: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        while Instant::now() < deadline {
            let mut bytes = [0; 4096];
            let Ok(count) = self.socket.recv(&mut bytes) else { break };
            let text = String::from_utf8(bytes[..count].to_vec()).unwrap();
            for state in text.lines() {
                if state.starts_with(begins) {
                    return state.to_owned();
                }
                all.push(state.to_owned());
            }
        }
        all.retain(|state| state != "WATCHDOG=1");
        panic!("never told {begins}, only {all:?}");
    }
}

#[test]
fn ready_status_watchdog_and_stopping() {
    let manager = Manager::new();
    let environment = [("NOTIFY_SOCKET", manager.path.as_str()), ("WATCHDOG_USEC", "400000")];
    let mut daemon = Daemon::with_environment("", &environment);
    manager.is_told("READY=1");
    let mut ana = daemon.login("ana");
    ana.says("it really serves");
    // The counts in STATUS are current.
    while !manager.is_told("STATUS=").contains('1') {}
    let _bo = daemon.login("bo");
    while !manager.is_told("STATUS=").contains('2') {}
    for _ in 0..3 {
        manager.is_told("WATCHDOG=1");
    }
    daemon.signal("TERM");
    manager.is_told("STOPPING=1");
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn without_a_watchdog_or_a_service_manager_the_daemon_runs() {
    let mut daemon = Daemon::start();
    daemon.login("ana").says("alone");
    daemon.restart();
}

#[test]
fn a_socket_that_is_handed_over_is_used() {
    let mut daemon = Daemon::activated("");
    let before = daemon.address();
    let mut ana = daemon.login("ana");
    ana.says("over the socket of somebody else");
    let session = ana.session();
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    // While the daemon is stopped, connections wait in the socket. They are served after the start.
    let (address, client) = (daemon.address(), daemon.client());
    let early = std::thread::spawn(move || crate::common::Peer::connect(address, client).unwrap());
    daemon.start_again();
    assert_eq!(daemon.address(), before);
    let mut early = early.join().unwrap();
    early.login("early");
    let mut ana = daemon.resume(&session);
    early.says("I waited");
    ana.hears("I waited");
}

/// systemd's sockets are for IPv4 and IPv6 at once. The kernel shows an IPv4 peer as `::ffff:127.0.0.1`
/// there.
#[test]
fn on_a_socket_for_both_an_ipv4_peer_is_shown_as_ipv4() {
    let settings = "log.level = \"debug\"\nauth.mode = \"accounts\"";
    let daemon = Daemon::activated_on("[::]:0", settings);
    let there = std::net::SocketAddr::from(([127, 0, 0, 1], daemon.address().port()));
    let mut ana = crate::common::Peer::connect(there, daemon.client()).unwrap();
    ana.is_refused("LOGIN", serde_json::json!({"name": "ana", "password": "no"}), "AUTH_FAILED");
    drop(ana);
    let ended = daemon.log().wait(|line| line.contains("connection_ended").then(|| line.to_owned()));
    let log = daemon.log().text() + &ended.expect("it says that the connection ended");
    assert!(log.contains("127.0.0.1") && !log.contains("::ffff"), "{log}");
}

#[test]
fn sighup_reloads_and_a_broken_file_changes_nothing() {
    let manager = Manager::new();
    let mut daemon = Daemon::with_environment("", &[("NOTIFY_SOCKET", manager.path.as_str())]);
    manager.is_told("READY=1");
    let mut ana = daemon.login("ana");
    daemon.signal("HUP");
    manager.is_told("RELOADING=1");
    manager.is_told("READY=1");
    ana.says("as before");

    let file = daemon.folder().join("config.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}\nlimits.erors = 1\n")).unwrap();
    daemon.signal("HUP");
    manager.is_told("RELOADING=1");
    manager.is_told("READY=1");
    daemon.log().wait(|l| l.contains("erors").then_some(())).expect("it says why it did not reload");
    assert!(daemon.lives());
    ana.says("still as before");
    daemon.login("bo").says("and for newcomers");
}
