//! A secret that was written into the configuration by mistake is never shown, whatever is wrong with it.

use super::*;

const SECRET: &str = "hunter2";

/// Files in which no setting has the secret as its value.
const FILES: &[&str] = &[
    "[auth]\npassword = \"hunter2\"",
    "[auth]\nmode = \"password\"\npasword_file = \"hunter2\"",
    "password = \"hunter2\"",
    "password = [\"hunter2\"]",
    "password = { is = \"hunter2\" }",
    "auth.password = \"hunter2\"",
    "auth = { mode = \"open\", password = \"hunter2\" }",
    "limits = { password = \"hunter2\", burst = 1.5 }",
    "limits = { burst = 1.5, password = \"hunter2\" }",
    "limits = { burts = 1, password = \"hunter2\" }",
    "limits = \"hunter2\"",
    "[auth.password]\nvalue = \"hunter2\"",
    "[log]\nlevel = { password = \"hunter2\" }",
    "[auth]\npassword = \"\"\"\nhunter2\n\"\"\"",
    // Not TOML.
    "[auth]\npassword = hunter2",
    "[auth]\npassword = \"hunter2",
    "[auth]\npassword = 'hunter2",
    "[auth]\npassword = \"hunter2\\q\"",
    "[auth]\npassword = \"hunter2\" \"x\"",
    "[auth]\npassword: hunter2",
    "[auth]\npassword hunter2",
    "[auth]\nhunter2",
    "[auth]\npassword =\nhunter2",
    "[auth]\npassword = \"x\"\npassword = \"hunter2\"",
    "[auth]\npassword_file = hunter2",
    "[auth]\npassword_file = /hunter2",
    "[auth]\npassword_file = \"x\" password = hunter2",
    "[listen]\naddress = \"127.0.0.1:1\" password = \"hunter2\"",
    "[listen]\naddress = 127.0.0.1:1 # hunter2",
    "[listen]\naddress = { hunter2",
    "[auth]\npassword = \"\"\"hunter2",
    "[auth]\npassword = [\n  \"hunter2\"\n  \"x\"\n]",
    "[auth]\npassword = 0xhunter2",
    "[auth]\npassword = 12hunter2",
    "[auth]\npassword = \"a\\uhunter2\"",
    "[auth]\npassword = \"hunter2\u{7f}\"",
    "address = hunter2",
    "[auth]\nmode = \"open\" hunter2",
    "[auth]\nmode = \"open\"\nmode = \"hunter2\"",
    "[auth]\nmode = [\"hunter2\"\n",
    "[listen]\naddress = hunter2",
    "[auth]\npassword_file = \"/hunter2\"",
    "[auth]\nmode = \"password\"\npassword_file = \"/hunter2\"",
    "[http]\naddress = \"127.0.0.1:0\"\ntoken_file = \"./hunter2\"",
    // The secret where the path of its file belongs.
    "[auth]\nmode = \"password\"\npassword_file = \"hunter2\"",
    "[auth]\nmode = \"password\"\npassword_file = \"$hunter2\"",
    "[auth]\npassword_file = \"hunter2\"",
    "[http]\ntoken_file = \"hunter2\"",
    "[tls]\nkey = \"hunter2\"",
    "[tls]\ncertificate = \"x\"\nkey = \"hunter2\"",
    // The content of a file where its path belongs.
    "[tls]\ncertificate = \"-----BEGIN CERTIFICATE-----hunter2\"\nkey = \"./y\"",
    "[tls]\ncertificate = \"./x\"\nkey = \"/-----BEGIN PRIVATE KEY-----hunter2\"",
    "[tls]\nclient_auth = \"optional\"\nclient_ca = \"hunter2\\nx\"",
    "[history]\npath = \"-----BEGIN hunter2\"",
    "[admin]\nsocket = \"a\\rhunter2\"",
    "[tls]\nkey = \"\"\"\n-----BEGIN PRIVATE KEY-----\nhunter2\n\"\"\"\ncertificate = \"x\"",
];

#[test]
fn a_secret_in_the_wrong_place_is_never_shown() {
    for text in FILES {
        let problems = Folder::with(text).problems(&[], &[]);
        assert!(!problems.is_empty(), "{text}");
        for problem in problems {
            assert!(!problem.contains(SECRET), "{text}\n{problem}");
            assert!(problem.starts_with("config.toml"), "the place is told: {text}\n{problem}");
        }
    }
}

