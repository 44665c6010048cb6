//! The chat as tables: what is asked, and what everyone hears. `model.rs` holds it against a simple
//! model under random commands.

mod access;
mod model;
mod order;
mod roles;
mod world;

use super::*;
use world::World;

#[test]
fn what_needs_a_login_says_so() {
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
fn direct_messages_reach_the_two_and_nobody_else() {
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
fn nobody_takes_a_name_that_is_or_looks_like_anothers() {
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
fn lost_is_away_then_back_or_left() {
    let mut world = World::new(|rules| rules.ttl_ms = 1000);
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    world.loses(bo);
    assert_eq!(world.hears(ana), ["PRESENCE lobby bo away"]);
    world.passes(999);
    assert!(world.hears(ana).is_empty());
    let bo = world.resumes("bo", None);
    assert_eq!(world.hears(ana), ["PRESENCE lobby bo back"]);
    world.loses(bo);
    world.hears(ana);
    world.passes(1000);
    assert_eq!(world.hears(ana), ["PRESENCE lobby bo left"]);
    let bo = world.resumes("bo", None);
    assert_eq!(world.hears(bo), ["ERROR_MSG SESSION_EXPIRED"]);
}

#[test]
fn a_takeover_ends_the_old_connection_and_announces_nothing() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    let again = world.resumes("bo", None);
    assert_eq!(world.hears(bo), ["NOTICE TAKEN_OVER", "(closed: taken over)"]);
    world.loses(bo);
    assert!(world.hears(ana).is_empty());
    world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(world.hears(again), ["LOGIN bo lobby head 0", "MSG 1<0 lobby ana: x"]);
    assert!(world.hears(bo).is_empty());
}

#[test]
fn what_was_sent_before_is_answered_with_the_first() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.hears(ana);
    world.in_one_turn(ana, &[r#"{"op":"MSG","data":"x","id":5}"#, r#"{"op":"MSG","data":"x","id":5}"#]);
    assert_eq!(world.hears(ana), ["MSG#5 1<0 lobby ana: x", "MSG#5 1<0 lobby ana: x"]);
    world.sends(ana, r#"{"op":"MSG","data":"other","id":5}"#);
    assert_eq!(world.hears(ana), ["MSG#5 1<0 lobby ana: x"]);
    world.restarts();
    let ana = world.resumes("ana", Some(1));
    world.sends(ana, r#"{"op":"MSG","data":"x","id":5}"#);
    world.sends(ana, r#"{"op":"MSG","data":"y","id":6}"#);
    assert_eq!(
        world.hears(ana),
        ["LOGIN ana lobby head 1", "MSG#5 1<0 lobby ana: x", "MSG#6 2<1 lobby ana: y"]
    );
}

#[test]
fn what_could_not_be_kept_was_not_said() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    world.disk_is_full = true;
    world.sends(ana, r#"{"op":"MSG","data":"x","id":1}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 INTERNAL"]);
    world.sends(ana, r#"{"op":"MSG","data":"x","id":2}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG#2 INTERNAL"]);
    let cy = world.login("cy");
    assert_eq!(world.hears(cy), ["LOGIN cy lobby head 0"], "coming and going goes on");
    world.disk_is_full = false;
    world.recovers();
    world.sends(ana, r#"{"op":"MSG","data":"y","id":1}"#);
    assert_eq!(world.hears(bo), ["PRESENCE lobby cy joined", "MSG 1<0 lobby ana: y"]);
    world.restarts();
    let cy = world.resumes("cy", Some(0));
    assert_eq!(world.hears(cy), ["LOGIN cy lobby head 1", "MSG 1<0 lobby ana: y"]);
}

#[test]
fn limits_are_errors_that_name_themselves() {
    let mut world = World::new(|rules| {
        rules.rate = Rate { per_second: 1, burst: 2 };
        rules.errors = 3;
        rules.sessions = 2;
        rules.rooms_per_session = 2;
        rules.create = true;
    });
    let ana = world.login("ana");
    world.hears(ana);
    for heard in ["MSG 1<0 lobby ana: x", "MSG 2<1 lobby ana: x", "ERROR_MSG RATE_LIMITED 1000 ms"] {
        world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
        assert_eq!(world.hears(ana), [heard]);
    }
    world.passes(10_000);
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"a"}}"#);
    world.hears(ana);
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"b"}}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG DATA"]);
    let bo = world.login("bo");
    world.hears(bo);
    let cy = world.login("cy");
    assert_eq!(world.hears(cy), ["ERROR_MSG SERVER_FULL", "(closed: server full)"]);
    for _ in 0..2 {
        world.sends(bo, "nonsense");
    }
    world.sends(bo, r#"{"op":"PING"}"#);
    assert_eq!(world.hears(bo), ["ERROR_MSG PARSE", "ERROR_MSG PARSE", "PING"]);
    for _ in 0..5 {
        world.sends(bo, "nonsense");
    }
    let heard = world.hears(bo);
    assert_eq!(heard.len(), 5, "{heard:?}");
    assert_eq!(heard.last().unwrap(), "(closed: too many errors)");
}

#[test]
fn every_line_counts_and_who_goes_on_is_read_more_slowly() {
    let mut world = World::new(|rules| {
        rules.rate = Rate { per_second: 1, burst: 3 };
        rules.errors = 0;
    });
    let ana = world.login("ana");
    world.hears(ana);
    for line in [r#"{"op":"PING"}"#, "nonsense", r#"{"op":"WHO"}"#] {
        world.sends(ana, line);
        world.hears(ana);
    }
    assert_eq!(world.slowed.get(&ana), None);
    // What keeps a connection in order is answered all the same, and an error stays the one that it is.
    for (line, heard) in [
        (r#"{"op":"MSG","data":"x"}"#, "ERROR_MSG RATE_LIMITED 1000 ms"),
        (r#"{"op":"PING"}"#, "PING"),
        ("nonsense", "ERROR_MSG PARSE"),
    ] {
        world.sends(ana, line);
        assert_eq!(world.hears(ana), [heard]);
    }
    assert_eq!(world.slowed.get(&ana), Some(&3));
    // Before a login the connection itself is counted.
    let door = world.connect();
    for _ in 0..5 {
        world.sends(door, r#"{"op":"WHO"}"#);
    }
    assert_eq!(world.hears(door), ["ERROR_MSG NOT_LOGGED_IN"; 5]);
    assert_eq!(world.slowed.get(&door), Some(&2));
}

#[test]
fn bytes_are_paid_for_later_and_refused_when_that_takes_long() {
    let mut world = World::new(|rules| rules.flow = Flow { per_second: 1_000, burst: 1_000 });
    let ana = world.login("ana");
    world.hears(ana);
    world.adds(ana, Command::Read(4_000));
    world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(world.hears(ana), ["MSG 1<0 lobby ana: x"]);
    assert_eq!(world.slowed.get(&ana), Some(&1_000), "three seconds are owed, one is the longest");
    world.passes(1_000);
    world.adds(ana, Command::Read(4_000));
    world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
    world.sends(ana, r#"{"op":"PING"}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG RATE_LIMITED 2000 ms", "PING"]);
    world.passes(2_000);
    world.adds(ana, Command::Read(10));
    world.sends(ana, r#"{"op":"MSG","data":"y"}"#);
    assert_eq!(world.hears(ana), ["MSG 2<1 lobby ana: y"], "the wait was true");
}

#[test]
fn strangers_are_written_to_so_many_a_minute_and_whoever_answers_is_none() {
    let mut world = World::new(|rules| rules.strangers_per_minute = 2);
    let [spam, bo, cy, dee] = ["spam", "bo", "cy", "dee"].map(|name| world.login(name));
    let tell = |to: &str| format!(r#"{{"op":"MSG","data":{{"to":"{to}","msg":"buy"}}}}"#);
    for who in [spam, bo, cy, dee] {
        world.hears(who);
    }
    world.sends(spam, &tell("bo"));
    world.sends(spam, &tell("bo"));
    world.sends(spam, &tell("spam"));
    world.sends(spam, &tell("cy"));
    assert_eq!(world.hears(spam).len(), 4, "the same one again, or oneself, is nobody new");
    world.sends(spam, &tell("dee"));
    assert_eq!(world.hears(spam), ["ERROR_MSG RATE_LIMITED 30000 ms"]);
    assert_eq!(world.hears(dee), [""; 0]);
    world.sends(bo, &tell("spam"));
    world.sends(bo, &tell("spam"));
    world.hears(spam);
    world.sends(spam, &tell("dee"));
    assert_eq!(world.hears(dee).len(), 1, "an answer makes room for one");
    world.sends(dee, &tell("bo"));
    world.hears(bo);
    world.sends(dee, &tell("cy"));
    world.sends(dee, &tell("spam"));
    assert!(world.hears(dee).iter().all(|line| !line.contains("ERROR")), "answering costs nothing");
}

#[test]
fn rooms_that_may_not_be_made_are_not() {
    let mut world = World::new(|rules| rules.create = false);
    let ana = world.login("ana");
    world.hears(ana);
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"x"}}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG NO_SUCH_ROOM"]);
    let bo = world.connect();
    world.sends(bo, r#"{"op":"LOGIN","data":{"name":"bo","rooms":["lobby","x"]}}"#);
    assert_eq!(world.hears(bo), ["ERROR_MSG NO_SUCH_ROOM"]);
    world.sends(bo, r#"{"op":"LOGIN","data":{"name":"bo","rooms":[]}}"#);
    assert_eq!(world.hears(bo), ["LOGIN bo  head 0"]);
    world.sends(bo, r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(world.hears(bo), ["ERROR_MSG NOT_A_MEMBER"]);
}

#[test]
fn large_rooms_are_quiet_about_who_comes() {
    let mut world = World::new(|rules| rules.presence_limit = 2);
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    let cy = world.login("cy");
    assert_eq!(world.hears(ana), ["LOGIN ana lobby head 0", "PRESENCE lobby bo joined"]);
    world.skips(&[bo, cy]);
    world.sends(ana, r#"{"op":"WHO","data":{"room":"lobby"}}"#);
    assert_eq!(world.hears(ana), ["WHO lobby [ana here, bo here, cy here] of 3"]);
}

#[test]
fn operators_speak_kick_and_shut_down() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    world.operator(|chat| chat.say_to_all("lunch"));
    assert_eq!(world.hears(bo), ["NOTICE OPERATOR"]);
    assert!(world.operates(r#"{"op":"KICK","data":{"user":"BO"}}"#).is_ok());
    assert_eq!(world.hears(bo), ["NOTICE KICKED", "(closed: kicked)"]);
    assert_eq!(world.hears(ana), ["NOTICE OPERATOR", "PRESENCE lobby bo left"]);
    assert_eq!(world.operates(r#"{"op":"KICK","data":{"user":"bo"}}"#), Err(ErrorKind::NoSuchUser));
    world.operator(Chat::shutdown);
    assert_eq!(world.hears(ana), ["NOTICE SHUTDOWN 250 ms", "(closed: shutdown)"]);
    assert_eq!(world.chat.counts().sessions, 1, "sessions stay");
}

#[test]
fn many_endings_are_spread_over_turns() {
    let mut world = World::new(|rules| {
        rules.ttl_ms = 10;
        rules.presence_limit = 0;
    });
    for n in 0..10 {
        let c = world.login(&format!("u{n}x"));
        world.loses(c);
    }
    world.now.mono += 100;
    world.chat.begin(world.now);
    assert!(world.chat.expire(4));
    assert_eq!(world.chat.counts().sessions, 6);
    assert!(world.chat.expire(4));
    assert!(!world.chat.expire(4));
    assert_eq!(world.chat.counts().sessions, 0);
    assert_eq!(world.chat.next_ending(), None);
}

#[test]
fn a_turn_that_was_not_kept_leaves_no_trace_in_what_is_seen_later() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.loses(bo);
    world.skips(&[ana]);
    // In one turn: something is said, and behind it bo resumes and joins. The disk is full.
    world.disk_is_full = true;
    let said = world.command(r#"{"op":"MSG","data":"lost"}"#);
    world.adds(ana, said);
    let bo = world.resumes("bo", Some(0));
    let gap = world.effects.iter().find(|e| matches!(e, Effect::Read(..)));
    assert!(matches!(gap, Some(Effect::Read(_, Read::Gap(_, ranges))) if ranges.is_empty()), "{gap:?}");
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.hears(bo), ["LOGIN bo lobby head 0"], "nothing of it is told or replayed");

    world.disk_is_full = true;
    let said = world.command(r#"{"op":"MSG","data":"lost"}"#);
    world.adds(ana, said);
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.disk_is_full = false;
    world.recovers();
    world.loses(bo);
    world.sends(ana, r#"{"op":"MSG","data":{"room":"ops","msg":"kept"}}"#);
    let bo = world.resumes("bo", Some(0));
    assert_eq!(
        world.hears(bo),
        ["LOGIN bo lobby,ops head 1", "MSG 1<0 ops ana: kept"],
        "its number is used anew"
    );
}

#[test]
fn a_clock_that_jumps_ends_no_session_and_breaks_no_order() {
    const YEAR: u64 = 366 * 24 * 3600 * 1000;
    let mut world = World::new(|rules| rules.ttl_ms = 10_000);
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.hears(ana);
    world.loses(bo);
    world.hears(ana);
    for (at, jump) in [YEAR, 0, 3 * YEAR, 1].into_iter().enumerate() {
        world.now.wall = jump;
        world.now.mono += 1_000;
        world.turn();
        world.sends(ana, &format!(r#"{{"op":"MSG","data":"{at}"}}"#));
        let (seq, prev) = (at + 1, at);
        assert_eq!(world.hears(ana), [format!("MSG {seq}<{prev} lobby ana: {at}")], "nobody has left");
    }
    let bo = world.resumes("bo", Some(0));
    assert_eq!(world.hears(bo).len(), 5, "still there, with all that was said");
    world.loses(bo);
    world.hears(ana);
    world.now.wall = 0;
    world.now.mono += 10_000;
    world.turn();
    assert_eq!(
        world.hears(ana),
        ["PRESENCE lobby bo left"],
        "the TTL goes by the clock that only goes forward"
    );
}
