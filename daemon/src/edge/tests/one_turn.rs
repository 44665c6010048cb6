//! Tests of requests that arrive together: the edge admits them before any of them is applied, and the answers are the
//! same as if they had arrived one after the other.

use super::*;
use crate::edge::Effect;
use tcp_chat_protocol::{Action, Against};

const LOGIN: &str = r#"{"op":"LOGIN","data":{"name":"ana"},"id":1}"#;
const SAY: &str = r#"{"op":"MSG","data":"x","id":2}"#;

#[test]
fn requests_after_a_login_are_answered_in_order() {
    let mut world = World::new(|_| {});
    let ana = world.connect();
    world.in_one_turn(
        ana,
        &[
            r#"{"op":"PING"}"#,
            LOGIN,
            SAY,
            r#"{"op":"PING","id":3}"#,
            r#"{"op":"JOIN","data":{"room":"ops"},"id":4}"#,
            r#"{"op":"MSG","data":{"room":"ops","msg":"y"},"id":5}"#,
            r#"{"op":"QUIT","id":6}"#,
            SAY,
        ],
    );
    let heard = world.hears(ana);
    let wanted =
        ["PING", "LOGIN#1", "MSG#2 1<0", "PING#3", "JOIN#4", "MSG#5 2<0", "QUIT#6", "(closed: quit)"];
    assert_eq!(heard.len(), wanted.len(), "{heard:?}");
    for (heard, wanted) in heard.iter().zip(wanted) {
        assert!(heard.starts_with(wanted), "{heard} instead of {wanted}");
    }
}

#[test]
fn a_connection_lost_right_after_its_login_leaves_its_session_away() {
    let mut world = World::new(|_| {});
    let ana = world.connect();
    let login = world.command(LOGIN);
    world.adds(ana, login);
    world.adds(ana, Command::Lost);
    world.turn();
    assert_eq!((world.state.counts().sessions, world.state.counts().away), (1, 1));
    assert_eq!(world.edge.connection_count(), 0);
    assert!(world.edge.next_ending().is_some(), "and its time counts");
}

