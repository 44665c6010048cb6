//! Events and their effects.

use super::*;
use crate::tui::model::Link;
use crate::tui::model::overlay::Overlay;
use std::sync::Arc;
use tcp_chat_client::protocol::request::Place;
use tcp_chat_client::protocol::{ErrorKind, RequestId};
use tcp_chat_client::{Action, Against, Closed, Error};

fn lost(wait: Duration) -> Input {
    let why = Error::NoConnection { server: "localhost:3000".into(), why: "it is gone".into() };
    Input::Net(Event::Reconnecting { wait, attempt: 1, why })
}

#[test]
fn a_typed_message_is_sent_and_takes_its_place_once_kept() {
    let mut w = World::chatting((80, 24));
    let effects = w.keys("hello\n");
    let [Effect::Send { local, to, text }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((to, text.as_str()), (&room("lobby"), "hello"));
    assert!(w.picture().contains("sending │ hello"), "{}", w.picture());
    let local = *local;
    w.kept("lobby", "hello");
    assert!(w.picture().contains("ana │ hello") && !w.picture().contains("sending"), "{}", w.picture());
    w.does(Input::Answer(Answer::Sent { local }));
    assert_eq!(w.picture().matches("hello").count(), 1);
    assert!(w.model.unconfirmed().next().is_none());
}

#[test]
fn a_refusal_is_shown_and_does_not_log_out() {
    let mut w = World::chatting((80, 24));
    let effects = w.keys("hello\n");
    let [Effect::Send { local, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let (id, kind) = (RequestId::Number(1), ErrorKind::Data);
    let why = Error::Refused { id: Some(id), kind, msg: "no\u{1b}[2J".into() };
    w.does(Input::Answer(Answer::NotSent { local: *local, why }));
    let picture = w.picture();
    assert!(picture.contains("! not sent: the request was refused (DATA): no␛[2J"), "{picture}");
    assert!(w.model.login.is_none());
    w.keys("x\n");
    assert!(matches!(w.effects.last(), Some(Effect::Send { .. })), "it goes on");
}

#[test]
fn the_countdown_wakes_by_the_second_and_nothing_else_does() {
    let mut w = World::chatting((80, 24));
    assert_eq!(w.model.wake(), None, "idle is idle");
    w.does(lost(Duration::from_millis(3500)));
    assert!(w.picture().contains("reconnecting in 4 s"));
    let wake = w.model.wake().unwrap();
    assert!(wake > Duration::from_millis(500) && wake < Duration::from_millis(510), "{wake:?}");
    w.up = wake;
    w.does(Input::Tick);
    assert!(w.picture().contains("reconnecting in 3 s"), "{}", w.picture());
    w.after(10).does(Input::Tick);
    assert!(w.picture().contains("reconnecting …"));
    w.does(Input::Net(Event::Resumed { caught_up: 42 }));
    assert!(w.picture().contains("connected, caught up 42"));
    w.after(11).does(Input::Tick);
    assert_eq!(w.model.link, Link::Up { caught_up: None });
    w.after(30).does(Input::Tick);
    assert_eq!(w.model.wake(), None);
}

#[test]
fn another_node_is_named_once_and_stands_in_the_bar() {
    let mut w = World::chatting((100, 24));
    w.does(lost(Duration::ZERO));
    w.does(Input::Net(Event::Moved { server: "chat2.example.org:3000".into() }));
    assert!(w.picture().contains("now at chat2.example.org:3000"), "{}", w.picture());
    w.does(Input::Net(Event::Resumed { caught_up: 1 }));
    w.after(60).does(Input::Tick);
    let picture = w.picture();
    assert!(picture.contains("ana@chat2.example.org:3000") && !picture.contains("now at"), "{picture}");
}

#[test]
fn after_a_restore_the_conversations_are_loaded_again() {
    let mut w = World::chatting((100, 24));
    let kim = Conversation::With("kim".into());
    w.model.set_reads(vec![(kim.clone(), 70)]);
    w.said("lobby", "bo", "of the log before");
    w.said("ops", "bo", "unread, of the log before");
    w.does(lost(Duration::from_millis(10)));
    w.does(Input::Net(Event::LogReplaced { after: w.seq, from: 40, log: Some("b".into()) }));
    let message = event("lobby", "bo", 41, "said after the restore");
    w.does(Input::Net(Event::Message(Box::new(Message::of(message, "ana")))));
    let effects = w.does(Input::Net(Event::Resumed { caught_up: 1 }));
    for name in ["lobby", "ops"] {
        assert!(effects.contains(&Effect::History { of: room(name), part: Part::Newest }), "{effects:?}");
    }
    let picture = w.picture();
    assert!(
        picture.contains("said after the restore") && picture.contains("goes on after message 40"),
        "{picture}"
    );
    assert!(!picture.contains("of the log before"), "{picture}");
    let reply = Ok(page("ops", 39..=42, false));
    w.does(Input::Answer(Answer::History { of: room("ops"), part: Part::Newest, reply }));
    let counts: Vec<_> = w.model.talks.iter().map(|t| (t.title.as_str(), t.unread)).collect();
    assert_eq!(counts, [("#lobby", 0), ("#ops", 2), ("@kim", 0)]);
    assert_eq!(w.model.reads(), [(room("lobby"), 41), (room("ops"), 40), (kim, 40)]);
}

#[test]
fn a_history_that_a_slow_server_did_not_send_in_time_is_asked_for_again() {
    let mut w = World::new((80, 24));
    w.keys("\n");
    let asked = Effect::History { of: room("lobby"), part: Part::Newest };
    w.does(Input::Answer(Answer::LoggedIn(Box::new(login_reply(&["lobby"], 100)))));
    assert_eq!(w.does(Input::Net(Event::Resumed { caught_up: 0 }))[0], asked);
    let mut answers =
        |reply| w.does(Input::Answer(Answer::History { of: room("lobby"), part: Part::Newest, reply }));
    let late = || Err(Error::TimedOut { what: "HISTORY", after: Duration::from_secs(30) });
    assert_eq!(answers(late()), std::slice::from_ref(&asked));
    assert_eq!(answers(Ok(page("lobby", 98..=100, false))), []);
    assert!(w.model.talk().unwrap().loaded);

    // Without a connection nothing is asked: the resume asks.
    w.model.talks[0].loaded = false;
    assert_eq!(w.does(Input::Net(Event::Resumed { caught_up: 0 }))[0], asked);
    w.does(lost(Duration::from_millis(10)));
    let reply = late();
    assert_eq!(w.does(Input::Answer(Answer::History { of: room("lobby"), part: Part::Newest, reply })), []);
}

#[test]
fn the_end_of_a_session_is_shown_and_a_new_one_can_begin() {
    let mut w = World::chatting((100, 24));
    w.does(Input::Net(Event::Ended(Error::Closed(Closed::Kicked("be nice".into())))));
    assert!(w.picture().contains("be nice; /connect begins a new session"), "{}", w.picture());
    assert!(w.keys("hello\n").is_empty());
    assert_eq!(w.model.editor.text(), "hello", "what was typed is not lost");
    w.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    let effects = w.keys("/connect\n");
    assert!(matches!(effects.as_slice(), [Effect::Connect(c)] if c.name == "ana"));
}

#[test]
fn unread_messages_and_mentions_are_counted_in_background_conversations() {
    let mut w = World::chatting((80, 24));
    assert_eq!(w.said("lobby", "bo", "hi"), []);
    assert_eq!(w.said("ops", "bo", "one"), []);
    let rings = w.said("ops", "bo", "ana: look");
    assert!(matches!(rings.as_slice(), [Effect::Ring { .. }]), "{rings:?}");
    w.said("@ana", "eve", "psst");
    let counts: Vec<_> = w.model.talks.iter().map(|t| (t.title.as_str(), t.unread, t.mentions)).collect();
    assert_eq!(counts, [("#lobby", 0, 0), ("#ops", 2, 1), ("@eve", 1, 1)]);
    w.key(KeyCode::Char('a'), KeyModifiers::ALT);
    assert_eq!(w.model.talk().unwrap().title, "#ops", "what means the reader is first");
    assert!(w.picture().contains("── new since"));
    assert_eq!(w.model.talk().unwrap().unread, 0);
    w.key(KeyCode::Up, KeyModifiers::ALT);
    w.key(KeyCode::Down, KeyModifiers::ALT);
    assert!(!w.picture().contains("new since"), "it was read");
}

#[test]
fn direct_messages_of_an_earlier_run_come_back() {
    let mut w = World::new((80, 24));
    let with = |user: &str| Conversation::With(user.into());
    w.model.set_reads(vec![(room("lobby"), 100), (with("bo"), 93), (with("eve"), 80), (with("gone"), 70)]);
    w.keys("\n");
    let login = login_reply(&["lobby"], 100);
    w.does(Input::Answer(Answer::LoggedIn(Box::new(login))));
    // It came while the user was away, and precedes the requested page.
    w.said("@ana", "kim", "psst");
    let effects = w.does(Input::Net(Event::Resumed { caught_up: 1 }));
    for user in ["bo", "eve", "gone", "kim"] {
        let asked = Effect::History { of: with(user), part: Part::Newest };
        assert!(effects.contains(&asked), "{user}: {effects:?}");
    }
    let nothing = Ok(MessagesReply { messages: Vec::new(), more: false });
    let refused = Err(Error::Refused { id: None, kind: ErrorKind::NoSuchUser, msg: "nobody".into() });
    for (user, reply) in [("bo", Ok(page("@ana", 85..=95, false))), ("eve", nothing), ("gone", refused)] {
        w.does(Input::Answer(Answer::History { of: with(user), part: Part::Newest, reply }));
    }
    let counts: Vec<_> = w.model.talks.iter().map(|t| (t.title.as_str(), t.unread)).collect();
    assert_eq!(counts, [("#lobby", 0), ("@kim", 1), ("@bo", 2)], "what is left of them, and no more");
    let kept = w.model.reads();
    assert!(kept.contains(&(with("bo"), 93)), "{kept:?}");
    assert!(kept.contains(&(with("gone"), 70)), "they may be here the next time: {kept:?}");
    assert!(!kept.iter().any(|(place, _)| *place == with("eve")), "another session's: {kept:?}");
    // A conversation that the user closed does not come back.
    w.keys("/leave @bo\n");
    assert!(!w.model.reads().iter().any(|(place, _)| *place == with("bo")));
}

#[test]
fn bells_do_not_ring_in_a_row_and_not_for_what_is_seen() {
    let mut w = World::chatting((80, 24));
    w.does(Input::Focus(true));
    assert_eq!(w.said("lobby", "bo", "ana?"), [], "it is before the reader's eyes");
    w.does(Input::Focus(false));
    assert_eq!(w.said("lobby", "bo", "ana??").len(), 1);
    assert_eq!(w.said("lobby", "bo", "ana???").len(), 0);
    w.after(3);
    assert_eq!(w.said("lobby", "bo", "ana????").len(), 1);
    assert_eq!(w.model.talks[0].unread, 3);
    w.does(Input::Focus(true));
    assert_eq!(w.model.talks[0].unread, 0);
    w.keys("/notify off\n");
    w.after(3).does(Input::Focus(false));
    assert_eq!(w.said("lobby", "bo", "ana").len(), 0);
}

#[test]
fn keys_and_what_they_ask_for() {
    let none = KeyModifiers::NONE;
    let ctrl = KeyModifiers::CONTROL;
    for (code, modifiers, expected) in [
        (KeyCode::Char('c'), ctrl, vec![Effect::Quit]),
        (KeyCode::Char('d'), ctrl, vec![Effect::Quit]),
        (KeyCode::Char('l'), ctrl, vec![Effect::Repaint]),
        (KeyCode::Char('z'), ctrl, vec![Effect::Suspend]),
        (KeyCode::Enter, none, vec![]),
        (KeyCode::PageUp, none, vec![]),
        (KeyCode::Tab, none, vec![]),
    ] {
        let mut w = World::chatting((80, 24));
        assert_eq!(w.key(code, modifiers), expected, "{code:?}");
    }
    let lobby = Place("lobby".parse().ok());
    let bo = |for_s, reason: &str| Against {
        target: "bo".parse().unwrap(),
        room: Some(lobby.clone()),
        for_s,
        reason: reason.into(),
    };
    for (typed, expected) in [
        ("/quit\n", vec![Effect::Quit]),
        ("/join #dev\n", vec![Effect::Join("dev".into())]),
        ("/leave\n", vec![Effect::Leave("lobby".into())]),
        ("/rooms\n", vec![Effect::Rooms]),
        ("/who\n", vec![Effect::Who { room: Some("lobby".into()), show: true }]),
        ("/who *\n", vec![Effect::Who { room: None, show: true }]),
        ("/mouse off\n", vec![Effect::Mouse(false)]),
        ("/kick bo\n", vec![Effect::Action(Action::Kick(bo(None, "")))]),
        ("/MUTE bo 1h 30m of it\n", vec![Effect::Action(Action::Mute(bo(Some(3600), "30m of it")))]),
        ("/private on\n", vec![Effect::Action(Action::Room { room: lobby.clone(), private: true })]),
        ("/search x\n", vec![Effect::Search { query: "x".into(), before: None }]),
    ] {
        let mut w = World::chatting((80, 24));
        assert_eq!(w.keys(typed), expected, "{typed}");
        assert_eq!(w.model.editor.text(), "", "{typed}");
    }
    let mut w = World::chatting((80, 24));
    w.keys("half");
    assert_eq!(w.key(KeyCode::Char('c'), ctrl), [], "first what is typed, then the program");
    assert_eq!(w.key(KeyCode::Char('c'), ctrl), [Effect::Quit]);
}

#[test]
fn drafts_stay_with_their_conversation() {
    let mut w = World::chatting((80, 24));
    w.keys("to the lobby");
    w.key(KeyCode::Char('2'), KeyModifiers::ALT);
    assert_eq!(w.model.editor.text(), "");
    w.keys("/room lobby\n");
    assert_eq!(w.model.editor.text(), "to the lobby");
}

#[test]
fn a_long_paste_asks_first() {
    let mut w = World::chatting((80, 24));
    w.does(Input::Paste("one\r\ntwo\n".into()));
    assert_eq!(w.model.editor.text(), "one\ntwo", "a short one does not");
    w.key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    w.does(Input::Paste("1\n2\n3\n4\n\u{1b}[31m5".into()));
    assert!(matches!(w.model.overlay, Some(Overlay::Paste(_))));
    w.keys("n");
    assert_eq!((w.model.overlay.is_none(), w.model.editor.text()), (true, ""));
    w.does(Input::Paste("1\n2\n3\n4\n\u{1b}[31m5".into()));
    w.keys("y");
    assert_eq!(w.model.editor.text(), "1\n2\n3\n4\n[31m5");
}

#[test]
fn completion_knows_who_spoke() {
    let mut w = World::chatting((80, 24));
    w.said("lobby", "chris", "hi");
    w.keys("ch\t");
    assert_eq!(w.model.editor.text(), "chris: ");
    w.keys("\t");
    assert_eq!(w.model.editor.text(), "Chloé: ");
    assert!(w.picture().contains("chris  Chloé"));
    w.keys("x");
    assert!(!w.picture().contains("chris  Chloé"), "the hint goes with the next key");
}

#[test]
fn a_refused_login_comes_back_to_the_field_that_it_is_about() {
    let mut w = World::new((80, 24));
    assert!(matches!(w.keys("\n").as_slice(), [Effect::Connect(_)]));
    assert_eq!(w.keys("\n"), [], "one attempt at a time");
    let lines = vec!["the login was refused".to_owned()];
    w.does(Input::Answer(Answer::NotLoggedIn { lines, password: true }));
    w.keys("secret");
    assert!(!w.picture().contains("secret"));
    let effects = w.keys("\n");
    assert!(
        matches!(effects.as_slice(), [Effect::Connect(c)] if c.password.as_deref().map(String::as_str) == Some("secret")),
        "{effects:?}"
    );
}

#[test]
fn a_message_that_is_too_long_stays_in_the_input() {
    let mut w = World::chatting((80, 24));
    w.model.msg_bytes = 4;
    assert_eq!(w.keys("hello\n"), []);
    assert_eq!(w.model.editor.text(), "hello");
    assert!(w.picture().contains("not sent: 5 bytes; the server takes 4"));
}

#[test]
fn memory_is_bounded() {
    let mut w = World::chatting((80, 24));
    for n in 0..3000 {
        w.said("lobby", "bo", "x");
        w.said("@ana", &format!("user{n}"), "y");
    }
    let big: Arc<str> = "z".repeat(8192).into();
    for _ in 0..200 {
        w.said("lobby", "bo", &big);
    }
    assert!(w.model.talks.len() <= 128, "{}", w.model.talks.len());
    let lobby = &w.model.talks[0];
    assert_eq!(lobby.title, "#lobby");
    assert!(lobby.items.len() <= 1000);
    assert!(lobby.items.iter().map(|i| i.text().len()).sum::<usize>() <= 512 * 1024);
    assert!(!lobby.at_start, "what was given up can be loaded again");
}

#[test]
fn a_room_closes_on_an_eviction_and_the_reason_is_shown() {
    let mut w = World::chatting((120, 24));
    assert!(w.picture().contains("#ops"));
    let mut removed = |room: &'static str, why: &str| {
        let msg = format!("a moderator has removed you from the room {room}: {why}");
        let mut removed =
            tcp_chat_client::protocol::NoticeEvent::new(tcp_chat_client::protocol::NoticeKind::Removed, msg);
        removed.room = Some(room.into());
        w.does(Input::Net(Event::Notice(removed)));
        w.picture()
    };
    let picture = removed("ops", "spam");
    assert!(picture.contains("a moderator has removed you from the room"), "{picture}");
    assert!(!picture.contains("#ops"), "{picture}");
    // Also if no conversation is left.
    let picture = removed("lobby", "noise");
    assert!(picture.contains("the room lobby: noise"), "{picture}");
}
