//! What users of a room share besides messages: removed texts, the topic, and read marks of other devices.

use super::*;
use tcp_chat_client::protocol::{ReadMark, RedactedEvent, RoomEvent};
use tcp_chat_client::{Action, Mark, Redaction};

fn redacted(room: &str, seq: Seq) -> Input {
    let data = RedactedEvent {
        room: Some(room.to_owned().into()),
        to: None,
        user: None,
        seq,
        by: Some("bo".into()),
        reason: Some("a pass\u{1b}[2Jword".into()),
    };
    let conversation = Conversation::Room(room.to_owned());
    Input::Net(Event::Redacted(Box::new(Redaction { data, conversation })))
}

#[test]
fn a_removed_text_leaves_the_screen_and_everyone_sees_who_removed_it() {
    let mut w = World::chatting((80, 24));
    w.said("lobby", "bo", "ana: the key is 1234");
    let seq = w.seq;
    w.said("lobby", "bo", "that was wrong");
    assert!(w.picture().contains("1234"), "{}", w.picture());
    w.does(redacted("lobby", seq));
    let picture = w.picture();
    assert!(!picture.contains("1234") && picture.contains("removed by bo: a pass␛[2Jword"), "{picture}");
    assert!(picture.contains("that was wrong"), "{picture}");
    // One that is loaded later has no text any more.
    let gone = MsgEvent { redacted: true, ..event("lobby", "bo", seq + 2, "") };
    w.does(Input::Net(Event::Message(Box::new(Message::of(gone, "ana")))));
    assert!(w.picture().contains("removed by an operator"), "{}", w.picture());
    // One that is not here.
    w.does(redacted("ops", 3));
    w.does(redacted("elsewhere", 3));
}

#[test]
fn a_text_that_was_removed_while_away_leaves_the_screen_after_a_resume() {
    let mut w = World::chatting((80, 24));
    w.said("lobby", "bo", "the key is 1234");
    w.said("ops", "bo", "and here it is 5678");
    let seq = w.seq;
    for at in ["lobby", "ops"] {
        let reply = Ok(page(at, 90..=95, false));
        w.does(Input::Answer(Answer::History { of: room(at), part: Part::Newest, reply }));
    }
    let asked = |at: &str| Effect::History { of: room(at), part: Part::Newest };
    let effects = w.does(Input::Net(Event::Resumed { caught_up: 0 }));
    assert!(effects.contains(&asked("lobby")) && !effects.contains(&asked("ops")), "{effects:?}");
    let gone = |at: &str, seq| {
        let messages = vec![MsgEvent { redacted: true, ..event(at, "bo", seq, "") }];
        Input::Answer(Answer::History {
            of: room(at),
            part: Part::Newest,
            reply: Ok(MessagesReply { messages, more: true }),
        })
    };
    w.does(gone("lobby", seq - 1));
    assert!(!w.picture().contains("1234") && w.picture().contains("removed by"), "{}", w.picture());
    // Another conversation is loaded again when it is shown.
    assert!(w.keys("/room ops\n").contains(&asked("ops")));
    w.does(gone("ops", seq));
    assert!(!w.picture().contains("5678"), "{}", w.picture());
}

#[test]
fn a_message_to_remove_is_the_newest_one_of_its_author() {
    let mut w = World::chatting((80, 24));
    assert_eq!(w.keys("/redact\n"), []);
    assert!(w.picture().contains("! you have written nothing here"), "{}", w.picture());
    let mut w = World::chatting((80, 24));
    w.said("lobby", "ana", "one");
    w.said("lobby", "ana", "two");
    w.said("lobby", "Bo", "three");
    let seqs = |effects: Vec<Effect>| match effects.as_slice() {
        [Effect::Action(Action::Redact(redact))] => (redact.seq, redact.reason.clone()),
        _ => panic!("{effects:?}"),
    };
    assert_eq!(seqs(w.keys("/redact\n")), (102, String::new()));
    // A message may arrive while the name is typed: the number is confirmed.
    assert_eq!(w.keys("/redact bo not nice\n"), []);
    assert!(w.picture().contains("/redact 103 not nice removes “three”"), "{}", w.picture());
    assert_eq!(seqs(w.keys("/redact 103 not nice\n")), (103, "not nice".to_owned()));
    assert_eq!(seqs(w.keys("/redact 7\n")), (7, String::new()));
    w.does(redacted("lobby", 102));
    assert_eq!(seqs(w.keys("/redact\n")), (101, String::new()), "that one has no text");
}

#[test]
fn the_topic_of_the_room_is_in_the_bar_and_its_changes_are_told() {
    let mut w = World::chatting((80, 24));
    let changed = |topic: &str, user: Option<&str>| {
        let (topic, user) = (topic.to_owned().into(), user.map(|user| user.to_owned().into()));
        Input::Net(Event::Topic(Box::new(RoomEvent { room: "lobby".into(), topic, user })))
    };
    w.does(changed("On call: bo", Some("bo")));
    let picture = w.picture();
    assert!(picture.contains("bo has set the topic: On call: bo"), "{picture}");
    assert_eq!(picture.matches("On call: bo").count(), 2, "{picture}");
    w.does(changed("", None));
    assert!(w.picture().contains("the operator has removed the topic"), "{}", w.picture());
    assert_eq!(w.picture().matches("On call: bo").count(), 1, "{}", w.picture());
    let effects = w.keys("/topic Ask eve\n");
    let [Effect::Action(Action::Topic { topic, .. })] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(topic, "Ask eve");
    assert_eq!(w.keys("/topic\n"), []);
    assert!(w.picture().contains("this room has no topic"), "{}", w.picture());
}

#[test]
fn what_was_read_elsewhere_is_not_unread_here() {
    let mut w = World::chatting((80, 24));
    let mut login = login_reply(&["lobby", "ops"], 100);
    login.marks = Some(vec![ReadMark { room: Some("ops".into()), with: None, seq: 100 }]);
    w.does(Input::Net(Event::Connected(Box::new(login))));
    for at in ["lobby", "ops"] {
        let reply = Ok(MessagesReply { messages: Vec::new(), more: false });
        w.does(Input::Answer(Answer::History { of: room(at), part: Part::Newest, reply }));
    }
    w.effects.clear();
    w.said("ops", "bo", "one");
    w.said("ops", "bo", "two");
    assert_eq!(w.model.talks[1].unread, 2);
    w.does(Input::Net(Event::Read(Mark { of: room("ops"), seq: 101 })));
    assert_eq!(w.model.talks[1].unread, 1);
    // A mark that is behind changes nothing.
    w.does(Input::Net(Event::Read(Mark { of: room("ops"), seq: 50 })));
    assert_eq!(w.model.talks[1].unread, 1);
    assert!(!w.effects.iter().any(|effect| matches!(effect, Effect::Mark { .. })), "{:?}", w.effects);
    // What is read here is told to the server, not more than once a second.
    let told = |effects: Vec<Effect>| {
        let marks = effects.into_iter().filter_map(|effect| match effect {
            Effect::Mark { of, seq } => Some((of, seq)),
            _ => None,
        });
        marks.collect::<Vec<_>>()
    };
    assert_eq!(told(w.said("lobby", "bo", "three")), [(room("lobby"), 103)]);
    assert_eq!(told(w.said("lobby", "bo", "four")), []);
    assert_eq!(told(w.said("lobby", "bo", "five")), []);
    assert!(w.model.wake().is_some());
    assert_eq!(told(w.after(2).does(Input::Tick)), [(room("lobby"), 105)]);
    assert_eq!(told(w.keys("/room ops\n")), [(room("ops"), 102)]);
}
