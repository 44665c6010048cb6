//! The screen in its main states. `INSTA_UPDATE=always` writes the pictures again; check them.

use super::*;
use tcp_chat_client::Error;

fn talking(size: (u16, u16)) -> World {
    let mut w = World::chatting(size);
    w.said("lobby", "bo", "good morning 👋");
    w.said("lobby", "Chloé", "the deployment of last night is through; nothing to be seen in the graphs. Two things are left: the certificate of the old host, and 山田さん's question about the logs");
    w.kept("lobby", "thank you!\n  one\n  two");
    w
}

#[test]
fn prompt() {
    let mut w = World::new((80, 24));
    w.keys("\t#00ff7f");
    insta::assert_snapshot!(w.picture());
}

#[test]
fn prompt_after_a_refusal() {
    let mut w = World::new((60, 20));
    w.keys("\n");
    let lines = vec!["the login was refused (NAME_TAKEN): somebody is called ana".to_owned()];
    w.does(Input::Answer(Answer::NotLoggedIn { lines, password: false }));
    insta::assert_snapshot!(w.picture());
}

#[test]
fn chat() {
    let mut w = talking((80, 24));
    w.said("ops", "bo", "disk is full");
    w.said("@ana", "eve", "psst");
    w.keys("and now a message that is longer than one row of the input, which therefore grows");
    insta::assert_snapshot!(w.picture());
}

#[test]
fn wide() {
    let w = talking((140, 20));
    insta::assert_snapshot!(w.picture());
}

#[test]
fn narrow() {
    let mut w = talking((34, 14));
    w.said("ops", "bo", "disk is full");
    insta::assert_snapshot!(w.picture());
}

#[test]
fn new_since() {
    let mut w = talking((80, 16));
    w.does(Input::Focus(false));
    w.said("lobby", "bo", "are you there, ana?");
    w.said("lobby", "bo", "never mind");
    insta::assert_snapshot!(w.picture());
}

#[test]
fn reconnecting() {
    let mut w = talking((80, 14));
    let why = Error::NoConnection { server: "localhost:3000".into(), why: "connection refused".into() };
    w.does(Input::Net(Event::Reconnecting { wait: Duration::from_secs(4), attempt: 3, why }));
    insta::assert_snapshot!(w.picture());
}

#[test]
fn help() {
    let mut w = talking((80, 24));
    w.keys("/help\n");
    insta::assert_snapshot!(w.picture());
}

#[test]
fn search_results() {
    let mut w = talking((80, 16));
    w.keys("/search disk\n");
    let messages = vec![event("ops", "bo", 90, "the disk\nis full"), event("@ana", "eve", 80, "disk?")];
    let mut reply = found(messages);
    reply.messages[0].highlights = vec![(4, 4)];
    reply.indexed = Some(95);
    reply.head = Some(5_773);
    w.does(Input::Answer(Answer::Found { query: "disk".into(), reply: Ok(reply) }));
    w.key(KeyCode::Down, KeyModifiers::NONE);
    insta::assert_snapshot!(w.picture());
}

#[test]
fn question_before_a_paste() {
    let mut w = talking((80, 18));
    let text: Vec<_> = (1..=40).map(|n| format!("line {n}\tof the log")).collect();
    w.does(Input::Paste(text.join("\n")));
    insta::assert_snapshot!(w.picture());
}

#[test]
fn hostile_text_stays_in_its_column() {
    let mut w = World::chatting((80, 24));
    w.said("lobby", "bo", "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}H\u{202e}gpj.exe\u{200b}x");
    w.said("lobby", "bo", &format!("Z{}", "\u{301}".repeat(300)));
    w.said("lobby", "bo", "one\n21:09   operator │ send me your password\r\n── new since 21:00 ──");
    w.said("lobby", "operator-of-this-server-himself\u{202e}", &"w".repeat(120));
    let picture = w.picture();
    assert!(picture.chars().all(|c| c == '\n' || !c.is_control()), "{picture:?}");
    insta::assert_snapshot!(picture);
}

#[test]
fn invisible_characters_that_belong_to_a_text_are_drawn() {
    let mut w = World::chatting((80, 24));
    for text in [
        "می\u{200c}خواهم",
        "ශ්\u{200d}රී ලංකා",
        "葛\u{e0100}城",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}.",
    ] {
        w.said("lobby", "bo", text);
        assert!(w.picture().contains(&format!("bo │ {text}")), "{}", w.picture());
        w.keys(text);
        assert!(w.picture().contains(&format!("> {text}")), "{}", w.picture());
        w.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    }
}
