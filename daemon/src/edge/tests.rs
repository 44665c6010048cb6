//! Tests of the edge with the state: requests, and the lines that each connection receives. `model.rs` compares both
//! with a simple model under random commands.

mod access;
mod asks;
mod certificates;
mod configured;
mod disk;
mod erased_names;
mod erasures;
mod forgotten;
mod limits;
mod lost_rights;
mod marks;
mod middle;
mod model;
mod nodes;
mod one_turn;
mod order;
mod penalties;
mod quotas;
mod redactions;
mod removed;
mod roles;
mod sessions;
mod short;
mod slices;
mod steps;
mod topics;
mod while_leaving;
mod work;
mod world;

use crate::auth::Proof;
use crate::edge::{Ask, Command, Effect, Read};
use tcp_chat_protocol::Name;
use tcp_chat_protocol::{ErrorKind, Refusal, Seq};
use tcp_chat_state::*;
use world::World;

#[test]
fn a_request_before_login_is_refused() {
    let mut world = World::new(|_| {});
    let ana = world.connect();
    for line in [
        r#"{"op":"MSG","data":"x","id":1}"#,
        r#"{"op":"JOIN","data":{"room":"x"},"id":1}"#,
        r#"{"op":"LEAVE","data":{"room":"x"},"id":1}"#,
        r#"{"op":"WHO","id":1}"#,
        r#"{"op":"ROOMS","id":1}"#,
        r#"{"op":"HISTORY","data":{"room":"lobby"},"id":1}"#,
        r#"{"op":"SEARCH","data":{"query":"x"},"id":1}"#,
        r#"{"op":"KICK","data":{"user":"x"},"id":1}"#,
        r#"{"op":"GRANT","data":{"user":"x","role":"owner"},"id":1}"#,
    ] {
        world.sends(ana, line);
        assert_eq!(world.hears(ana), ["ERROR_MSG#1 NOT_LOGGED_IN"], "{line}");
    }
    world.sends(ana, r#"{"op":"PING","id":1}"#);
    assert_eq!(world.hears(ana), ["PING#1"]);
}

#[test]
fn a_message_goes_to_the_room_and_back_with_its_id() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    assert_eq!(world.hears(ana), ["LOGIN ana lobby head 0", "PRESENCE lobby bo joined"]);
    assert_eq!(world.hears(bo), ["LOGIN bo lobby head 0"]);
    world.sends(ana, r#"{"op":"MSG","data":"hello","id":"a"}"#);
    assert_eq!(world.hears(ana), ["MSG#a 1<0 lobby ana: hello"]);
    assert_eq!(world.hears(bo), ["MSG 1<0 lobby ana: hello"]);
}

#[test]
fn numbers_in_one_turn_are_next_to_each_other_by_room() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.hears(ana);
    world.in_one_turn(
        ana,
        &[
            r#"{"op":"MSG","data":"1"}"#,
            r#"{"op":"MSG","data":{"room":"ops","msg":"2"}}"#,
            r#"{"op":"MSG","data":"3"}"#,
            r#"{"op":"PING"}"#,
            r#"{"op":"MSG","data":"4"}"#,
        ],
    );
    assert_eq!(
        world.hears(ana),
        [
            "MSG 1<0 lobby ana: 1",
            "MSG 2<1 lobby ana: 3",
            "MSG 3<0 ops ana: 2",
            "PING",
            "MSG 4<2 lobby ana: 4"
        ]
    );
}

