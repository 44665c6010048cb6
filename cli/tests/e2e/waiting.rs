//! Tests of the time that the client waits, and of the sessions that it leaves behind if its state cannot be written.

use crate::client::{Client, Home};
use crate::daemon::Daemon;
use std::path::PathBuf;

#[test]
fn the_time_covers_an_input_that_does_not_end() {
    let daemon = Daemon::start();
    let home = Home::new();
    let all = [&["send"][..], &["send", "--split"], &["send", "--id", "x"], &[], &["--commands"]];
    for (n, args) in all.into_iter().enumerate() {
        let name = format!("ci-{n}");
        let mut client = home.start(&daemon, &[&["--name", &name, "--timeout", "300ms"], args].concat());
        client.feeds(b"one");
        let end = client.ended();
        assert_eq!(end.code, Some(7), "{args:?} {end:?}");
    }
    let mut command = home.command();
    command.args(["-", "--timeout", "300ms", "who"]);
    let mut client = Client::start(command);
    client.feeds(b"tcps://local");
    let end = client.ended();
    assert_eq!(end.code, Some(7), "{end:?}");
}

#[test]
fn jobs_under_one_name_send_one_after_another() {
    let daemon = Daemon::start();
    let homes: Vec<Home> = (0..5).map(|_| Home::new()).collect();
    let jobs: Vec<_> = homes
        .iter()
        .map(|home| home.start(&daemon, &["--name", "ci", "--timeout", "1m", "send", "x"]))
        .collect();
    for job in jobs {
        let end = job.ends();
        assert_eq!((end.code, end.err.as_str()), (Some(0), ""), "{end:?}");
    }
    let end = homes[0].run(&daemon, &["--name", "r", "history"]);
    assert_eq!(end.out.lines().count(), 5, "{end:?}");
}

#[test]
fn a_client_waits_for_a_name_to_become_free_and_ends_with_5_if_it_does_not() {
    let daemon = Daemon::start();
    let (a, b) = (Home::new(), Home::new());
    let ana = a.start(&daemon, &["--name", "ana"]);
    ana.says("connected to");
    // Without --timeout too.
    let sending = b.start(&daemon, &["--name", "ana", "-v", "send", "x"]);
    sending.says("trying again");
    assert_eq!(ana.ends().code, Some(0));
    let end = sending.ends();
    assert_eq!(end.code, Some(0), "{end:?}");
    let ana = a.start(&daemon, &["--name", "ana"]);
    ana.says("connected to");
    let end = b.run(&daemon, &["--name", "ana", "--timeout", "3s", "send", "x"]);
    assert_eq!(end.code, Some(5), "{end:?}");
    assert!(end.err.contains("NAME_TAKEN"), "{end:?}");
}

/// What is taken then is no name: no waiting frees it, and no other name helps.
#[test]
fn a_look_alike_room_ends_with_5_at_once_without_blaming_the_name() {
    let daemon = Daemon::start();
    // With --id the login names no room: a JOIN does.
    for send in
        [&["-v", "send"][..], &["--name", "ana", "-v", "send"], &["--name", "ana", "-v", "send", "--id", "1"]]
    {
        let args = [send, &["--room", "1obby", "x"]].concat();
        let end = Home::new().run(&daemon, &args);
        assert_eq!(end.code, Some(5), "{args:?} {end:?}");
        assert!(!end.err.contains("trying again") && !end.err.contains("--name"), "{args:?} {end:?}");
        assert!(end.err.contains("the room 1obby looks like the room lobby"), "{args:?} {end:?}");
        assert!(end.err.contains("--room NAME"), "{args:?} {end:?}");
    }
}

fn state(home: &Home) -> PathBuf {
    home.0.path().join("state/tcp-chat")
}

#[test]
fn a_state_that_has_no_place_is_named_before_anything_is_done() {
    let daemon = Daemon::start();
    let home = Home::new();
    // Also for root, whom no file permission stops.
    std::fs::create_dir(home.0.path().join("state")).unwrap();
    std::fs::write(state(&home), "").unwrap();
    let folder = state(&home).display().to_string();
    for args in [&["tail", "--resume", "--count", "1"][..], &["send", "--id", "1", "x"]] {
        let end = home.run(&daemon, &[&["--name", "ci"], args].concat());
        assert_eq!(end.code, Some(1), "{end:?}");
        assert!(end.err.contains(&folder) && !end.err.contains("another"), "{end:?}");
    }
    let mut chat = home.start(&daemon, &["--name", "ci"]);
    chat.says(&format!("the session will not be saved: {folder}"));
    chat.types("all the same");
    assert_eq!(chat.ends().code, Some(0));
    let end = Home::new().run(&daemon, &["--name", "r", "history"]);
    assert!(end.out.contains("all the same") && end.out.lines().count() == 1, "{end:?}");
}

#[test]
fn a_session_that_cannot_be_saved_is_not_left_behind() {
    let daemon = Daemon::start();
    let (home, b) = (Home::new(), Home::new());
    let server = format!("localhost_3a{}", daemon.port);
    // Where the file belongs stands a folder: as good as a disk that is full since a moment ago.
    for (purpose, name) in [("tail", "t"), ("send", "s")] {
        std::fs::create_dir_all(state(&home).join(format!("{purpose}-{server}-{name}.json"))).unwrap();
    }
    let mut bo = b.start(&daemon, &["--name", "bo"]);
    bo.says("connected");
    let tail = home.start(&daemon, &["--name", "t", "tail", "--resume", "--count", "1"]);
    bo.says("t has joined");
    bo.types("one");
    let end = tail.ended();
    assert_eq!(end.code, Some(1), "{end:?}");
    let folder = state(&home).display().to_string();
    assert!(end.out.contains("bo: one") && end.err.contains(&folder), "{end:?}");
    bo.says("t has left");
    let end = home.run(&daemon, &["--name", "s", "send", "--id", "1", "two"]);
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.err.contains(&folder) && end.err.contains("Nothing was sent"), "{end:?}");
    bo.says("s has left");
    let end = bo.ends();
    assert!(!end.out.contains("two"), "{end:?}");
}

#[test]
#[cfg(unix)]
fn a_lost_terminal_leaves_no_session_without_a_client() {
    let daemon = Daemon::start();
    let (home, b) = (Home::new(), Home::new());
    std::fs::create_dir(home.0.path().join("state")).unwrap();
    std::fs::write(state(&home), "").unwrap();
    let bo = b.start(&daemon, &["--name", "bo"]);
    bo.says("connected");
    let ana = home.start(&daemon, &["--name", "ana"]);
    ana.says("connected to");
    ana.signal("HUP");
    assert_eq!(ana.ended().code, Some(0));
    bo.says("ana has left");
}
