//! The man page and `docs/CLIENT.md` name the keys and commands that there are, and no others.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../examples/generate_cli.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main is not called here")]
mod generate;

use tcp_chat_cli::{tui, worker};

#[test]
fn the_man_page_names_every_verb_key_and_command() {
    let page = String::from_utf8(generate::page().unwrap()).unwrap();
    for (key, does) in tui::KEYS {
        let entry = format!("\\fB{}\\fR\n{}\n", generate::roff(key), generate::roff(does));
        assert!(page.contains(&entry), "{key}");
    }
    for (name, args, does) in tui::COMMANDS.iter().chain(&worker::COMMANDS) {
        let command = format!("/{name} {args}");
        let entry = format!("\\fB{}\\fR\n{}\n", generate::roff(command.trim_end()), generate::roff(does));
        assert!(page.contains(&entry), "/{name}");
    }
    for verb in ["SEND", "TAIL", "HISTORY", "SEARCH", "WAIT", "WHO", "ROOMS", "DOCTOR", "WEB", "EXIT CODES"] {
        assert!(page.to_uppercase().contains(verb), "{verb}");
    }
    // In a synopsis and in a list of options, where it belongs: those of all commands only once.
    for (option, times) in
        [("ca", 2), ("notify", 2), ("split", 2), ("limit", 4), ("no\\-open", 2), ("keep", 2)]
    {
        assert_eq!(page.matches(&format!("\\fB\\-\\-{option}\\fR")).count(), times, "--{option}");
    }
}

#[test]
fn roff_instructions_in_the_text_are_escaped() {
    assert_eq!(generate::roff(".x -y\\"), "\\&.x \\-y\\e");
}

/// The rows of a table, from its head on.
fn table<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let rows = text.split_once(head).unwrap().1.lines().skip(2);
    rows.take_while(|l| l.starts_with('|')).collect()
}

#[test]
fn the_page_about_the_client_has_the_same_tables() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CLIENT.md")).unwrap();
    let keys: Vec<_> = tui::KEYS.iter().map(|(key, does)| format!("| {key} | {does} |")).collect();
    assert_eq!(table(&page, "| keys | |"), keys);
    let command = |(name, args, does): &(&str, &str, &str)| {
        let usage = format!("/{name} {args}").replace('|', "\\|");
        format!("| `{}` | {does} |", usage.trim_end())
    };
    let commands: Vec<_> = tui::COMMANDS.iter().map(command).collect();
    assert_eq!(table(&page, "| command | |"), commands);
}

/// The entry of the desktop calls the command that there is, for the links that invitations are.
#[test]
fn the_desktop_entry_opens_the_page() {
    use clap::CommandFactory;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/desktop/tcp-chat.desktop");
    let entry = std::fs::read_to_string(file).unwrap();
    let value = |key: &str| entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    assert_eq!(value("MimeType"), "x-scheme-handler/tcps;");
    let words: Vec<_> =
        value("Exec").split(' ').map(|word| word.replace("%u", "tcps://chat.example/lobby")).collect();
    let matches = tcp_chat_cli::args::Cli::command().try_get_matches_from(words).unwrap();
    let (_, web) = tcp_chat_cli::web::asked(&matches).unwrap();
    assert_eq!(web.server.as_deref(), Some("tcps://chat.example/lobby"));
}
