//! The full-screen chat in a pseudo-terminal, against the real daemon.

use crate::client::Home;
use crate::daemon::Daemon;
use crate::tty::Tty;
use std::process::Command;

fn command(home: &Home, daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = home.command();
    command.arg("--ca").arg(daemon.ca()).arg(daemon.server()).args(args);
    command
}

fn chat(home: &Home, daemon: &Daemon, name: &str) -> Tty {
    let tty = Tty::start(&command(home, daemon, &["--name", name]), 80, 24);
    tty.shows("│ connected");
    tty
}

#[test]
fn two_people_talk() {
    let daemon = Daemon::start();
    let home = Home::new();
    // Nobody gave a name: the prompt asks.
    let mut ana = Tty::start(&command(&home, &daemon, &[]), 80, 24);
    ana.shows("Enter logs in");
    ana.types("\x15ana\t\x15red\r");
    ana.shows(" ana@localhost");
    ana.shows("verified by CA │ connected");
    let mut bo = chat(&home, &daemon, "bo");
    ana.shows("bo has joined");
    ana.types("hello 山田 👋\r");
    let screen = bo.shows("ana │ hello 山田 👋");
    assert!(screen.contains("> "), "{screen}");
    // Completion, and a mention that rings.
    bo.types("an\thi!\r");
    ana.shows("bo │ ana: hi!");
    assert!(ana.raw().contains('\u{7}'), "the bell rang");
    bo.types("/msg ana only for you\r");
    ana.shows("@bo");
    ana.types("\x1ba");
    ana.shows("bo │ only for you");
    // Away from the lobby, it counts there.
    bo.types("/room lobby\rone\rtwo\r");
    ana.until("2 in #lobby", |s| s.lines().any(|l| l.starts_with("#lobby") && l.contains(" 2")));
    ana.types("/quit\r");
    assert!(ana.ends().success());
    bo.shows("ana has left");
}

#[test]
fn a_restart_of_the_daemon_is_survived() {
    let mut daemon = Daemon::start();
    let home = Home::new();
    let (mut ana, mut bo) = (chat(&home, &daemon, "ana"), chat(&home, &daemon, "bo"));
    ana.types("before\r");
    bo.shows("ana │ before");
    daemon.kill();
    ana.shows("reconnecting");
    // What is typed meanwhile waits, and is sent once.
    ana.types("meanwhile\r");
    ana.shows("sending │ meanwhile");
    daemon.start_again();
    ana.shows("connected, caught up");
    bo.shows("ana │ meanwhile");
    bo.types("after\r");
    let screen = ana.shows("bo │ after");
    assert_eq!(screen.matches("meanwhile").count(), 1, "{screen}");
}

#[test]
fn the_size_follows_the_terminal() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut ana = chat(&home, &daemon, "ana");
    ana.types("one\r");
    ana.shows("ana │ one");
    // What others have written into the terminal goes with Ctrl-L.
    ana.types("\x0c");
    ana.types("two\r");
    ana.shows("ana │ two");
    ana.resize(140, 40);
    ana.shows("1 member");
    ana.resize(40, 10);
    ana.until("narrow", |s| s.contains("ana │ one") && !s.contains("#lobby    ") && !s.contains("1 member"));
}

