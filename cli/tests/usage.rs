//! The command line without a server: usage, exit codes, and what is said where nothing is sent.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use assert_cmd::Command;
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn cli(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("tcp-chat-cli").unwrap();
        command
            .env_clear()
            .env("HOME", self.0.path())
            .env("XDG_CONFIG_HOME", self.0.path().join("config"))
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .args(args);
        command
    }

    fn config(&self, text: &str) {
        let folder = self.0.path().join("config/tcp-chat");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), text).unwrap();
    }
}

/// Runs it to its end; what it says on standard error.
fn fails(mut command: Command, code: i32) -> String {
    let output = command.assert().code(code).get_output().clone();
    assert!(output.stdout.is_empty(), "data goes to standard output, failures do not");
    String::from_utf8(output.stderr).unwrap()
}

const PIN: &str = "abababababababababababababababababababababababababababababababab";

/// A port without a listener.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn help_has_examples_and_exit_codes() {
    let output = Home::new().cli(&["--help"]).assert().success().get_output().stdout.clone();
    let text = String::from_utf8(output).unwrap();
    for part in ["tcps://", "send --room ops", "Exit codes", "TCP_CHAT_PIN", "/help"] {
        assert!(text.contains(part), "{part}");
    }
    // Each heading once, and no line broken twice.
    for heading in ["Options:", "Options of all commands:", "Options of the chat:"] {
        assert_eq!(text.lines().filter(|line| *line == heading).count(), 1, "{heading}: {text}");
    }
    let paragraph = text.split("\n\n").find(|part| part.starts_with("Without a command")).unwrap();
    let (last, lines) =
        paragraph.lines().collect::<Vec<_>>().split_last().map(|(l, all)| (*l, all.to_vec())).unwrap();
    assert!(lines.iter().all(|line| line.len() > 80) && last.len() <= 100, "{paragraph}");
    let version = Home::new().cli(&["--version"]).assert().success().get_output().stdout.clone();
    assert_eq!(
        String::from_utf8(version).unwrap().trim(),
        concat!("tcp-chat-cli ", env!("CARGO_PKG_VERSION"))
    );
}

