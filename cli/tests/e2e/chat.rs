//! Tests of the chat without a screen: messages, commands, lost connections, and restarts of the client and the
//! daemon.

use crate::client::Home;
use crate::daemon::Daemon;

#[test]
fn two_people_talk() {
    let daemon = Daemon::start();
    let (a, b) = (Home::new(), Home::new());
    let mut ana = a.start(&daemon, &["--name", "ana", "--color", "red", "--commands"]);
    ana.says("connected to");
    let mut bo = b.start(&daemon, &["--name", "bo", "--commands"]);
    ana.says("bo has joined #lobby");
    ana.types("hello bo\u{1b}[2J");
    bo.shows("#lobby ana: hello bo␛[2J\n");
    bo.types("//not a command");
    ana.shows("#lobby bo: /not a command\n");
    ana.types("/join ops");
    ana.types("in ops");
    ana.shows("#ops ana: in ops\n");
    ana.types("/msg bo psst");
    bo.shows("@ana ana: psst\n");
    bo.types("/who");
    bo.shows("bo here\n");
    bo.types("/rooms");
    bo.shows("ops 1 member, ");
    bo.types("/nonsense");
    bo.says("/help");
    bo.types("/jion a");
    bo.says("there is no /jion: did you mean /join?");
    bo.types("/join a/b");
    bo.says("NAME_INVALID");
    let end = ana.ends();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(!end.out.contains('\u{1b}'), "no colours where no terminal is");
    bo.says("ana has left #lobby");
    bo.types("/quit");
    assert_eq!(bo.ended().code, Some(2), "a command that does not exist did nothing");
}

#[test]
fn the_end_of_the_input_waits_for_sent_messages_and_keeps_the_order() {
    let daemon = Daemon::with("limits.burst = 5\nlimits.messages_per_second = 200");
    let home = Home::new();
    let mut ana = home.start(&daemon, &["--name", "ana"]);
    for n in 0..60 {
        ana.types(&format!("line {n}."));
    }
    let end = ana.ends();
    assert_eq!(end.code, Some(0), "{end:?}");
    let kept = home.run(&daemon, &["--name", "reader", "history", "--limit", "100"]);
    let texts: Vec<_> = kept.out.lines().map(|l| l.rsplit_once(": ").unwrap().1.to_owned()).collect();
    assert_eq!(texts, (0..60).map(|n| format!("line {n}.")).collect::<Vec<_>>());
    // The name is free at once.
    assert_eq!(home.run(&daemon, &["--name", "ana", "send", "again"]).code, Some(0));
}

#[test]
fn a_killed_daemon_comes_back_and_the_talk_goes_on() {
    let mut daemon = Daemon::start();
    let (a, b) = (Home::new(), Home::new());
    let mut ana = a.start(&daemon, &["--name", "ana"]);
    ana.says("connected to");
    let mut bo = b.start(&daemon, &["--name", "bo"]);
    bo.types("one");
    ana.shows("bo: one\n");
    daemon.kill();
    ana.says("the connection is lost");
    bo.says("the connection is lost");
    bo.types("two");
    daemon.start_again();
    ana.says("caught up");
    ana.shows("bo: two\n");
    bo.shows("bo: two\n");
    ana.types("three");
    bo.shows("ana: three\n");
    let end = ana.ends();
    assert_eq!(end.out.matches("bo: two").count(), 1, "{}", end.out);
    assert_eq!(end.code, Some(0));
}

#[test]
fn a_killed_client_resumes_where_it_was() {
    let daemon = Daemon::start();
    let (a, b) = (Home::new(), Home::new());
    let mut ana = a.start(&daemon, &["--name", "ana"]);
    let mut bo = b.start(&daemon, &["--name", "bo"]);
    bo.says("connected to");
    ana.types("hi");
    bo.shows("ana: hi\n");
    ana.kill();
    bo.says("ana is away");
    bo.types("missed");
    bo.shows("bo: missed\n");
    let ana = a.start(&daemon, &["--name", "ana"]);
    ana.shows("bo: missed\n");
    ana.says("messages\n");
    assert_eq!(ana.ends().code, Some(0));
}

#[test]
#[cfg(unix)]
fn signals_say_goodbye() {
    let daemon = Daemon::start();
    let (a, b) = (Home::new(), Home::new());
    let bo = b.start(&daemon, &["--name", "bo"]);
    bo.says("connected to");
    for signal in ["INT", "TERM"] {
        let ana = a.start(&daemon, &["--name", "ana"]);
        ana.says("connected to");
        ana.signal(signal);
        assert_eq!(ana.ended().code, Some(0), "{signal}");
    }
    bo.says("ana has left #lobby");
    let states = a.0.path().join("state/tcp-chat");
    let left: Vec<_> = std::fs::read_dir(states).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(left.iter().all(|f| f.to_string_lossy().ends_with(".lock")), "no session is left: {left:?}");
}

#[test]
#[cfg(unix)]
fn a_client_that_quits_while_the_daemon_is_down_resumes_its_session() {
    let mut daemon = Daemon::start();
    let home = Home::new();
    let ana = home.start(&daemon, &["--name", "ana"]);
    ana.says("connected to");
    daemon.kill();
    ana.says("the connection is lost");
    ana.signal("TERM");
    assert_eq!(ana.ended().code, Some(0));
    daemon.start_again();
    let ana = home.start(&daemon, &["--name", "ana"]);
    ana.says("caught up 0 messages");
    assert_eq!(ana.ends().code, Some(0));
}

#[test]
#[cfg(unix)]
fn only_the_user_can_read_the_state_file() {
    use std::os::unix::fs::PermissionsExt;
    let daemon = Daemon::start();
    let home = Home::new();
    let mut ana = home.start(&daemon, &["--name", "ana"]);
    ana.types("hi");
    ana.shows("ana: hi");
    let folder = home.0.path().join("state/tcp-chat");
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        files += 1;
    }
    assert_eq!(files, 2, "a session and its lock");
}

#[test]
fn a_name_that_is_taken_is_5() {
    let daemon = Daemon::start();
    let (a, b) = (Home::new(), Home::new());
    let ana = a.start(&daemon, &["--name", "ana"]);
    ana.says("connected to");
    let end = b.run(&daemon, &["--name", "Ana"]);
    assert_eq!(end.code, Some(5), "{end:?}");
    assert!(end.err.contains("NAME_TAKEN") && end.err.contains("--name"), "{end:?}");
}