#[test]
fn older_messages_come_as_one_scrolls_and_a_search_jumps() {
    let daemon = Daemon::with("limits.messages_per_second = 0");
    let home = Home::new();
    let lines: String = (1..=250).map(|n| format!("line {n} of many\n")).collect();
    let mut feed = home.start(&daemon, &["--name", "feed", "--room", "lobby"]);
    feed.types(lines.trim_end());
    assert_eq!(feed.ends().code, Some(0));
    let mut ana = chat(&home, &daemon, "ana");
    ana.shows("line 250 of many");
    ana.types("/search 7\r");
    ana.shows("Enter goes there");
    ana.shows("feed line 7 of many");
    ana.types("\r");
    let screen = ana.until("the line and more", |s| s.contains("line 7 of many") && s.contains("more ↓"));
    assert!(screen.contains("line 8 of many"), "{screen}");
    ana.types("\x1b[1;5F");
    ana.until("the end", |s| s.contains("line 250 of many") && !s.contains("more ↓"));
    let first = |s: &str| s.lines().any(|l| l.contains("line 1 of many"));
    let mut before = ana.shows("line 250 of many");
    while !first(&before) {
        ana.types("\x1b[5~");
        // It moves, or the page that it waits for comes: then "loading" goes.
        before = ana.until("something older", |s| s != before);
    }
}

#[test]
fn however_it_ends_the_terminal_is_as_it_was() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut ana = chat(&home, &daemon, "ana");
    ana.types("half a mess");
    ana.shows("> half a mess");
    ana.types("\x03");
    ana.until("dropped", |s| !s.contains("half"));
    ana.types("\x03");
    assert!(ana.ends().success());
    #[cfg(unix)]
    {
        let (before, after) = ana.modes();
        assert_eq!(before, after);
        for signal in ["TERM", "INT", "HUP"] {
            let mut bo = chat(&home, &daemon, "bo");
            let done = Command::new("kill").args([&format!("-{signal}"), &bo.pid().to_string()]).status();
            assert!(done.unwrap().success());
            assert!(bo.ends().success(), "{signal}");
            let (before, after) = bo.modes();
            assert_eq!(before, after, "{signal}");
        }
    }
}

#[test]
fn a_refused_certificate_is_explained_outside_of_the_screen() {
    let daemon = Daemon::start();
    let other = Daemon::start();
    let home = Home::new();
    let mut command = home.command();
    command.arg("--ca").arg(other.ca()).arg(daemon.server()).args(["--name", "ana"]);
    let mut ana = Tty::start(&command, 100, 30);
    assert_eq!(ana.ends().exit_code(), 4);
    ana.shows("tcp-chat-cli: ");
}

#[test]
fn a_refused_name_comes_back_to_the_prompt() {
    let daemon = Daemon::start();
    let (home, other) = (Home::new(), Home::new());
    let _bo = chat(&other, &daemon, "bo");
    let mut ana = Tty::start(&command(&home, &daemon, &["--name", "bo"]), 80, 24);
    ana.shows("NAME_TAKEN");
    ana.types("\x15ana\r");
    ana.shows("│ connected");
    // The next one fails as well, and is left: its reason is the exit code's.
    let mut eve = Tty::start(&command(&Home::new(), &daemon, &["--name", "bo"]), 80, 24);
    eve.shows("NAME_TAKEN");
    eve.types("\x03");
    assert_eq!(eve.ends().exit_code(), 5);
}

#[test]
fn hostile_text_does_nothing_to_the_terminal() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut ana = chat(&home, &daemon, "ana");
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}]52;c;aGk=\u{7}\u{9b}2J\u{1b}[2J\u{202e}x\u{200b} end";
    let sent = home.run(&daemon, &["--name", "eve", "send", "--room", "lobby", hostile]);
    assert_eq!(sent.code, Some(0), "{}", sent.err);
    let screen = ana.shows("end");
    for part in ["␛]0;owned␇␛]52;c;aGk=␇<U+009B>2J␛[2J<U+202E>", "x<U+200B> end"] {
        assert!(screen.contains(part), "{screen}");
    }
    let raw = ana.raw();
    assert!(!raw.contains("\u{1b}]0;") && !raw.contains("\u{1b}]52") && !raw.contains('\u{9b}'));
    // A paste of many lines asks before it goes anywhere.
    ana.types("\x1b[200~1\r2\r3\r4\r5\x1b[201~");
    ana.shows("Paste 5 lines");
    ana.types("n");
    ana.until("dropped", |s| !s.contains("Paste 5 lines"));
}
