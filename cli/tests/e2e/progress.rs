//! Tests of the progress line of a long command: on a terminal, and nowhere else. `tcp-chatd backup` is the command
//! that a test can hold.

use crate::tty::Tty;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};

/// A daemon that begins a copy of a store of 8 MiB for so many clients, and ends it for all when it is told.
fn copying(folder: &Path, clients: usize) -> Sender<()> {
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("chat.db"), vec![0; 8 << 20]).unwrap();
    std::fs::write(folder.join("config.toml"), "").unwrap();
    std::fs::write(folder.join(".tcp-chatd-backup-x"), vec![0; 2 << 20]).unwrap();
    let listener = UnixListener::bind(data.join("control.sock")).unwrap();
    let (done, waits) = channel();
    std::thread::spawn(move || {
        let streams: Vec<_> = listener.incoming().take(clients).map(Result::unwrap).collect();
        for stream in &streams {
            BufReader::new(stream).read_line(&mut String::new()).unwrap();
        }
        waits.recv().unwrap();
        for mut stream in streams {
            stream.write_all(b"{\"ok\":true,\"data\":{}}\n").unwrap();
        }
    });
    done
}

fn backup(folder: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("tcp-chatd"));
    let config = folder.join("config.toml");
    // A terminal starts it in another folder.
    command.args(["--config", config.to_str().unwrap(), "--set"]);
    command.arg(format!("history.path={}", folder.join("data/chat.db").display()));
    command.arg("backup").arg(folder.join("copy.db"));
    command
}

#[test]
fn a_backup_shows_how_much_is_copied_on_a_terminal_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let done = copying(folder.path(), 3);
    // These began first: when the terminal shows something, they would have, too.
    let mut piped = backup(folder.path());
    let piped = piped.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut dumb = backup(folder.path());
    let mut dumb = Tty::start(dumb.env("TERM", "dumb"), 100, 10);
    let mut terminal = Tty::start(&backup(folder.path()), 100, 10);
    terminal.shows("2 MiB of 8 MiB copied, 25 %");
    done.send(()).unwrap();

    assert!(terminal.ends_without_screen().success());
    let screen = terminal.screen().contents();
    assert!(screen.contains("copy.db") && !screen.contains("MiB"), "the line is cleared: {screen}");
    assert!(dumb.ends_without_screen().success());
    assert!(!dumb.raw().contains('\u{1b}') && !dumb.raw().contains("MiB"), "{:?}", dumb.raw());
    let piped = piped.wait_with_output().unwrap();
    assert!(piped.status.success() && piped.stderr.is_empty(), "{piped:?}");
}
