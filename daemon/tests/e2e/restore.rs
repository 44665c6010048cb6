//! Tests of the log id: a restart keeps it, and a restored backup changes it.

use crate::common::{Daemon, Peer, Session, run};
use serde_json::{Value, json};

/// Copies the store, in place of an earlier copy.
fn backs_up(daemon: &Daemon) {
    let copy = daemon.folder().join("backup.db");
    // There may be no earlier copy.
    let _ = std::fs::remove_file(&copy);
    let copied = run(daemon.folder(), &["backup", copy.to_str().unwrap()], "");
    assert_eq!(copied.code, Some(0), "{}", copied.err);
}

fn restores(daemon: &mut Daemon) {
    daemon.kill();
    let (data, backup) = (daemon.folder().join("data"), daemon.folder().join("backup.db"));
    for file in std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with("chat.db") {
            std::fs::remove_file(file).unwrap();
        }
    }
    std::fs::copy(backup, data.join("chat.db")).unwrap();
    daemon.start_again();
}

/// Resumes with its cursor and log id, and learns the present log id.
fn comes_back(
    daemon: &Daemon,
    session: &Session,
    log: &Value,
    after: u64,
    reads_after: u64,
) -> (Peer, Value) {
    let mut peer = daemon.connect();
    // The next messages have numbers of the present log.
    peer.starts_after(&Session { cursor: reads_after, ..session.clone() });
    let data = json!({"name": session.name, "session": session.token, "after": after, "log": log});
    let reply = peer.asks("LOGIN", data);
    (peer, reply)
}

#[test]
fn a_restored_backup_is_another_log_that_hides_no_later_message() {
    let mut daemon = Daemon::with("admin.socket = \"control.sock\"");
    let (mut ana, mut bo) = (daemon.connect(), daemon.connect());
    let first = ana.login("ana");
    let log = first["log"].clone();
    assert!(log.as_str().is_some_and(|log| log.len() == 32), "{first}");
    assert_eq!(first["log_from"], 0);
    assert_eq!(bo.login("bo")["log"], log);
    for n in 0..5 {
        ana.says(&format!("before {n}"));
    }
    backs_up(&daemon);
    let last = (0..10).map(|n| ana.says(&format!("between {n}")).seq).last().unwrap();
    bo.catches_up_to(last);
    let (ana, bo) = (ana.vanishes(), bo.vanishes());

    daemon.restart();
    let (ana, reply) = comes_back(&daemon, &ana, &log, last, last);
    assert_eq!((&reply["log"], &reply["log_from"], &reply["head"]), (&log, &json!(0), &json!(last)));
    let ana = ana.vanishes();

    restores(&mut daemon);
    let (mut ana, reply) = comes_back(&daemon, &ana, &log, last, 5);
    let other = reply["log"].clone();
    assert!(other != log && other.as_str().is_some_and(|log| log.len() == 32), "{reply}");
    assert_eq!((&reply["log_from"], &reply["head"]), (&json!(5), &json!(5)));
    for n in 0..14 {
        ana.says(&format!("after {n}"));
    }
    // The cursor is among the new numbers. With the log id, the client receives all new messages.
    let (mut bo, reply) = comes_back(&daemon, &bo, &log, last, 5);
    assert_eq!((&reply["log"], &reply["head"]), (&other, &json!(19)));
    for n in 0..14 {
        bo.hears(&format!("after {n}"));
    }
    bo.has_nothing("MSG");
    let bo = bo.vanishes();
    daemon.restart();
    let (mut bo, reply) = comes_back(&daemon, &bo, &other, 17, 17);
    assert_eq!((&reply["log"], &reply["log_from"]), (&other, &json!(5)));
    bo.hears("after 12");
    bo.hears("after 13");
    // A cursor above all numbers hides nothing either.
    let bo = bo.vanishes();
    let (mut bo, _) = comes_back(&daemon, &bo, &other, 1 << 60, 19);
    let mut cy = daemon.login("cy");
    cy.says("live");
    bo.hears("live");
}

#[test]
fn a_new_session_is_told_the_common_part_of_its_log_and_this_one() {
    let mut daemon = Daemon::with("admin.socket = \"control.sock\"");
    let says = |daemon: &Daemon, name: &str, times: u32| {
        let mut peer = daemon.connect();
        let log = peer.login(name)["log"].clone();
        (0..times).for_each(|n| drop(peer.says(&format!("{name} {n}"))));
        log
    };
    let first = says(&daemon, "ana", 5);
    backs_up(&daemon);
    says(&daemon, "bo", 5);
    restores(&mut daemon);
    let second = says(&daemon, "cy", 3);
    backs_up(&daemon);
    says(&daemon, "dora", 2);
    restores(&mut daemon);
    let third = says(&daemon, "eve", 4);
    let told = |daemon: &Daemon, name: &str, log: &Value| {
        let reply = daemon.connect().asks("LOGIN", json!({"name": name, "log": log}));
        (reply["log_from"].as_u64().unwrap(), reply["head"].as_u64().unwrap())
    };
    for (name, log, common) in [("f", &first, 5), ("g", &second, 8), ("h", &third, 8), ("i", &Value::Null, 5)]
    {
        assert_eq!(told(&daemon, name, log), (common, 12), "{name}");
    }
    // The same backup again: the client does not know of the third log, so the answer claims less than is
    // true.
    restores(&mut daemon);
    for (name, log, common) in [("f", &first, 5), ("g", &second, 8), ("h", &third, 5)] {
        assert_eq!(told(&daemon, name, log), (common, 8), "{name}");
    }
}