#[test]
fn a_direct_message_reaches_only_its_two_users() {
    let mut world = World::new(|_| {});
    let [ana, bo, cy] = ["ana", "bo", "cy"].map(|n| world.login(n));
    world.skips(&[ana, bo, cy]);
    world.sends(ana, r#"{"op":"MSG","data":{"to":"BO","msg":"psst"},"id":7}"#);
    assert_eq!(world.hears(ana), ["MSG#7 1<0 @bo ana: psst"]);
    assert_eq!(world.hears(bo), ["MSG 1<0 @bo ana: psst"]);
    assert!(world.hears(cy).is_empty());
    world.sends(ana, r#"{"op":"MSG","data":{"to":"ana","msg":"note"}}"#);
    assert_eq!(world.hears(ana), ["MSG 2<0 @ana ana: note"], "to oneself, once");
    world.sends(ana, r#"{"op":"MSG","data":{"to":"nobody","msg":"x"},"id":8}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG#8 NO_SUCH_USER"]);
}

#[test]
fn rooms_are_joined_left_and_counted() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    for (who, line, heard) in [
        (ana, r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#, "ERROR_MSG NO_SUCH_ROOM"),
        (ana, r#"{"op":"LEAVE","data":{"room":"ops"}}"#, "ERROR_MSG NO_SUCH_ROOM"),
        (ana, r#"{"op":"JOIN","data":{"room":"Ops"}}"#, "JOIN Ops head 0 [ana here] of 1"),
        (ana, r#"{"op":"JOIN","data":{"room":"OPS"}}"#, "JOIN Ops head 0 [ana here] of 1"),
        (bo, r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#, "ERROR_MSG NOT_A_MEMBER"),
        (bo, r#"{"op":"LEAVE","data":{"room":"ops"}}"#, "ERROR_MSG NOT_A_MEMBER"),
        (bo, r#"{"op":"HISTORY","data":{"room":"ops"}}"#, "ERROR_MSG NOT_A_MEMBER"),
        (bo, r#"{"op":"SEARCH","data":{"query":"x","room":"ops"}}"#, "ERROR_MSG NOT_A_MEMBER"),
        (bo, r#"{"op":"WHO","data":{"room":"ops"}}"#, "WHO Ops [ana here] of 1"),
        (bo, r#"{"op":"WHO"}"#, "WHO * [ana here, bo here] of 2"),
        (bo, r#"{"op":"ROOMS"}"#, "ROOMS lobby(2,0) Ops(1,0)"),
        (ana, r#"{"op":"LEAVE","data":{"room":"ops"}}"#, "LEAVE Ops"),
        (bo, r#"{"op":"ROOMS"}"#, "ROOMS lobby(2,0)"),
    ] {
        world.sends(who, line);
        assert_eq!(world.hears(who), [heard], "{line}");
    }
}

#[test]
fn a_name_that_equals_or_resembles_a_taken_name_is_refused() {
    let mut world = World::new(|_| {});
    let ana = world.login("Ivan");
    world.hears(ana);
    for taken in ["Ivan", "ivan", "IVAN", "lvan", "Iv\u{430}n"] {
        let other = world.connect();
        world.sends(other, &format!(r#"{{"op":"LOGIN","data":{{"name":"{taken}"}}}}"#));
        assert_eq!(world.hears(other), ["ERROR_MSG NAME_TAKEN"], "{taken}");
    }
    world.sends(ana, r#"{"op":"LOGIN","data":{"name":"bo"}}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG ALREADY_LOGGED_IN"]);
    world.sends(ana, r#"{"op":"QUIT"}"#);
    assert_eq!(world.hears(ana), ["QUIT", "(closed: quit)"]);
    let next = world.login("ivan");
    assert_eq!(world.hears(next), ["LOGIN ivan lobby head 0"], "free at once");
}

#[test]
fn operators_send_notices_kick_and_shut_down() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    world.says_to_all("lunch");
    assert_eq!(world.hears(bo), ["NOTICE OPERATOR"]);
    assert!(world.operates(r#"{"op":"KICK","data":{"user":"BO"}}"#).is_ok());
    assert_eq!(world.hears(bo), ["NOTICE KICKED", "(closed: kicked)"]);
    assert_eq!(world.hears(ana), ["NOTICE OPERATOR", "PRESENCE lobby bo left"]);
    assert_eq!(world.operates(r#"{"op":"KICK","data":{"user":"bo"}}"#), Err(ErrorKind::NoSuchUser));
    world.shuts_down();
    assert_eq!(world.hears(ana), ["NOTICE SHUTDOWN 250 ms", "(closed: shutdown)"]);
    assert_eq!(world.state.counts().sessions, 1, "sessions stay");
}