/// A pipe without a writer.
#[cfg(unix)]
fn silent_pipe(home: &Home, name: &str) -> String {
    let path = home.0.path().join(name).to_str().unwrap().to_owned();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[cfg(unix)]
#[test]
fn the_time_covers_the_files_that_are_read_at_the_start() {
    let home = Home::new();
    let pipe = silent_pipe(&home, "pipe");
    let real = home.0.path().join("real.pem").to_str().unwrap().to_owned();
    std::fs::write(&real, "").unwrap();
    for args in [
        &["--ca", &pipe, "who"][..],
        &["--pin", PIN, "--password-file", &pipe, "who"],
        &["--pin", PIN, "--cert", &pipe, "--key", &real, "send", "x"],
    ] {
        let mut command = home.cli(&["--timeout", "300ms", "--name", "ana"]);
        command.args(args);
        let said = fails(command, 7);
        assert!(said.contains(&pipe) && said.contains("in time"), "{said}");
    }
    // The configuration, too.
    home.config("");
    let config = home.0.path().join("config/tcp-chat/config.toml");
    std::fs::remove_file(&config).unwrap();
    std::fs::rename(&pipe, &config).unwrap();
    let said = fails(home.cli(&["--timeout", "300ms", "--pin", PIN, "who"]), 7);
    assert!(said.contains("config.toml") && said.contains("in time"), "{said}");
}

#[test]
fn usage_errors_are_2_and_say_what_to_do() {
    let home = Home::new();
    for (args, part) in [
        (&["host", "sned", "hi"][..], "send"),
        (&["--rom", "ops"], "--room"),
        (&["wait"], "--match"),
        (&["--timeout", "soon", "who"], "90s"),
        (&["localhost:0"], "port"),
        (&["localhost:"], "no port stands behind the colon"),
        (&["--pin", PIN, "localhost:", "who"], "no port stands behind the colon"),
        (&["--timeout", "0", "who"], "in no time nothing can be done"),
        (&["tail", "--count", "0"], "write a number from 1 on"),
        (&["history", "--limit", "none"], "write a number from 1 on"),
        (&["-", "who"], "no line came on standard input"),
        (&["--pin", "abc", "who"], "64 hexadecimal"),
        (&["--ca", "/nowhere.pem", "who"], "/nowhere.pem"),
        (&["--ca", "x", "--pin", PIN, "who"], "exclude"),
        (&["--pin", PIN, "--name", "a b", "who"], "--name"),
        (&["--pin", PIN, "--room", "a/b", "who"], "a/b"),
        (&["--pin", PIN, "--color", "pink", "who"], "fuchsia"),
        (&["--pin", PIN, "--cert", "x", "who"], "--key"),
        (&["--pin", PIN, "wait", "--match", "("], "--match"),
        (&["--pin", PIN, "send", ""], "empty"),
    ] {
        let mut command = home.cli(args);
        command.env("USER", "ana").write_stdin("");
        let said = fails(command, 2);
        assert!(said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn only_the_daemon_of_this_host_is_trusted_by_default() {
    let home = Home::new();
    let said = fails(home.cli(&["chat.example", "--name", "ana", "who"]), 2);
    assert!(said.contains("--ca") && said.contains("--pin") && said.contains("tcps://"), "{said}");
}

#[test]
fn no_connection_is_3() {
    let server = format!("127.0.0.1:{}", closed_port());
    let home = Home::new();
    for verb in [&["send", "hi"][..], &["who"], &["tail"], &[]] {
        let mut args = vec!["--pin", PIN, "--name", "ana", &server];
        args.extend(verb);
        let said = fails(home.cli(&args), 3);
        assert!(said.contains(&server) && said.contains("nothing listens"), "{said}");
    }
    // As well where it was tried until the time was up: nothing was sent that could have been confirmed. Asked more than
    // once, since two things end at that moment.
    for verb in [&["send", "x"][..]].into_iter().chain([&["send", "--id", "job-1", "x"][..]; 6]) {
        let args = [&["--pin", PIN, "--name", "ana", "--timeout", "150ms", &server], verb].concat();
        let said = fails(home.cli(&args), 3);
        assert!(said.contains(&server) && said.contains("nothing listens"), "{said}");
    }
}

#[test]
fn switches_in_the_environment_are_written_in_many_ways() {
    let home = Home::new();
    let server = format!("127.0.0.1:{}", closed_port());
    for switch in ["JSON", "LINE", "COMMANDS", "NO_MOUSE", "NO_COLOR", "VERBOSE"] {
        for value in ["1", "0", "yes", "No", "on", "off", "true", "false", ""] {
            let mut command = home.cli(&["--pin", PIN, "--name", "ana", &server, "who"]);
            command.env(format!("TCP_CHAT_{switch}"), value);
            fails(command, 3);
        }
        let mut command = home.cli(&["--pin", PIN, "--name", "ana", &server, "who"]);
        command.env(format!("TCP_CHAT_{switch}"), "maybe");
        let said = fails(command, 2);
        assert!(said.starts_with(&format!("tcp-chat-cli: TCP_CHAT_{switch}=\"maybe\": ")), "{said}");
        assert!(said.contains("yes or on") && !said.contains("--"), "{said}");
    }
    for (variable, value, why) in
        [("TIMEOUT", "soon", "90s or 2m"), ("NOTIFY", "loud", "bell, osc9, off"), ("COLOR", "plaid", "blue")]
    {
        let mut command = home.cli(&["--pin", PIN, "--name", "ana", &server, "who"]);
        command.env(format!("TCP_CHAT_{variable}"), value);
        let said = fails(command, 2);
        assert!(said.contains(&format!("TCP_CHAT_{variable}")) && said.contains(why), "{said}");
    }
    let mut command = home.cli(&["--name", "ana", &server, "who"]);
    command.env("TCP_CHAT_PIN", "abc");
    assert!(fails(command, 2).contains("TCP_CHAT_PIN \"abc\": "));
    // The option is looked at first, and is what is wrong.
    let mut command = home.cli(&["--pin", PIN, "--timeout", "soon", &server, "who"]);
    command.env("TCP_CHAT_TIMEOUT", "soon");
    assert!(fails(command, 2).contains("'--timeout <DURATION>'"));
    // The environment turns off what the file turns on, unless it is empty.
    home.config("verbose = true\n");
    for (value, is_on) in [("0", false), ("", true)] {
        let mut command = home.cli(&["--pin", PIN, "--name", "ana", "--timeout", "1", &server, "who"]);
        command.env("TCP_CHAT_VERBOSE", value);
        assert_eq!(fails(command, 3).contains("trying again"), is_on, "{value:?}");
    }
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let home = Home::new();
    let server = format!("127.0.0.1:{}", closed_port());
    for variable in [
        "CA",
        "PIN",
        "NAME",
        "COLOR",
        "ROOM",
        "TIMEOUT",
        "CERT",
        "KEY",
        "PASSWORD_FILE",
        "PASSWORD",
        "NOTIFY",
    ] {
        let mut command = home.cli(&[&server, "who"]);
        command.env("TCP_CHAT_PIN", PIN).env("USER", "ana").env(format!("TCP_CHAT_{variable}"), "");
        let code = if variable == "PIN" { 2 } else { 3 };
        let said = fails(command, code);
        assert!(code == 3 || said.contains("whom to trust"), "{variable}: {said}");
    }
    let mut command = home.cli(&["--pin", PIN, "--name", "ana", "who"]);
    command.env("TCP_CHAT_SERVER", "");
    home.config(&format!("server = '{server}'\n"));
    assert!(fails(command, 3).contains(&server));
}

#[test]
fn hosts_are_read_as_people_paste_them() {
    let home = Home::new();
    let port = closed_port();
    for pasted in [
        format!("TCPS://LocalHost:{port}/ops#{PIN}"),
        format!("<tcps://localhost:{port}/ops#{PIN}>."),
        format!("\u{201c}tcp-chat-cli tcps://localhost.:{port}#{PIN}\u{201d}"),
    ] {
        let said = fails(home.cli(&[&pasted, "--name", "ana", "who"]), 3);
        assert!(said.contains(&format!("localhost:{port}")) && said.contains("nothing listens"), "{said}");
    }
    for (host, part) in [("b\u{fc}cher .example", "U+0020"), ("\u{1f4ac}.example", "U+1F4AC")] {
        let said = fails(home.cli(&[host, "--pin", PIN, "--name", "ana", "who"]), 2);
        assert!(said.contains("no host name") && said.contains(part), "{said}");
    }
    let said = fails(home.cli(&["b\u{fc}cher.invalid", "--pin", PIN, "--name", "ana", "who"]), 3);
    assert!(said.contains("xn--bcher-kva.invalid"), "{said}");
    // A profile that was written with capital letters is the same server's.
    home.config(&format!("[profiles.'LocalHost:{port}']\npin = '{PIN}'\n"));
    fails(home.cli(&["localhost", "--name", "ana", "who"]), 3);
}

#[test]
fn a_mistyped_verb_is_not_taken_for_a_server() {
    let home = Home::new();
    for (args, meant) in [
        (&["sned", "hello"][..], "`send`"),
        (&["sned"], "`send`"),
        (&["--room", "ops", "tial"], "`tail`"),
        (&["tial", "--count", "5"], "`tail`"),
        (&["hist"], "`history`"),
        (&["--pin", PIN, "--name", "ana", "serach", "words"], "`search`"),
    ] {
        let said = fails(home.cli(args), 2);
        assert!(said.contains("did you mean") && said.contains(meant), "{args:?}: {said}");
        assert!(said.contains(":3000"), "and how a server of that name is written: {said}");
    }
    // What has a port, a dot or a profile is a server, whatever it is called.
    for server in ["sned:1", "sned.invalid", "localhost:1"] {
        let said = fails(home.cli(&["--pin", PIN, "--name", "ana", server]), 3);
        assert!(said.contains(server), "{said}");
    }
    home.config(&format!("[profiles.'mail:1']\npin = '{PIN}'\n"));
    let said = fails(home.cli(&["--name", "ana", "mail"]), 3);
    assert!(said.contains("mail:1"), "{said}");
    // What clap knows better, it says.
    let said = fails(home.cli(&["mail", "sned", "x"]), 2);
    assert!(said.contains("unrecognized subcommand 'sned'") && said.contains("'send'"), "{said}");
}

#[test]
fn the_file_and_the_environment_are_read_and_checked() {
    let home = Home::new();
    let server = format!("127.0.0.1:{}", closed_port());
    home.config(&format!("server = '{server}'\npin = '{PIN}'\nname = 'ana'\n"));
    assert!(fails(home.cli(&["who"]), 3).contains(&server));
    let mut command = home.cli(&["who"]);
    command.env("TCP_CHAT_SERVER", "127.0.0.1:1");
    assert!(fails(command, 3).contains("127.0.0.1:1"), "the environment wins over the file");
    let mut command = home.cli(&["who", "--pin", PIN]);
    command.env("TCP_CHAT_PIN", "nonsense");
    fails(command, 3); // flags win
    home.config("name = 'ana'\ncolour = 'red'\n");
    let said = fails(home.cli(&["who"]), 2);
    assert!(said.contains("config.toml") && said.contains("colour"), "{said}");
}

#[test]
fn a_changed_pin_is_refused_with_both() {
    let home = Home::new();
    home.config(&format!("[profiles.'chat.example:3000']\npin = '{PIN}'\n"));
    let other = "cd".repeat(32);
    let line = format!("tcps://chat.example:3000/lobby#{other}");
    let said = fails(home.cli(&[&line, "--name", "ana"]), 4);
    for part in [PIN, &other, "config.toml", "chat.example:3000"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn files_that_are_not_utf8_are_refused_in_words() {
    let home = Home::new();
    let folder = home.0.path().join("config/tcp-chat");
    std::fs::create_dir_all(&folder).unwrap();
    let (config, password) = (folder.join("config.toml"), home.0.path().join("password"));
    std::fs::write(&config, b"name = \"caf\xe9\"\n").unwrap();
    std::fs::write(&password, b"caf\xe9\n").unwrap();
    let said = fails(home.cli(&["--pin", PIN, "who"]), 2);
    assert!(said.contains("config.toml: it is not UTF-8"), "{said}");
    std::fs::remove_file(&config).unwrap();
    let said = fails(home.cli(&["--pin", PIN, "--password-file", password.to_str().unwrap(), "who"]), 2);
    assert!(said.contains("password: it is not UTF-8"), "{said}");
}
