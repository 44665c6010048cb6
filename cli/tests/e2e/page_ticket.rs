//! `tcp-chat-cli web` and the user's own machine: the ticket reaches only the browser of its user, and other users of the
//! machine are refused.

use crate::client::{Client, Home};
use crate::daemon::Daemon;
use crate::relay::{LONG, Relay};

/// A script in the place of `xdg-open` notes its argument and the file.
#[cfg(unix)]
#[test]
fn the_ticket_reaches_the_browser_through_a_private_file() {
    use std::os::unix::fs::PermissionsExt;
    let (home, daemon) = (Home::new(), Daemon::start());
    let (programs, runtime) = (home.0.path().join("bin"), home.0.path().join("run"));
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::create_dir_all(&runtime).unwrap();
    let note = home.0.path().join("note");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >{0}.new\nstat -c %a \"$1\" >>{0}.new\n\
         cut -d' ' -f1,5 /proc/$$/stat >>{0}.new\ncat \"$1\" >>{0}.new\nmv {0}.new {0}\n",
        note.display()
    );
    std::fs::write(programs.join("xdg-open"), script).unwrap();
    std::fs::set_permissions(programs.join("xdg-open"), PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = home.command();
    command
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("DISPLAY", ":0")
        .env("XDG_RUNTIME_DIR", &runtime);
    command.arg("--ca").arg(daemon.ca()).args([daemon.server().as_str(), "web"]);
    let client = Client::start(command);
    client.says("the page is at");
    let began = std::time::Instant::now();
    while !note.exists() {
        assert!(began.elapsed() < LONG);
        std::thread::yield_now();
    }
    let noted = std::fs::read_to_string(&note).unwrap();
    let mut lines = noted.lines();
    let (given, mode) = (lines.next().unwrap(), lines.next().unwrap());
    assert!(given.ends_with(".html") && !given.contains("ticket"), "{given}");
    assert_eq!(mode, "600");
    if cfg!(target_os = "linux") {
        let (id, group) = lines.next().unwrap().split_once(' ').unwrap();
        assert_eq!(id, group, "Ctrl-C does not reach the browser");
    }
    let address = noted.split("url=").nth(1).unwrap().split('"').next().unwrap();
    let (place, ticket) = address.split_once("/#ticket=").unwrap();
    assert!(client.so_far().is_empty(), "nothing is printed");
    let port = place.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
    let relay = Relay { client, port, ticket: ticket.to_owned() };
    relay.bearer();
    assert!(!std::path::Path::new(given).exists(), "the file of a used ticket is removed");
}

/// A killed process removes nothing. Its ticket ends with it.
#[cfg(unix)]
#[test]
fn the_next_start_removes_the_file_of_a_killed_process() {
    use std::os::unix::fs::PermissionsExt;
    let (home, daemon) = (Home::new(), Daemon::start());
    let (programs, runtime) = (home.0.path().join("bin"), home.0.path().join("run"));
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::create_dir_all(&runtime).unwrap();
    let opener = programs.join("xdg-open");
    std::fs::write(&opener, "#!/bin/sh\nexit 0\n").unwrap();
    std::fs::set_permissions(&opener, PermissionsExt::from_mode(0o755)).unwrap();
    let start = |args: &[&str]| {
        let mut command = home.command();
        command
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("DISPLAY", ":0")
            .env("XDG_RUNTIME_DIR", &runtime)
            .arg("--ca")
            .arg(daemon.ca())
            .args([daemon.server().as_str(), "web"])
            .args(args);
        Client::start(command)
    };
    let files = || std::fs::read_dir(runtime.join("tcp-chat")).into_iter().flatten().count();
    let killed = start(&[]);
    let began = std::time::Instant::now();
    while files() == 0 {
        assert!(began.elapsed() < LONG);
        std::thread::yield_now();
    }
    killed.kill();
    assert_eq!(files(), 1, "the killed process left it behind");
    let next = start(&["--no-open"]);
    next.says("the page is at");
    assert_eq!(files(), 0);
}

/// Needs root, because a process of another user connects.
#[cfg(target_os = "linux")]
#[test]
fn another_user_of_the_machine_is_refused() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    let (home, daemon) = (Home::new(), Daemon::start());
    let relay = Relay::start(&home, &daemon, &[]);
    let asks = |uid: u32| {
        let script = "exec 3<>/dev/tcp/127.0.0.1/$1; printf 'GET / HTTP/1.1\\r\\nHost: 127.0.0.1:%s\\r\\nConnection: close\\r\\n\\r\\n' $1 >&3; cat <&3";
        let mut command = std::process::Command::new("/bin/bash");
        command.args(["-c", script, "x", &relay.port.to_string()]).current_dir("/").uid(uid).env_clear();
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(asks(0).starts_with("HTTP/1.1 200 OK"));
    assert_eq!(asks(65534), "");
    relay.client.says("of another user of this machine");
    assert!(asks(0).starts_with("HTTP/1.1 200 OK"));
}
