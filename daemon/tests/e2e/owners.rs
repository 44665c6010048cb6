//! Tests that each store and each control socket has one owner: a second daemon is refused by any path.

use crate::common::{Daemon, in_shell, run};
use serde_json::json;

/// The exit code and the message of a second daemon with these settings, which ends by itself.
fn second(daemon: &Daemon, settings: &str) -> (Option<i32>, String) {
    let folder = daemon.folder().join("second");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), format!("{settings}\nlisten.address = \"127.0.0.1:0\"\n"))
        .unwrap();
    let end = run(&folder, &[], "");
    (end.code, end.err + &end.out)
}

#[test]
fn a_link_to_a_store_in_use_is_refused_like_the_store() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    ana.says("kept");
    let store = in_shell(&format!("find {} -name '*.db'", daemon.folder().display()));
    let store = String::from_utf8(store.stdout).unwrap().trim().to_owned();
    assert!(!store.is_empty());
    let second_folder = daemon.folder().join("second");
    std::fs::create_dir_all(&second_folder).unwrap();
    for (link, flag) in [("symbolic.db", "-s"), ("hard.db", "")] {
        let path = second_folder.join(link);
        let made = in_shell(&format!("ln {flag} {store} {}", path.display()));
        assert!(made.status.success());
        let (code, said) =
            second(&daemon, &format!("history.path = \"{link}\"\nadmin.socket = \"{link}.sock\""));
        assert_eq!(code, Some(74), "{link}: {said}");
        assert!(said.contains("another tcp-chatd"), "{link}: {said}");
    }
    ana.says("still kept");
}

#[test]
fn a_control_socket_in_use_is_not_replaced() {
    let daemon = Daemon::start();
    let socket = in_shell(&format!("find {} -type s", daemon.folder().display()));
    let socket = String::from_utf8(socket.stdout).unwrap().trim().to_owned();
    assert!(!socket.is_empty());
    let (code, said) = second(&daemon, &format!("history.path = \":memory:\"\nadmin.socket = \"{socket}\""));
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("another tcp-chatd uses this path"), "{said}");
    let status = run(daemon.folder(), &["status", "--json"], "");
    assert_eq!(status.code, Some(0), "{}", status.err);
    daemon.login("ana").asks("PING", json!(null));
}

#[test]
fn binding_a_missing_or_used_address_is_retried() {
    let daemon = Daemon::start();
    for (address, says) in [
        ("192.0.2.77:3000".to_owned(), "does not have the address now"),
        (daemon.address().to_string(), "another server"),
    ] {
        let folder = daemon.folder().join("third");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), format!("listen.address = \"{address}\"\n")).unwrap();
        let end = run(&folder, &[], "");
        assert_eq!(end.code, Some(75), "{address}: {}{}", end.err, end.out);
        assert!((end.err + &end.out).contains(says), "{address}");
    }
    let unit = include_str!("../../../packaging/systemd/tcp-chatd.service");
    let kept_down = unit.lines().find(|line| line.starts_with("RestartPreventExitStatus=")).unwrap();
    assert!(!kept_down.contains("75") && unit.contains("Restart=on-failure"), "{kept_down}");
    assert!(unit.contains("StartLimitIntervalSec=0"), "an address may take longer than ten starts");
}