#[test]
fn places_that_a_login_does_not_use_are_left_to_the_next() {
    let mut world = World::new(|rules| rules.sessions = 4);
    world.address = "192.0.2.1".parse().unwrap();
    let [_, first, second] = [world.login("ana"), world.connect(), world.connect()];
    // The name is taken, so the last place of the network is left to the other login.
    let logins = [LOGIN, r#"{"op":"LOGIN","data":{"name":"bo"},"id":2}"#].map(|line| world.command(line));
    for (who, login) in [first, second].into_iter().zip(logins) {
        world.adds(who, login);
    }
    world.turn();
    assert_eq!(world.hears(first), ["ERROR_MSG#1 NAME_TAKEN"]);
    assert!(world.hears(second)[0].starts_with("LOGIN#2"));
}

#[test]
fn two_logins_do_not_share_the_last_session_of_their_network() {
    let mut world = World::new(|rules| rules.sessions = 4);
    world.address = "192.0.2.1".parse().unwrap();
    let [_, first, second] = [world.login("ana"), world.connect(), world.connect()];
    for (who, name) in [(first, "bo"), (second, "cy")] {
        let login = world.command(&format!(r#"{{"op":"LOGIN","data":{{"name":"{name}"}}}}"#));
        world.adds(who, login);
    }
    world.turn();
    assert!(world.hears(first)[0].starts_with("LOGIN"));
    assert_eq!(world.hears(second), ["ERROR_MSG SERVER_FULL", "(closed: server full)"]);
}

#[test]
fn the_first_messages_to_a_stranger_cost_one_stranger() {
    let mut world = World::new(|rules| rules.strangers_per_minute = 1);
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.skips(&[ana, bo]);
    let tell = r#"{"op":"MSG","data":{"to":"bo","msg":"x"}}"#;
    world.in_one_turn(ana, &[tell, tell]);
    assert_eq!(world.hears(bo), ["MSG 1<0 @bo ana: x", "MSG 2<1 @bo ana: x"]);
}

#[test]
fn requests_after_the_error_that_closes_a_connection_are_ignored() {
    let mut world = World::new(|rules| rules.errors = 2);
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.skips(&[ana, bo]);
    world.in_one_turn(ana, &["nonsense", SAY, "nonsense", "nonsense", "nonsense", SAY, SAY]);
    let heard = world.hears(ana);
    assert_eq!(heard.len(), 6, "{heard:?}");
    assert_eq!(heard[5], "(closed: too many errors)");
    assert_eq!(world.hears(bo), ["MSG 1<0 lobby ana: x"]);
}

#[test]
fn a_refusal_comes_after_the_messages_before_it() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.skips(&[ana]);
    let nowhere = r#"{"op":"MSG","data":{"room":"nowhere","msg":"x"},"id":9}"#;
    world.in_one_turn(ana, &[SAY, nowhere, "nonsense", r#"{"op":"MSG","data":"y","id":3}"#]);
    let wanted =
        ["MSG#2 1<0 lobby ana: x", "ERROR_MSG#9 NO_SUCH_ROOM", "ERROR_MSG PARSE", "MSG#3 2<1 lobby ana: y"];
    assert_eq!(world.hears(ana), wanted);
}

#[test]
fn a_kicked_user_cannot_write_later_in_the_same_turn() {
    let mut world = World::new(|_| {});
    world.proven = vec!["mo"];
    let [mo, ana] = ["mo", "ana"].map(|name| world.login(name));
    world.operates(r#"{"op":"GRANT","data":{"user":"mo","role":"moderator"}}"#).unwrap();
    world.skips(&[mo, ana]);
    for (who, line) in [(mo, r#"{"op":"KICK","data":{"user":"ana"}}"#), (ana, SAY), (ana, r#"{"op":"WHO"}"#)]
    {
        let command = world.command(line);
        world.adds(who, command);
    }
    world.turn();
    assert_eq!(world.hears(ana), ["NOTICE KICKED", "(closed: kicked)"]);
    assert_eq!(world.state.counts().head, 0);
}

#[test]
fn a_login_after_the_ban_of_its_network_leaves_no_session() {
    let ban = || {
        let against = Against::new("192.0.2.0/24".parse().unwrap());
        Intent::OperatorAction(0, Box::new(Action::Ban(against)), Past::Absent)
    };
    for ban_first in [true, false] {
        let mut world = World::new(|_| {});
        world.address = "192.0.2.1".parse().unwrap();
        world.first.push(ban());
        if ban_first {
            world.turn();
        }
        let ana = world.login("ana");
        assert_eq!(world.hears(ana), ["(closed: kicked)"]);
        assert_eq!(world.state.counts().sessions, 0, "the ban came in a turn before: {ban_first}");
    }
}

#[test]
fn a_session_that_is_resumed_after_the_ban_of_its_network_stays_away() {
    let mut world = World::new(|_| {});
    world.address = "192.0.2.1".parse().unwrap();
    let ana = world.login("ana");
    world.loses(ana);
    let against = Against::new("192.0.2.0/24".parse().unwrap());
    world.first.push(Intent::OperatorAction(0, Box::new(Action::Ban(against)), Past::Absent));
    let ana = world.resumes("ana", None);
    assert_eq!(world.hears(ana), ["(closed: kicked)"]);
    assert_eq!((world.state.counts().sessions, world.state.counts().away), (1, 1));
    assert!(world.edge.next_ending().is_some());
}

#[test]
fn while_the_store_fails_a_message_after_its_join_gets_no_number() {
    let mut world = World::new(|_| {});
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.disk_is_full = true;
    world.sends(ana, SAY);
    world.skips(&[ana, bo]);
    let said = r#"{"op":"MSG","data":{"room":"ops","msg":"x"},"id":7}"#;
    world.in_one_turn(bo, &[r#"{"op":"JOIN","data":{"room":"ops"}}"#, said, said]);
    let heard = world.hears(bo);
    assert!(heard[0].starts_with("JOIN ops"), "{heard:?}");
    assert_eq!(heard[1..], ["ERROR_MSG#7 INTERNAL", "ERROR_MSG#7 INTERNAL"]);
    assert_eq!(world.state.counts().head, 1, "nothing is ordered behind what is held");
}

#[test]
fn a_join_does_not_bypass_the_storage_quota_of_its_network() {
    let mut world = World::new(|rules| rules.network_stored = Limit { per_second: 1, burst: 100 });
    world.address = "192.0.2.1".parse().unwrap();
    let ana = world.login("ana");
    world.sends(ana, SAY);
    world.skips(&[ana]);
    let said = r#"{"op":"MSG","data":{"room":"ops","msg":"x"},"id":7}"#;
    world.in_one_turn(ana, &[r#"{"op":"JOIN","data":{"room":"ops"}}"#, said, said]);
    let heard = world.hears(ana);
    assert!(heard[0].starts_with("JOIN ops"), "{heard:?}");
    assert!(heard[1..].iter().all(|line| line.starts_with("ERROR_MSG#7 RATE_LIMITED")), "{heard:?}");
    assert_eq!(world.state.counts().head, 1);
    world.in_one_turn(ana, &[SAY, r#"{"op":"MSG","data":{"room":"no","msg":"x"},"id":8}"#]);
    let heard = world.hears(ana);
    assert_eq!(
        heard,
        ["MSG#2 1<0 lobby ana: x", "ERROR_MSG#8 NO_SUCH_ROOM"],
        "nothing that is not stored is refused"
    );
}

#[test]
fn a_refused_message_to_a_stranger_does_not_pay_for_another() {
    let mut world = World::new(|rules| rules.strangers_per_minute = 1);
    let [ana, bo, cy] = ["ana", "bo", "cy"].map(|name| world.login(name));
    world.sends(ana, SAY);
    world.skips(&[ana, bo, cy]);
    for to in ["bo", "cy"] {
        // The id of the first one was used, so it is not kept.
        let tell = |id| format!(r#"{{"op":"MSG","data":{{"to":"{to}","msg":"x"}},"id":{id}}}"#);
        world.in_one_turn(ana, &[tell(2).as_str(), tell(3 + u8::from(to == "cy")).as_str()]);
    }
    assert_eq!(world.hears(bo), ["MSG 2<0 @bo ana: x"]);
    assert_eq!(world.hears(cy), [""; 0], "one a minute");
}

#[test]
fn errors_that_are_not_in_a_row_close_no_connection() {
    let mut world = World::new(|rules| rules.errors = 2);
    let ana = world.login("ana");
    let nowhere = r#"{"op":"MSG","data":{"room":"nowhere","msg":"x"}}"#;
    let said = r#"{"op":"MSG","data":"x"}"#;
    world.skips(&[ana]);
    world.in_one_turn(ana, &[nowhere, said, nowhere, said, nowhere, said]);
    let heard = world.hears(ana);
    assert_eq!(heard.len(), 6, "{heard:?}");
    assert!(heard[5].starts_with("MSG "), "{heard:?}");
}

#[test]
fn a_user_at_the_limit_of_rooms_joins_existing_rooms_in_the_same_turn() {
    let mut world = World::new(|rules| rules.rooms = 8);
    world.address = "192.0.2.1".parse().unwrap();
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    let join = |n| format!(r#"{{"op":"JOIN","data":{{"room":"r{n}"}}}}"#);
    (0..4).for_each(|n| world.sends(ana, &join(n)));
    world.skips(&[ana, bo]);
    for (who, line) in [(ana, join(5)), (bo, join(1)), (ana, r#"{"op":"PING"}"#.to_owned())] {
        let command = world.command(&line);
        world.adds(who, command);
    }
    world.turn();
    assert!(world.hears(bo)[0].starts_with("JOIN r1"));
    assert!(world.hears(ana)[0].starts_with("ERROR_MSG"), "the network has half of the rooms");
    let of = |who| move |effect: &Effect| matches!(effect, Effect::Line(to, _) if *to == who);
    let [his, hers] = [bo, ana].map(|who| world.effects.iter().position(of(who)).unwrap());
    assert!(his < hers, "in the same turn, before what was asked behind it");
}
