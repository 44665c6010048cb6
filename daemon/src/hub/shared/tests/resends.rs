//! Tests of messages that are sent again while the first copy is under way: one copy is kept, whatever is ordered between them.

use super::nodes::{Got, Nodes};
use super::{say, two};
use crate::auth::Proof;
use crate::edge::{Ask, Command, LoginAsk, Secret};
use tcp_chat_protocol::ErrorKind;
use tcp_chat_protocol::request::{Bounds, Request, parse};
use tcp_chat_state::Evidence;

/// Two nodes, and a window of so few messages that those of the other node push an id out of it.
fn short_window() -> Nodes {
    let mut all = Nodes::new(2, |rules| rules.window = 3);
    for (at, node) in (0..).zip(&mut all.nodes) {
        node.opens(at);
        node.logs_in(at, at);
    }
    all.settles();
    all.nodes[0].takes(0);
    all
}

/// So many messages of the other node get their places.
fn others_talk(all: &mut Nodes, count: u64) {
    for id in 0..count {
        all.nodes[1].asks(1, &[say(100 + id, "talk")]);
        all.nodes[1].works();
        assert!(all.order(1));
    }
}

#[test]
fn a_resend_behind_a_copy_under_way_is_kept_once_beyond_the_window() {
    let mut all = short_window();
    all.nodes[0].asks(0, &[say(7, "once")]);
    all.nodes[0].works();
    all.nodes[0].asks(0, &[say(7, "once")]);
    all.nodes[0].works();
    all.order(0);
    others_talk(&mut all, 6);
    all.settles();
    assert_eq!(all.nodes[0].state().counts().head, 7);
    let got = all.nodes[0].takes(0);
    assert_eq!(got[..2], [Got::Messages(vec![(1, Some(7))]), Got::Refused(Some(7), ErrorKind::RateLimited)]);
    // Once the first has come back, the store knows it.
    all.nodes[0].asks(0, &[say(7, "once")]);
    all.settles();
    assert_eq!(all.nodes[0].takes(0), [Got::Again(Some(7), 1)]);
    assert_eq!(all.nodes[0].state().counts().head, 7);
}

#[test]
fn an_id_is_free_again_when_its_copy_will_never_count() {
    let mut all = short_window();
    all.nodes[0].opens(9);
    all.nodes[0].logs_in(9, 9);
    all.settles();
    all.nodes[0].takes(9);
    // The request is refused where it is applied, and may be sent again.
    let lost = r#"{"op":"MSG","id":7,"data":{"room":"nowhere","msg":"once"}}"#.to_owned();
    all.nodes[0].asks(9, &[lost]);
    all.settles();
    assert_eq!(all.nodes[0].takes(9), [Got::Refused(Some(7), ErrorKind::NoSuchRoom)]);
    all.nodes[0].asks(9, &[say(7, "once")]);
    all.settles();
    assert_eq!(all.nodes[0].takes(9), [Got::Messages(vec![(1, Some(7))])]);
}

/// A LOGIN that resumes the session of `user{name}x`.
fn resume(name: u8) -> Command {
    let line = format!(r#"{{"op":"LOGIN","data":{{"session":"token{name}"}}}}"#);
    let Ok((None, Request::Login(login))) = parse(line.as_bytes(), &Bounds { msg_bytes: 1, rooms: 0 }) else {
        panic!("{line}");
    };
    let fresh = Secret { token: "fresh".to_owned().into(), hash: [200; 32] };
    let proof = Proof::for_tests(Evidence::NotNeeded);
    let ask = LoginAsk { login: *login, fresh, resumes: Some([name; 32]), proof };
    Command::Ask(None, Ask::Login(Box::new(ask)))
}

/// The session goes on at another node while the first copy is under way: the LOGIN there is ordered before the copy or after it.
#[test]
fn a_resend_at_another_node_is_kept_once_wherever_the_first_copy_is() {
    for copy_first in [true, false] {
        let mut all = short_window();
        all.nodes[0].asks(0, &[say(7, "once")]);
        all.nodes[0].works();
        all.nodes[1].opens(5);
        all.nodes[1].sends(5, vec![resume(0)]);
        all.nodes[1].works();
        if copy_first {
            all.order(0);
        }
        all.order(1);
        others_talk(&mut all, 6);
        all.works();
        all.nodes[1].takes(5);
        all.nodes[1].asks(5, &[say(7, "once")]);
        all.settles();
        assert_eq!(all.nodes[1].state().counts().head, 7, "{copy_first}");
        let own = all.nodes[1].takes(5);
        let wanted = if copy_first { Got::Again(Some(7), 1) } else { Got::Messages(vec![(7, Some(7))]) };
        assert!(own.contains(&wanted), "{copy_first}: {own:?}");
    }
}

#[test]
fn two_users_may_use_one_id_at_once() {
    let mut all = two();
    all.nodes[0].opens(9);
    all.nodes[0].logs_in(9, 9);
    all.settles();
    all.nodes[0].takes(0);
    all.nodes[0].takes(9);
    for connection in [0, 9] {
        all.nodes[0].asks(connection, &[say(7, "mine")]);
        all.nodes[0].works();
    }
    all.settles();
    assert_eq!(all.nodes[0].state().counts().head, 2);
}
