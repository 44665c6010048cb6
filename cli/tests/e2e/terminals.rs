//! Tests of unusual terminals: one screen, no name, few colours, no UTF-8. Also of signals that end the program at
//! once.

use crate::client::Home;
use crate::daemon::Daemon;
use crate::tty::{Screens, Tty};
use std::process::Command;

fn command(home: &Home, daemon: &Daemon, name: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = home.command();
    command.arg("--ca").arg(daemon.ca()).arg(daemon.server()).args(["--name", name]);
    command.envs(variables.iter().copied());
    command
}

/// The same command, behind something that a shell does first.
#[cfg(unix)]
fn behind(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    let line = format!("{first}; exec \"$0\" \"$@\"");
    shell.args(["-c", &line]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell
}

#[test]
fn earlier_terminal_content_does_not_show_through() {
    let daemon = Daemon::start();
    let old = "old old old old old old old old old old old\r\n".repeat(23);
    for screens in [Screens::One, Screens::Two] {
        let home = Home::new();
        let mut ana = Tty::start_with(&command(&home, &daemon, "ana", &[]), 80, 24, screens, &old);
        let screen = ana.shows("│ connected");
        assert!(!screen.contains("old"), "{screen}");
        ana.types("/quit\r");
        assert!(ana.ends().success());
        // With one screen what stood there is gone; with two it is back.
        let screen = ana.screen().contents();
        assert!(!screen.contains("connected") && !screen.contains("joined"), "{screen}");
        assert_eq!(screen.contains("old"), screens == Screens::Two, "{screen}");
        if screens == Screens::One {
            assert_eq!(ana.screen().cursor_position(), (0, 0), "the prompt does not stand in the midst");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_terminal_without_a_name_or_a_cursor_gets_lines() {
    let daemon = Daemon::start();
    for (first, why) in
        [("unset TERM", "TERM is not set"), ("TERM=", "TERM is not set"), ("TERM=dumb", "TERM is `dumb`")]
    {
        let home = Home::new();
        let command = command(&home, &daemon, "ana", &[]);
        let mut ana = Tty::start(&behind(first, &command), 80, 24);
        ana.shows(why);
        ana.shows("* connected to");
        ana.types("/who\r");
        ana.shows("ana here");
        ana.types("/quit\r");
        assert!(ana.ends_without_screen().success());
        assert!(!ana.raw().contains('\x1b'), "{first}: {:?}", ana.raw());
        // Whoever asked for lines is told nothing.
        let mut lines = behind(first, &command);
        lines.arg("--line");
        let mut ana = Tty::start(&lines, 80, 24);
        ana.shows("* connected to");
        assert!(!ana.raw().contains("TERM"), "{}", ana.raw());
        ana.types("/quit\r");
        assert!(ana.ends_without_screen().success());
    }
}

#[test]
fn only_colours_of_the_terminal_are_used() {
    let daemon = Daemon::start();
    for (term, colorterm, has, lacks) in [
        ("vt100", "truecolor", "\x1b[1m", &["\x1b[38;", "\x1b[48;", "\x1b[34"][..]),
        ("linux", "", "\x1b[34;49m", &["\x1b[38;", "\x1b[48;"]),
        ("screen", "", "\x1b[34;49m", &["\x1b[38;", "\x1b[48;"]),
        ("screen-256color", "", "\x1b[38;5;", &["\x1b[38;2;"]),
        ("xterm", "truecolor", "\x1b[38;2;", &["\x1b[38;5;"]),
    ] {
        let home = Home::new();
        let mut command = command(&home, &daemon, "ana", &[("TERM", term), ("COLORTERM", colorterm)]);
        command.args(["--color", "blue"]);
        let mut ana = Tty::start(&command, 80, 24);
        ana.shows("│ connected");
        ana.types("hello\r");
        ana.shows("ana │ hello");
        ana.types("/quit\r");
        assert!(ana.ends().success());
        // Back to the terminal's own colours is said in any case.
        let raw = ana.raw().replace("\x1b[39m", "").replace("\x1b[39;49m", "");
        assert!(raw.contains(has), "{term}: {raw:?}");
        for sequence in lacks {
            assert!(!raw.contains(sequence), "{term}, {sequence:?}: {raw:?}");
        }
    }
}

#[test]
#[cfg(unix)]
fn without_utf_8_the_interface_is_ascii() {
    let daemon = Daemon::start();
    let home = Home::new();
    // No name: the prompt, too, with a hidden password.
    let mut command = home.command();
    command.arg("--ca").arg(daemon.ca()).arg(daemon.server()).env("LC_ALL", "C");
    let mut ana = Tty::start(&command, 120, 24);
    ana.shows("Enter logs in");
    ana.types("\x15ana\t\t secret");
    ana.shows("******");
    ana.types("\x15\r");
    ana.shows("| connected");
    ana.types("hello\r");
    ana.shows("ana | hello");
    ana.types("\x1bOP");
    ana.shows("Esc closes");
    ana.types("\x1b");
    ana.until("closed", |s| !s.contains("Esc closes"));
    ana.types("/search hello\r");
    ana.shows("Enter goes there");
    ana.types("\x1b");
    ana.until("closed", |s| !s.contains("Enter goes there"));
    ana.types("/quit\r");
    assert!(ana.ends().success());
    assert!(ana.raw().is_ascii(), "{:?}", ana.raw().chars().filter(|c| !c.is_ascii()).collect::<String>());
    // The locale of most systems.
    let home = Home::new();
    let mut bo = Tty::start(&self::command(&home, &daemon, "ana", &[("LANG", "de_DE.UTF-8")]), 80, 24);
    bo.shows("│ connected");
    bo.types("/quit\r");
    assert!(bo.ends().success());
}

#[test]
#[cfg(unix)]
fn a_signal_that_kills_gives_the_terminal_back_first() {
    let daemon = Daemon::start();
    for (signal, name) in [("QUIT", "Quit"), ("ABRT", "Aborted"), ("USR1", "User defined signal 1")] {
        let home = Home::new();
        let client = command(&home, &daemon, signal, &[]);
        // Without the picture of the memory that these signals leave in the folder.
        let shell = behind("ulimit -c 0", &client);
        let mut ana = Tty::start_with(&shell, 80, 24, Screens::One, "");
        ana.shows("│ connected");
        let pid = ana.pid().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
        let ended = ana.ends();
        assert_eq!(ended.signal(), Some(name), "it dies of the signal: {ended:?}");
        let (before, after) = ana.modes();
        assert_eq!(before, after, "{signal}");
        assert_eq!(ana.screen().contents(), "", "{signal}: nothing is drawn behind it");
    }
}
