//! Tests of the layers of the settings: the file, environment variables, PORT, credentials of systemd, and flags. A later
//! layer wins, and the problems of all layers are reported at once.

use super::*;

#[test]
fn all_problems_come_at_once_whatever_the_layer() {
    let folder = Folder::with("[limits]\nburst = 0\nnope = 1\n[extra]\nx = 1\n[log]\nlevel = 3\n");
    let env = [
        ("TCP_CHATD__SESSIONS__TTL", "soon"),
        ("TCP_CHATD__SESSION__TTL", "2m"),
        ("TCP_CHATD__metrics__address", "x"),
        ("PORT", "http"),
        ("PATH", "/bin"),
        ("TCP_CHATD_PORT", "tcp://10.0.0.1:3000"),
    ];
    let flags = [("history.durability", "maybe"), ("hist.path", "x")];
    let mut problems = folder.problems(&env, &flags);
    problems.iter_mut().for_each(|p| *p = p.lines().next().unwrap().to_owned());
    problems.sort();
    let mut expected = [
        "--set: hist.path: there is no such setting; did you mean history.path?",
        "--set: history.durability: \"maybe\" is none of \"crash\", \"power\"",
        "config.toml:2:9: limits.burst: 0 is not a whole number from 1 to 10000000",
        "config.toml:3:1: limits.nope: there is no such setting; config.toml of this version lists all of them",
        "config.toml:4:2: extra: there is no such setting; config.toml of this version lists all of them",
        "config.toml:7:9: log.level: 3 is not a text; put it in quotes",
        "environment variable PORT: listen.address: \"http\" is not a port: 0 to 65535",
        "environment variable TCP_CHATD__SESSIONS__TTL: sessions.ttl: \"soon\" is not a duration; write a number with a unit, such as \"90s\", \"2m\" or \"30d\"",
        "environment variable TCP_CHATD__SESSION__TTL: session.ttl: there is no such setting; did you mean sessions.ttl?",
        "environment variable TCP_CHATD__metrics__address: write it in capitals: TCP_CHATD__METRICS__ADDRESS",
    ];
    expected.sort_unstable();
    assert_eq!(problems, expected);
}

#[test]
fn later_layers_win() {
    let folder =
        Folder::with("[sessions]\nttl = \"1s\"\n[limits]\nburst = 5\n[rooms]\ndefault = [\"file\"]\n");
    let env = [
        ("TCP_CHATD__SESSIONS__TTL", "2s"),
        ("TCP_CHATD__LIMITS__BURST", "7"),
        ("TCP_CHATD__LIMITS__LINE_BYTES", "128 KiB"),
        ("TCP_CHATD__ROOMS__CREATE", "false"),
        ("TCP_CHATD__ROOMS__DEFAULT", "ops, lobby"),
        ("TCP_CHATD__LOG__LEVEL", "info,tcp_chatd=debug"),
    ];
    let loaded = folder.load(&env, &[("sessions.ttl", "3s")]).unwrap();
    let Settings { sessions, limits, rooms, log, .. } = &loaded.settings;
    assert_eq!((sessions.ttl.as_secs(), limits.burst, limits.line_bytes), (3, 7, 128 * 1024));
    assert!(!rooms.create);
    assert_eq!(rooms.default.iter().map(Name::as_str).collect::<Vec<_>>(), ["ops", "lobby"]);
    assert_eq!(log.level, "info,tcp_chatd=debug");
    assert_eq!(loaded.origin_of("sessions.ttl"), "command line");
    assert_eq!(loaded.origin_of("limits.burst"), "environment variable TCP_CHATD__LIMITS__BURST");
    assert_eq!(loaded.origin_of("limits.rooms"), "default");
    let loaded = folder.load(&[], &[]).unwrap();
    assert_eq!(loaded.origin_of("limits.burst"), "file, line 4");
}

#[test]
fn port_is_the_port_of_every_address() {
    let port = |file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]| -> Vec<String> {
        let settings = Folder::with(file).load(env, flags).unwrap().settings;
        settings.listen.address.iter().map(ToString::to_string).collect()
    };
    let address = ("TCP_CHATD__LISTEN__ADDRESS", "0.0.0.0:4444");
    let two = "listen.address = [\"127.0.0.1:1\", \"[::1]:2\"]";
    assert_eq!(port("", &[("PORT", "5000")], &[]), ["127.0.0.1:5000"]);
    assert_eq!(port("", &[("PORT", "")], &[]), ["127.0.0.1:3000"]);
    assert_eq!(port(two, &[("PORT", "5000")], &[]), ["127.0.0.1:5000", "[::1]:5000"]);
    assert_eq!(port("", &[address, ("PORT", "5000")], &[]), ["0.0.0.0:5000"]);
    assert_eq!(port("", &[("PORT", "5000")], &[("listen.address", "[::1]:9")]), ["[::1]:9"]);
}

#[test]
fn credentials_of_systemd_and_the_password_file() {
    let folder =
        Folder::with("[auth]\nmode = \"password\"\npassword_file = \"$CREDENTIALS_DIRECTORY/hash\"\n");
    let credentials = folder.dir.path().to_str().unwrap().to_owned();
    let env = [("CREDENTIALS_DIRECTORY", credentials.as_str())];
    let hash = crate::auth::hash("sesame").unwrap();
    std::fs::write(folder.path("hash"), format!("{hash}\n")).unwrap();
    let auth = folder.load(&env, &[]).unwrap().settings.auth;
    assert_eq!(auth.password_hash(), Some(hash.as_str()));
    assert!(!format!("{auth:?}").contains("argon2"), "{auth:?}");

    // The content of the file stays out of the sentence: it may be the password itself.
    std::fs::write(folder.path("hash"), "sesame\n").unwrap();
    let problems = folder.problems(&env, &[]);
    assert!(
        problems[0].contains("hash: this is not a password hash; write what `tcp-chatd password` prints")
    );
    assert!(!problems[0].contains("sesame"), "{problems:?}");
    std::fs::remove_file(folder.path("hash")).unwrap();
    let problem = &folder.problems(&env, &[])[0];
    assert!(problem.contains("auth.password_file: the file that it names, in "), "{problem}");
    assert!(problem.contains("cannot be read: No such file"), "{problem}");
    // Written by an editor that puts a byte order mark first, and in another encoding.
    std::fs::write(folder.path("hash"), format!("\u{feff}{hash}\r\n")).unwrap();
    assert_eq!(folder.load(&env, &[]).unwrap().settings.auth.password_hash(), Some(hash.as_str()));
    std::fs::write(folder.path("hash"), b"$argon2id\xff").unwrap();
    let problem = &folder.problems(&env, &[])[0];
    assert!(problem.contains("hash: byte 10 is not UTF-8; save the file as UTF-8"), "{problem}");
}
