//! Tests of sessions that outlive connections, restarts, a full disk and a clock that jumps.

use super::*;

#[test]
fn a_lost_session_is_away_then_back_or_left() {
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
fn a_resend_is_answered_with_the_first_message() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.hears(ana);
    world.in_one_turn(ana, &[r#"{"op":"MSG","data":"x","id":5}"#, r#"{"op":"MSG","data":"x","id":5}"#]);
    assert_eq!(world.hears(ana), ["MSG#5 1<0 lobby ana: x", "MSG#5 1<0 lobby ana: x"]);
    world.sends(ana, r#"{"op":"MSG","data":"other","id":5}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG#5 DATA"]);
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
fn a_resend_of_a_recent_message_is_not_kept_twice_even_if_the_message_was_removed() {
    let mut world = World::new(|rules| rules.window = 3);
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    let say = |text: &str, id: &str| format!(r#"{{"op":"MSG","data":"{text}","id":"{id}"}}"#);
    world.sends(ana, &say("x", "a"));
    world.forgets_all();
    world.skips(&[ana, bo]);
    for is_restarted in [false, true] {
        if is_restarted {
            world.restarts();
        }
        let ana = if is_restarted { world.resumes("ana", None) } else { ana };
        world.skips(&[ana]);
        world.sends(ana, &say("x", "a"));
        assert_eq!(world.hears(ana), ["ERROR_MSG#a DATA"], "restarted: {is_restarted}");
        assert_eq!(world.state.counts().head, 1);
    }
    let bo = world.resumes("bo", None);
    for text in ["1", "2", "3"] {
        world.sends(bo, &format!(r#"{{"op":"MSG","data":"{text}"}}"#));
    }
    // It is none of the newest messages, and no store knows it.
    let ana = world.resumes("ana", None);
    world.skips(&[ana]);
    world.sends(ana, &say("x", "a"));
    assert_eq!(world.hears(ana), ["MSG#a 5<4 lobby ana: x"]);
    // An existing message is recognised also when it is older.
    world.sends(bo, r#"{"op":"MSG","data":"4","id":4}"#);
    for n in 5..10 {
        world.sends(bo, &format!(r#"{{"op":"MSG","data":"{n}","id":{n}}}"#));
    }
    world.skips(&[bo]);
    world.sends(bo, r#"{"op":"MSG","data":"4","id":4}"#);
    assert_eq!(world.hears(bo), ["MSG#4 6<5 lobby bo: 4"]);
    assert_eq!(world.state.counts().head, 11);
}

#[test]
fn a_resume_from_another_log_continues_where_the_logs_diverged() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.sends(ana, r#"{"op":"MSG","data":"before"}"#);
    let backup = world.disk.clone();
    world.sends(ana, r#"{"op":"MSG","data":"lost"}"#);
    world.sends(ana, r#"{"op":"MSG","data":"lost, too"}"#);
    world.skips(&[ana, bo]);
    world.disk = backup;
    world.disk.log = LogId { id: "restored".into(), from: 1, before: Vec::new() };
    world.restarts();
    let ana = world.resumes("ana", None);
    for text in ["one", "two", "three"] {
        world.sends(ana, &format!(r#"{{"op":"MSG","data":"{text}"}}"#));
    }
    let (token, _) = world.tokens["bo"].clone();
    for (after, log, goes_on_after) in
        [(3, r#""first""#, 1), (0, r#""first""#, 0), (3, r#""restored""#, 3), (3, "null", 3), (9, "null", 9)]
    {
        let bo = world.connect();
        let login = format!(r#""session":"{token}","after":{after},"log":{log}"#);
        world.sends(bo, &format!(r#"{{"op":"LOGIN","data":{{{login}}}}}"#));
        let said = ["MSG 1<0 lobby ana: before", "MSG 2<1 lobby ana: one", "MSG 3<2 lobby ana: two"];
        let said = said.into_iter().chain(["MSG 4<3 lobby ana: three"]).skip(goes_on_after);
        let wanted: Vec<_> = std::iter::once("LOGIN bo lobby head 4").chain(said).collect();
        assert_eq!(world.hears(bo), wanted, "{after} of {log}");
    }
}

#[test]
fn held_messages_are_delivered_once_the_disk_has_room_and_new_ones_are_refused_until_then() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    world.disk_is_full = true;
    world.sends(ana, r#"{"op":"MSG","data":"x","id":1}"#);
    world.sends(ana, r#"{"op":"MSG","data":"y","id":2}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG#2 INTERNAL"], "the first one may yet be kept");
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"new"}}"#);
    world.sends(ana, r#"{"op":"PING"}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG INTERNAL", "PING"]);
    let cy = world.login("cy");
    assert_eq!(world.hears(cy), ["LOGIN cy lobby head 0"], "coming and going goes on");
    // It is the same message: one answer is enough, but two do no harm.
    world.sends(ana, r#"{"op":"MSG","data":"x","id":1}"#);
    assert_eq!(world.hears(ana), ["PRESENCE lobby cy joined"]);
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.hears(ana), ["MSG#1 1<0 lobby ana: x", "MSG#1 1<0 lobby ana: x"]);
    assert_eq!(world.hears(bo), ["PRESENCE lobby cy joined", "MSG 1<0 lobby ana: x"]);
    assert!(world.hears(cy).is_empty(), "it was said before cy came");
    world.sends(ana, r#"{"op":"MSG","data":"y","id":2}"#);
    assert_eq!(world.hears(cy), ["MSG 2<1 lobby ana: y"]);
    world.restarts();
    let cy = world.resumes("cy", Some(0));
    assert_eq!(world.hears(cy), ["LOGIN cy lobby head 2", "MSG 2<1 lobby ana: y"]);
}

#[test]
fn a_message_that_was_not_kept_was_not_delivered() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    world.disk_is_full = true;
    world.sends(ana, r#"{"op":"MSG","data":"x","id":1}"#);
    assert!(world.hears(ana).is_empty() && world.hears(bo).is_empty());
    world.disk_is_full = false;
    world.is_killed();
    let [ana, bo] = ["ana", "bo"].map(|name| world.resumes(name, Some(0)));
    world.skips(&[ana, bo]);
    world.sends(ana, r#"{"op":"MSG","data":"x","id":1}"#);
    assert_eq!(world.hears(bo), ["MSG 1<0 lobby ana: x"], "its number is used anew");
}

#[test]
fn many_expired_sessions_are_spread_over_turns() {
    let mut world = World::new(|rules| {
        rules.ttl_ms = 10;
        rules.presence_limit = 0;
    });
    for n in 0..10 {
        let c = world.login(&format!("u{n}x"));
        world.loses(c);
    }
    world.now.mono += 100;
    world.expires = 4;
    for left in [6, 2, 0] {
        assert!(world.edge.next_ending().is_some());
        world.turn();
        assert_eq!(world.state.counts().sessions, left);
    }
    assert_eq!(world.edge.next_ending(), None);
}

#[test]
fn a_session_that_resumes_and_joins_gets_a_held_message_once_and_only_of_its_old_rooms() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.loses(bo);
    world.skips(&[ana]);
    // In one turn: a message is sent, and then bo resumes. The disk is full.
    world.disk_is_full = true;
    let said = world.command(r#"{"op":"MSG","data":"1"}"#);
    let in_ops = world.command(r#"{"op":"MSG","data":{"room":"ops","msg":"2"}}"#);
    world.adds(ana, said);
    world.adds(ana, in_ops);
    let bo = world.resumes("bo", Some(0));
    assert_eq!(world.hears(bo), ["LOGIN bo lobby head 0"], "no number that may be another message's");
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.skips(&[bo]);
    // And once more.
    world.loses(bo);
    let bo = world.resumes("bo", Some(0));
    assert_eq!(world.hears(bo), ["LOGIN bo lobby,ops head 0"]);
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.hears(bo), ["MSG 1<0 lobby ana: 1"], "what was said in ops before bo came is not bo's");
    world.sends(ana, r#"{"op":"MSG","data":{"room":"ops","msg":"3"}}"#);
    assert_eq!(world.hears(bo), ["MSG 3<2 ops ana: 3"]);
}

#[test]
fn a_user_who_leaves_or_is_evicted_does_not_get_a_held_message() {
    let mut world = World::new(|_| {});
    world.proven = vec!["ana"];
    let [ana, bo, cy, dee] = ["ana", "bo", "cy", "dee"].map(|name| world.login(name));
    for who in [ana, bo, cy, dee] {
        world.sends(who, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    }
    world.skips(&[ana, bo, cy, dee]);
    world.disk_is_full = true;
    world.sends(bo, r#"{"op":"MSG","data":{"room":"ops","msg":"1"},"id":1}"#);
    world.sends(bo, r#"{"op":"LEAVE","data":{"room":"ops"}}"#);
    world.sends(dee, r#"{"op":"LEAVE","data":{"room":"ops"}}"#);
    world.sends(dee, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.sends(ana, r#"{"op":"KICK","data":{"user":"cy","room":"ops"}}"#);
    world.skips(&[ana, bo, cy, dee]);
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.hears(ana), ["MSG 1<0 ops bo: 1"]);
    assert_eq!(world.hears(bo), ["MSG#1 1<0 ops bo: 1"], "its author gets the answer");
    assert!(world.hears(cy).is_empty());
    assert!(world.hears(dee).is_empty(), "dee came back after it");
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

#[test]
fn an_id_is_not_recognised_for_another_user_or_room_of_the_same_name() {
    let mut world = World::new(|_| {});
    world.registers("bo");
    let [bo, ana] = [world.logs_in("bo", "bo"), world.login("ana")];
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    let to_ana = r#"{"op":"MSG","data":{"to":"ana","msg":"hello"},"id":"d1"}"#;
    let in_ops = r#"{"op":"MSG","data":{"room":"ops","msg":"hello"},"id":"d2"}"#;
    world.skips(&[bo, ana]);
    world.in_one_turn(bo, &[to_ana, in_ops]);
    let kept = ["MSG#d1 1<0 @ana bo: hello", "MSG#d2 2<0 ops bo: hello"];
    assert_eq!(world.hears(bo), kept);
    world.in_one_turn(bo, &[to_ana, in_ops]);
    assert_eq!(world.hears(bo), kept, "sent again");
    world.skips(&[ana]);
    world.sends(ana, r#"{"op":"QUIT"}"#);
    world.skips(&[bo]);
    world.sends(bo, to_ana);
    assert_eq!(world.hears(bo), [kept[0]], "nobody has the name: it is the message that was kept");
    let ana = world.login("ana");
    world.skips(&[bo, ana]);
    world.sends(bo, to_ana);
    assert_eq!(world.hears(bo), ["ERROR_MSG#d1 DATA"], "this ana has not got it");
    world.sends(bo, r#"{"op":"MSG","data":{"to":"ana","msg":"hi"},"id":"d3"}"#);
    world.sends(bo, to_ana);
    assert_eq!(world.hears(bo), ["MSG#d3 3<0 @ana bo: hi", "ERROR_MSG#d1 DATA"]);
    assert_eq!(world.hears(ana), ["MSG 3<0 @ana bo: hi"]);
}

#[test]
fn a_session_that_resumes_and_is_evicted_does_not_get_a_held_message() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    for who in [ana, bo] {
        world.sends(who, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    }
    world.loses(bo);
    world.skips(&[ana]);
    world.disk_is_full = true;
    world.sends(ana, r#"{"op":"MSG","data":{"room":"ops","msg":"1"}}"#);
    let bo = world.resumes("bo", Some(0));
    world.sends(bo, r#"{"op":"LEAVE","data":{"room":"ops"}}"#);
    world.skips(&[bo]);
    world.disk_is_full = false;
    world.recovers();
    assert!(world.hears(bo).is_empty(), "as of those who were connected all the time");
}

#[test]
fn resends_of_a_held_message_take_no_memory_and_are_not_refused_as_not_kept() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.disk_is_full = true;
    let line = r#"{"op":"MSG","data":"x","id":1}"#;
    for _ in 0..3 {
        world.sends(ana, line);
    }
    world.sends(ana, line);
    let heard = world.hears(ana);
    assert_eq!(
        heard[heard.len() - 2..],
        ["ERROR_MSG#1 RATE_LIMITED 1000 ms"; 2],
        "the answer waits: {heard:?}"
    );
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.hears(ana), ["MSG#1 1<0 lobby ana: x"; 2]);
}
