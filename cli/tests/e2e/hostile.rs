//! Tests of hostile text: a message cannot control the terminal, in any output of the client.

use crate::client::Home;
use crate::daemon::Daemon;

const HOSTILE: &str =
    "x\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}gnp\u{2028}y\u{200b}z\r* connected\u{feff}\u{e0041}";

fn clean(text: &str) -> bool {
    !text.chars().any(|c| {
        (c.is_control() && c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    })
}

#[test]
fn messages_in_every_verb() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut bo = home.start(&daemon, &["--name", "bo", "--commands"]);
    bo.says("connected");
    assert_eq!(home.run(&daemon, &["--name", "eve", "send", HOSTILE]).code, Some(0));
    bo.shows("␛]0;owned␇<U+009B>2J<U+202E>gnp<U+2028>y<U+200B>z␍* connected<U+FEFF><U+E0041>");
    for args in [
        &["history"][..],
        &["history", "--json"],
        &["tail", "--after", "0", "--count", "1"],
        &["tail", "--after", "0", "--count", "1", "--json"],
        &["search", "gnp"],
        &["wait", "--match", "gnp", "--after", "0"],
    ] {
        let mut all = vec!["--name", "r"];
        all.extend(args);
        let end = home.run(&daemon, &all);
        assert_eq!(end.code, Some(0), "{end:?}");
        assert!(end.out.contains("owned") && clean(&end.out) && clean(&end.err), "{end:?}");
        if args.contains(&"--json") {
            let message: serde_json::Value = serde_json::from_str(end.out.trim()).unwrap();
            assert_eq!(message["msg"], HOSTILE, "as JSON it is what was sent");
        }
    }
    bo.types("/msg eve x\u{1b}[31m");
    bo.says("NO_SUCH_USER");
    let end = bo.ends();
    assert!(clean(&end.out) && clean(&end.err), "{end:?}");
}

#[test]
fn lines_of_a_message_cannot_imitate_other_messages() {
    let daemon = Daemon::start();
    let home = Home::new();
    let bo = home.start(&daemon, &["--name", "bo"]);
    bo.says("connected");
    home.run(&daemon, &["--name", "eve", "send", "hi\n12:00:00 #lobby ana: pay eve"]);
    bo.shows("eve: hi\n        | 12:00:00 #lobby ana: pay eve\n");
    assert!(!bo.so_far().contains("\n12:00:00"));
}
