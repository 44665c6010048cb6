//! Tests of the limits of requests, bytes, sessions and rooms, and of the refusals.

use super::*;
use crate::rate::Limit;

#[test]
fn a_limit_is_refused_with_its_name() {
    let mut world = World::new(|rules| {
        rules.rate = Limit { per_second: 1, burst: 2 };
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
fn every_line_counts_and_a_flooding_client_is_read_more_slowly() {
    let mut world = World::new(|rules| {
        rules.rate = Limit { per_second: 1, burst: 3 };
        rules.errors = 0;
    });
    let ana = world.login("ana");
    world.hears(ana);
    for line in [r#"{"op":"PING"}"#, "nonsense", r#"{"op":"WHO"}"#] {
        world.sends(ana, line);
        world.hears(ana);
    }
    assert_eq!(world.slowed.get(&ana), None);
    // LOGIN, PING and QUIT are still answered, and an error is still the same error.
    for (line, heard) in [
        (r#"{"op":"MSG","data":"x"}"#, "ERROR_MSG RATE_LIMITED 1000 ms"),
        (r#"{"op":"PING"}"#, "PING"),
        ("nonsense", "ERROR_MSG PARSE"),
    ] {
        world.sends(ana, line);
        assert_eq!(world.hears(ana), [heard]);
    }
    assert_eq!(world.slowed.get(&ana), Some(&3));
    // Before a login the limits of the connection count.
    let door = world.connect();
    for _ in 0..5 {
        world.sends(door, r#"{"op":"WHO"}"#);
    }
    assert_eq!(world.hears(door), ["ERROR_MSG NOT_LOGGED_IN"; 5]);
    assert_eq!(world.slowed.get(&door), Some(&2));
}

#[test]
fn too_many_bytes_slow_a_client_down_and_then_are_refused() {
    let mut world = World::new(|rules| rules.flow = Limit { per_second: 1_000, burst: 1_000 });
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
fn direct_messages_to_strangers_are_limited_and_a_user_who_answers_is_no_stranger() {
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
fn a_room_beyond_the_limits_is_not_opened() {
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
fn large_rooms_are_not_told_of_presence() {
    let mut world = World::new(|rules| rules.presence_limit = 2);
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    let cy = world.login("cy");
    assert_eq!(world.hears(ana), ["LOGIN ana lobby head 0", "PRESENCE lobby bo joined"]);
    world.skips(&[bo, cy]);
    world.sends(ana, r#"{"op":"WHO","data":{"room":"lobby"}}"#);
    assert_eq!(world.hears(ana), ["WHO lobby [ana here, bo here, cy here] of 3"]);
}

#[test]
fn a_request_that_names_or_lists_much_counts_as_many_lines() {
    let mut world = World::new(|rules| {
        rules.rate = Limit { per_second: 1, burst: 10 };
        rules.create = true;
    });
    let ana = world.login("ana");
    world.operator(|state| {
        for n in 0..450 {
            assert!(state.open_room_of_nobody(&format!("room{n}").parse().unwrap()));
        }
    });
    world.hears(ana);
    // 451 rooms count as five lines.
    for expected in ["ROOMS", "ROOMS", "ERROR_MSG RATE_LIMITED 5000 ms"] {
        world.sends(ana, r#"{"op":"ROOMS"}"#);
        let heard = world.hears(ana);
        assert!(heard.len() == 1 && heard[0].starts_with(expected), "{heard:?}");
    }
    // A login is not refused for it, but its connection is read more slowly.
    let bo = world.connect();
    for _ in 0..2 {
        world.sends(
            bo,
            r#"{"op":"LOGIN","data":{"name":"bo","rooms":["a","b","c","d","e","f","l\u006fbby","I0bby"]}}"#,
        );
    }
    assert_eq!(world.hears(bo), ["ERROR_MSG NAME_TAKEN"; 2]);
    assert_eq!(world.slowed.get(&bo), Some(&9));
}

#[test]
fn a_login_that_is_refused_for_one_room_opens_none() {
    let mut world = World::new(|rules| rules.rooms = 4);
    let (rooms, last) = (world.state.counts().rooms, world.state.snapshot().last_conversation);
    for (names, heard) in [
        (r#""a","b","I0bby""#, "ERROR_MSG NAME_TAKEN"),
        (r#""rooml","b","roomI""#, "ERROR_MSG NAME_TAKEN"),
        (r#""a","b","c","d""#, "ERROR_MSG NO_SUCH_ROOM"),
    ] {
        let bo = world.connect();
        world.sends(bo, &format!(r#"{{"op":"LOGIN","data":{{"name":"bo","rooms":[{names}]}}}}"#));
        assert_eq!(world.hears(bo), [heard], "{names}");
        assert_eq!((world.state.counts().rooms, world.state.snapshot().last_conversation), (rooms, last));
    }
    let bo = world.connect();
    world.sends(bo, r#"{"op":"LOGIN","data":{"name":"bo","rooms":["a","A","b","a","lobby"]}}"#);
    assert_eq!(world.hears(bo), ["LOGIN bo a,b,lobby head 0"]);
}

#[test]
fn a_network_has_at_most_half_of_the_sessions_and_rooms() {
    let mut world = World::new(|rules| {
        rules.sessions = 4;
        rules.rooms = 5;
    });
    world.address = "192.0.2.1".parse().unwrap();
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    let cy = world.login("cy");
    assert_eq!(world.hears(cy), ["ERROR_MSG SERVER_FULL", "(closed: server full)"]);
    for (who, room, answer) in
        [(ana, "a", "JOIN a"), (ana, "b", "JOIN b"), (bo, "c", "JOIN c"), (bo, "d", "ERROR_MSG")]
    {
        world.skips(&[ana, bo]);
        world.sends(who, &format!(r#"{{"op":"JOIN","data":{{"room":"{room}"}}}}"#));
        let heard = world.hears(who);
        assert!(heard[0].starts_with(answer), "{heard:?}");
    }
    // Other networks have the rest.
    world.address = "192.0.2.2".parse().unwrap();
    let dee = world.connect();
    world.sends(dee, r#"{"op":"LOGIN","data":{"name":"dee","rooms":["lobby","d"]}}"#);
    assert_eq!(world.hears(dee), ["LOGIN dee lobby,d head 0"]);
    // A place that is returned can be used again.
    world.sends(ana, r#"{"op":"LEAVE","data":{"room":"a"}}"#);
    world.sends(ana, r#"{"op":"QUIT"}"#);
    world.address = "192.0.2.1".parse().unwrap();
    let cy = world.login("cy");
    world.sends(cy, r#"{"op":"JOIN","data":{"room":"e"}}"#);
    assert_eq!(world.hears(cy).last().unwrap(), "JOIN e head 0 [cy here] of 1");
}

#[test]
fn moderation_has_a_rate_limit_that_no_human_reaches() {
    let mut world = World::new(|_| {});
    world.proven = vec!["ana"];
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    world.hears(ana);
    let mute = r#"{"op":"MUTE","data":{"user":"bo","room":"hers"}}"#;
    let lines: Vec<_> = std::iter::repeat_n(mute, 301).collect();
    world.in_one_turn(ana, &lines);
    let heard = world.hears(ana);
    assert_eq!(heard.iter().filter(|line| *line == "MUTE").count(), 300);
    assert_eq!(heard.last().unwrap(), "ERROR_MSG RATE_LIMITED 2040 ms");
    assert_eq!(world.disk.audit.len(), 300);
    world.passes(2_040);
    world.sends(ana, mute);
    assert_eq!(world.hears(ana), ["MUTE"], "the wait was true");
}

#[test]
fn a_cursor_beyond_the_head_misses_no_message() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
    world.loses(ana);
    let ana = world.resumes("ana", Some(u64::MAX));
    assert_eq!(world.hears(ana), ["LOGIN ana lobby head 1"]);
}

#[test]
fn a_new_session_has_no_new_burst() {
    let mut world = World::new(|rules| {
        rules.network_flow = Limit { per_second: 1_000, burst: 2_000 };
    });
    world.address = "2001:db8::1".parse().unwrap();
    let ana = world.login("ana");
    let reads = |world: &mut World, who, bytes| {
        world.skips(&[who]);
        world.adds(who, Command::Read(bytes));
        world.sends(who, r#"{"op":"MSG","data":"x"}"#);
        world.hears(who).remove(0)
    };
    assert!(reads(&mut world, ana, 3_000).starts_with("MSG "), "on credit");
    assert_eq!(world.slowed.remove(&ana), Some(1_000));
    world.address = "2001:db8::2".parse().unwrap();
    let bo = world.login("bo");
    assert_eq!(
        reads(&mut world, bo, 10),
        "ERROR_MSG RATE_LIMITED 1000 ms",
        "another session, the same network"
    );
    world.address = "2001:db8:1::1".parse().unwrap();
    let cy = world.login("cy");
    assert!(reads(&mut world, cy, 10).starts_with("MSG "));
    world.passes(1_000);
    assert!(reads(&mut world, bo, 10).starts_with("MSG "), "the wait was true");
}

#[test]
fn a_network_stores_a_limited_number_of_bytes_in_a_day() {
    let mut world = World::new(|rules| {
        rules.network_stored = Limit { per_second: 1, burst: 200 };
    });
    world.proven = vec!["pro"];
    world.address = "192.0.2.1".parse().unwrap();
    let [ana, pro] = ["ana", "pro"].map(|name| world.login(name));
    let says = |world: &mut World, who| {
        world.skips(&[who]);
        world.adds(who, Command::Read(30));
        world.sends(who, r#"{"op":"MSG","data":"x"}"#);
        world.hears(who).remove(0)
    };
    assert!(says(&mut world, ana).starts_with("MSG "));
    assert!(says(&mut world, ana).starts_with("MSG "), "the last on credit");
    assert!(says(&mut world, ana).starts_with("ERROR_MSG RATE_LIMITED "));
    assert!(says(&mut world, pro).starts_with("MSG "), "a registered user has a quota of its own");
    world.sends(ana, r#"{"op":"QUIT"}"#);
    let bo = world.login("bo");
    assert!(says(&mut world, bo).starts_with("ERROR_MSG RATE_LIMITED "), "a new session changes nothing");
    world.passes(3_600_000);
    assert!(says(&mut world, bo).starts_with("MSG "));
}
