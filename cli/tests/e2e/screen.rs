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
fn a_message_that_is_not_kept_at_the_exit_is_shown_at_the_next_start() {
    let mut daemon = Daemon::start();
    let home = Home::new();
    let mut ana = chat(&home, &daemon, "ana");
    daemon.kill();
    ana.shows("reconnecting");
    ana.types("the last words\r");
    ana.shows("sending │ the last words");
    ana.types("/quit\r");
    assert_eq!(ana.ends().exit_code(), 7);
    let raw = ana.raw();
    let after = &raw[raw.rfind("not confirmed").expect("it is said")..];
    assert!(after.contains("the last words"), "{after}");
}

#[test]
fn the_size_follows_the_terminal() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut ana = chat(&home, &daemon, "ana");
    ana.types("one\r");
    ana.shows("ana │ one");
    // Ctrl-L removes the output of other programs in the terminal.
    ana.types("\x0c");
    ana.types("two\r");
    ana.shows("ana │ two");
    ana.resize(140, 40);
    ana.shows("1 member");
    ana.resize(40, 10);
    ana.until("narrow", |s| s.contains("ana │ one") && !s.contains("#lobby    ") && !s.contains("1 member"));
}

#[test]
fn scrolling_loads_older_messages_and_a_search_jumps() {
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
        // It moves, or the awaited page arrives: then "loading" disappears.
        before = ana.until("something older", |s| s != before);
    }
}

#[test]
fn every_kind_of_exit_restores_the_terminal() {
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
#[cfg(unix)]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back() {
    let daemon = Daemon::start();
    let home = Home::new();
    let client = command(&home, &daemon, &["--name", "ana"]);
    let mut line = client.get_program().to_str().unwrap().to_owned();
    for word in client.get_args() {
        line.push_str(&format!(" '{}'", word.to_str().unwrap()));
    }
    let mut shell = Command::new("/bin/sh");
    shell.arg("-i").env("PATH", "/usr/bin:/bin").env("PS1", "sh> ");
    for (name, value) in client.get_envs() {
        shell.env(name, value.unwrap());
    }
    let mut tty = Tty::start(&shell, 100, 24);
    tty.shows("sh> ");
    tty.types(&format!("{line}\r"));
    tty.shows("│ connected");
    tty.types("half");
    tty.shows("> half");
    tty.types("\x1a");
    tty.until("the shell", |s| s.contains("Stopped") && !s.contains("│ connected"));
    assert!(!tty.screen().alternate_screen() && !tty.screen().bracketed_paste());
    let pid = home.0.path().join("pid");
    tty.types(&format!("jobs -p > {}; echo $((40+2))\r", pid.display()));
    tty.until("the answer", |s| s.lines().any(|l| l.trim_start_matches("sh> ").trim_end() == "42"));
    tty.types("fg\r");
    tty.until("all of it again", |s| s.contains("> half") && s.contains("│ connected"));
    tty.types(" a sentence\r");
    tty.shows("ana │ half a sentence");
    // A stop by another process gives the client no time to restore the terminal; when it continues, it paints all of
    // it again.
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(Command::new("kill").args(["-STOP", pid.trim()]).status().unwrap().success());
    tty.shows("Stopped");
    // Not every shell makes the terminal right by itself: a newline it understands in any mode.
    tty.types("printf '\\033[2J\\033[?1049l'; echo $((50+3))\n");
    tty.until("the shell's own", |s| s.contains("53") && !s.contains("│ connected"));
    tty.types("fg\n");
    tty.until("all of it again", |s| s.contains("│ half a sentence") && s.contains("│ connected"));
    tty.types("/quit\r");
    tty.until("the shell", |s| s.contains("sh> ") && !s.contains("│ connected"));
}