#[test]
fn nor_is_what_is_longer_than_any_path() {
    for key in ["tls.dir", "tls.client_ca", "history.path", "admin.socket"] {
        let long = SECRET.repeat(600);
        let (section, name) = key.split_once('.').unwrap();
        for problem in Folder::with(&format!("[{section}]\n{name} = \"{long}\"")).problems(&[], &[]) {
            assert!(!problem.contains(SECRET) && problem.contains("is not a path"), "{key}: {problem}");
        }
    }
}

#[test]
fn a_key_with_what_a_terminal_obeys_is_shown_escaped() {
    for (text, shown) in [
        ("\"a\\u0007b\" = 1", "a\\u{7}b: "),
        ("[limits]\n\"bu\\u001b[31mrst\" = 1", "limits.bu\\u{1b}[31mrst: "),
        ("[\"\\u202etls\"]\nx = 1", "\\u{202e}tls: "),
    ] {
        let problems = Folder::with(text).problems(&[], &[]);
        assert!(problems[0].contains(shown), "{text}\n{}", problems[0]);
        assert!(!problems[0].contains(['\u{7}', '\u{1b}', '\u{202e}']), "{text}\n{}", problems[0]);
    }
}

#[test]
fn nor_one_of_the_environment_or_the_command_line() {
    let folder = Folder::with("");
    for (name, key) in [
        ("TCP_CHATD__AUTH__PASSWORD", "auth.password"),
        ("TCP_CHATD__PASSWORD", "password"),
        ("TCP_CHATD__AUTH", "auth"),
        ("TCP_CHATD__auth__password_file", "AUTH.password_file"),
        ("TCP_CHATD__HTTP__TOKEN_FILE", "http.token_file"),
        ("TCP_CHATD__LISTEN__ADDRESS__X", "listen.address.x"),
    ] {
        for problem in
            folder.problems(&[(name, SECRET)], &[]).into_iter().chain(folder.problems(&[], &[(key, SECRET)]))
        {
            assert!(!problem.contains(SECRET), "{problem}");
        }
    }
}

#[test]
fn of_what_is_no_toml_only_the_place_and_the_key_are_told() {
    for (text, begins) in [
        ("[listen]\naddress = 127.0.0.1:1", "config.toml:2:16: listen.address: the file is not TOML: "),
        ("listen.address = 1.x", "config.toml:1:"),
        ("[auth]\nmode = \"open\"\nmode = \"x\"", "config.toml:3:1: auth.mode: the file is not TOML: "),
        ("[auth]\nmoed = x", "config.toml:2:8: the file is not TOML: "),
        (
            "[auth]\npassword_file = 99999999999999999999",
            "config.toml:2:17: auth.password_file: this number is too large",
        ),
    ] {
        let problems = Folder::with(text).problems(&[], &[]);
        assert!(problems[0].starts_with(begins), "{text}\n{}", problems[0]);
        assert_eq!(problems[0].lines().count(), 1, "{text}\n{}", problems[0]);
    }
}

#[test]
fn what_is_no_secret_is_still_shown() {
    for (text, excerpt) in [
        ("[limits]\nburts = 5", "  2 | burts = …\n    | ^^^^^"),
        ("[limit]\nburst = 5", "  1 | [limit]\n    |  ^^^^^"),
        (
            "[auth]\nmode = \"password\"\npassword_file = \"./none\"",
            "  3 | password_file = …\n    |                 ^",
        ),
        ("limits = { burst = 0, errors = 1 }", "  1 | limits = { burst = 0…\n    |                    ^"),
    ] {
        let problems = Folder::with(text).problems(&[], &[]);
        assert!(problems[0].ends_with(excerpt), "{text}\n{}", problems[0]);
    }
}

#[test]
fn a_password_of_digits_is_not_shown_either() {
    let text = "[auth]\nmode = \"password\"\npassword_file = 73519284";
    let problems = Folder::with(text).problems(&[], &[]).join("\n");
    assert!(!problems.contains("73519284"), "{problems}");
}