#[test]
#[cfg(debug_assertions)] // No release can be asked to crash.
fn after_a_crash_the_terminal_is_as_it_was() {
    let daemon = Daemon::start();
    for how in ["screen", "task"] {
        let home = Home::new();
        let mut command = command(&home, &daemon, &["--name", how]);
        command.env("TCP_CHAT_TEST_CRASH", how);
        let mut ana = Tty::start(&command, 100, 30);
        assert_eq!(ana.ends().exit_code(), 1, "{how}");
        let screen = ana.shows("panicked at");
        assert!(screen.contains("a test asked for it"), "{how}: {screen}");
        let after = ana.raw();
        let after = after.rsplit_once("panicked at").unwrap().1;
        assert!(!after.contains('│'), "{how}: nothing is drawn over it: {after}");
        let (before, after) = ana.modes();
        assert_eq!(before, after, "{how}");
    }
}

#[test]
#[cfg(unix)]
fn direct_messages_come_back_after_a_crash() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut bo = Home::new().start(&daemon, &["--name", "bo", "--commands"]);
    bo.says("connected to");
    let mut ana = chat(&home, &daemon, "ana");
    // The very first message of a server is one, too.
    bo.types("/msg ana one");
    ana.shows("@bo");
    let unread = |n: usize| {
        move |s: &str| s.lines().any(|l| l.starts_with("@bo ") && l.contains(&format!(" {n}!{n}│")))
    };
    ana.until("one unread", unread(1));
    for round in 1..=2 {
        saved(&home, "@bo");
        ana.is_killed();
        bo.says_times("ana is away", round);
        if round == 2 {
            bo.types("/msg ana two");
            bo.shows("two");
        }
        ana = chat(&home, &daemon, "ana");
        ana.until("what is unread", unread(round));
    }
    ana.types("\x1ba");
    let screen = ana.shows("bo │ two");
    assert!(screen.contains("bo │ one") && screen.contains("new since"), "{screen}");
}

#[test]
fn read_marks_of_another_log_mark_nothing_as_read() {
    let mut daemon = Daemon::with("admin.socket = \"control.sock\"");
    let home = Home::new();
    let mut bo = Home::new().start(&daemon, &["--name", "bo"]);
    for n in 0..3 {
        bo.types(&format!("before {n}"));
    }
    bo.shows("before 2");
    daemon.backs_up();
    let mut ana = chat(&home, &daemon, "ana");
    for n in 0..6 {
        bo.types(&format!("lost {n}"));
    }
    ana.shows("bo │ lost 5");
    ana.types("/quit\r");
    assert!(ana.ends().success());
    daemon.restores();
    for n in 0..6 {
        bo.types(&format!("after {n}"));
    }
    bo.shows("after 5");
    // Her mark is as high as the newest number.
    let mut ana = chat(&home, &daemon, "ana");
    let screen = ana.shows("bo │ after 5");
    let line = |part: &str| screen.lines().position(|line| line.contains(part));
    assert!(line("before 2") < line("new since") && line("new since") < line("after 0"), "{screen}");
    assert!(screen.contains("the server's log was replaced"), "{screen}");
    ana.types("/quit\r");
    assert!(ana.ends().success());
    let screen = chat(&home, &daemon, "ana").shows("bo │ after 5");
    assert!(!screen.contains("new since") && !screen.contains("was replaced"), "once: {screen}");
}

/// Waits until a conversation stands in the file of what was read.
#[cfg(unix)]
fn saved(home: &Home, key: &str) {
    let folder = home.0.path().join("state/tcp-chat");
    let is_there = || {
        let files = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path());
        let mut reads = files.filter(|f| f.to_string_lossy().contains("/read-"));
        reads.any(|f| std::fs::read_to_string(f).is_ok_and(|text| text.contains(key)))
    };
    while !is_there() {
        std::thread::yield_now();
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
fn hostile_text_does_not_control_the_terminal() {
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
    // A paste of many lines asks before it is sent.
    ana.types("\x1b[200~1\r2\r3\r4\r5\x1b[201~");
    ana.shows("Paste 5 lines");
    ana.types("n");
    ana.until("dropped", |s| !s.contains("Paste 5 lines"));
}
