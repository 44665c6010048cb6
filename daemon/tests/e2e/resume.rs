//! Tests of the resume: from the cursor on, each message once and in order, after a lost connection, a
//! takeover and a killed daemon.

use crate::common::{Daemon, Session};
use serde_json::{Value, json};

#[test]
fn missed_messages_come_once_and_in_order_before_new_ones() {
    let daemon = Daemon::start();
    let mut bo = daemon.login_to("bo", &["lobby", "ops", "dev"]);
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    bo.says_in("ops", "seen");
    ana.hears("seen");
    let session = ana.vanishes();
    bo.sees("ana", "joined");
    bo.sees("ana", "joined");
    bo.sees("ana", "away");
    for n in 0..30 {
        bo.says_in(["lobby", "ops", "dev"][n % 3], &format!("missed {n}"));
        if n % 10 == 0 {
            bo.tells("ana", &format!("to you {n}"));
        }
    }
    let mut ana = daemon.resume(&session);
    for n in 0..30 {
        if n % 3 != 2 {
            ana.hears(&format!("missed {n}"));
        }
        if n % 10 == 0 {
            ana.hears(&format!("to you {n}"));
        }
    }
    bo.says("live");
    ana.hears("live");
    ana.has_nothing("MSG");
}

#[test]
fn no_message_is_lost_between_catch_up_and_live_delivery() {
    let daemon = Daemon::with("limits.messages_per_second = 0");
    let mut ana = daemon.login("ana");
    let mut bo = daemon.login("bo");
    ana.says("start");
    let mut session: Session = ana.vanishes();
    let talk = std::thread::spawn(move || {
        for n in 0..4000 {
            bo.sends(&json!({"op": "MSG", "data": n.to_string()}));
        }
        bo.hears("start");
        for n in 0..4000 {
            bo.hears(&n.to_string());
        }
        bo
    });
    // It reconnects while others send. Each peer checks that the chain has no gap.
    let mut heard = Vec::new();
    while heard.len() < 4000 {
        let mut ana = daemon.resume(&session);
        let rest = 4000 - heard.len();
        for _ in 0..rest.min(170) {
            let message = ana.next_message();
            session.cursor = message.seq;
            heard.push(message.text);
        }
    }
    assert_eq!(heard, (0..4000).map(|n| n.to_string()).collect::<Vec<_>>());
    talk.join().unwrap();
}

#[test]
fn without_after_only_new_messages_come() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let mut bo = daemon.login("bo");
    ana.sees("bo", "joined");
    let session = ana.vanishes();
    bo.sees("ana", "away");
    let last = bo.says("missed");
    let mut ana = daemon.connect();
    assert_eq!(ana.resumes(&session, None)["head"], last.seq);
    bo.says("new");
    ana.hears("new");
}

#[test]
fn a_resumed_session_keeps_its_rooms_and_its_name() {
    let daemon = Daemon::start();
    let mut ana = daemon.connect();
    ana.logs_in_with(json!({"name": "Ana", "color": "cyan", "rooms": ["ops"]}));
    ana.asks("JOIN", json!({"room": "dev"}));
    ana.asks("LEAVE", json!({"room": "ops"}));
    let session = ana.vanishes();
    let mut ana = daemon.connect();
    let data = json!({"name": "Ana", "session": session.token, "rooms": ["lobby", "ops"]});
    let reply = ana.logs_in_with(data);
    assert_eq!((&reply["name"], &reply["rooms"]), (&json!("Ana"), &json!(["dev"])));
    ana.says_in("dev", "here");
}

#[test]
fn a_living_connection_is_taken_over() {
    let daemon = Daemon::start();
    let mut bo = daemon.login("bo");
    let mut old = daemon.login("ana");
    bo.sees("ana", "joined");
    old.says("before");
    let session = old.session();
    let mut new = daemon.resume(&session);
    old.is_noticed("TAKEN_OVER");
    old.is_closed();
    bo.hears("before");
    bo.says("after");
    new.hears("after");
    new.has_nothing("MSG");
    // The end of the old connection is not the end of the session.
    assert_eq!(bo.asks("WHO", json!({"room": "lobby"}))["member_count"], 2);
    new.says("it is me");
    bo.hears("it is me");
}

#[test]
fn a_wrong_token_opens_nothing_and_closes_nothing() {
    let daemon = Daemon::start();
    let ana = daemon.login("ana");
    let good = ana.session().token;
    let mut eve = daemon.connect();
    let mut other = good.clone().into_bytes();
    other[3] = if other[3] == b'a' { b'b' } else { b'a' };
    let other = String::from_utf8(other).unwrap();
    for token in
        ["", "x", &other, &good[1..], &format!("{good}="), &format!("{good}a"), "🦀", &"x".repeat(5000)]
    {
        eve.is_refused("LOGIN", json!({"name": "ana", "session": token}), "SESSION_EXPIRED");
    }
    eve.is_refused("LOGIN", json!({"name": "ana", "session": 7}), "DATA");
    eve.login("eve");
    drop(ana);
}

#[test]
fn a_message_sent_again_is_kept_once() {
    let daemon = Daemon::start();
    let mut bo = daemon.login("bo");
    let mut ana = daemon.login("ana");
    bo.sees("ana", "joined");
    let data = json!({"room": "lobby", "msg": "once"});
    let first = ana.says_as(json!("id-1"), data.clone());
    let again = ana.says_as(json!("id-1"), data.clone());
    assert_eq!(again, first);
    let session = ana.vanishes();
    let mut ana = daemon.resume(&session);
    assert_eq!(ana.says_as(json!("id-1"), data.clone()), first);
    // Another id is another message, and so is a number with the same digits.
    ana.says_as(json!(1), json!({"room": "lobby", "msg": "a number"}));
    ana.says_as(json!("1"), json!({"room": "lobby", "msg": "a string"}));
    // The same id in another session is another message.
    let bos = bo.says_as(json!("id-1"), data);
    assert!(bos.seq > first.seq);
    let kept: Vec<_> = bo.reads_all(&json!({"room": "lobby"})).into_iter().map(|m| m.text).collect();
    assert_eq!(kept, ["once", "a number", "a string", "once"]);
}

#[test]
fn a_direct_message_sent_again_is_kept_once() {
    let daemon = Daemon::start();
    let (mut ana, mut bo) = (daemon.login("ana"), daemon.login("bo"));
    let data = json!({"to": "bo", "msg": "psst"});
    let first = ana.says_as(json!(7), data.clone());
    assert_eq!(ana.says_as(json!(7), data), first);
    bo.hears("psst");
    bo.has_nothing("MSG");
}

#[test]
fn sessions_outlive_a_killed_daemon() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let mut bo = daemon.login("bo");
    bo.says("seen");
    ana.hears("seen");
    let ana = ana.vanishes();
    bo.sees("ana", "away");
    let kept = bo.says_as(json!("k"), json!({"room": "lobby", "msg": "kept"}));
    bo.tells("ana", "kept too");
    let bo = bo.session();
    daemon.kill();
    daemon.start_again();

    let mut bo = daemon.resume(&bo);
    assert_eq!(bo.says_as(json!("k"), json!({"room": "lobby", "msg": "kept"})).seq, kept.seq);
    let mut ana = daemon.resume(&ana);
    ana.hears("kept");
    ana.hears("kept too");
    ana.has_nothing("MSG");
    let next = bo.says("after the kill");
    assert_eq!(next.prev, kept.seq);
    ana.hears("after the kill");
    ana.says_in("ops", "my rooms are mine");
}

#[test]
fn the_ttl_counts_on_after_a_restart() {
    let mut daemon = Daemon::with("sessions.ttl = \"3s\"");
    let ana = daemon.login("ana").session();
    daemon.kill();
    daemon.start_again();
    let mut bo = daemon.login("bo");
    bo.is_refused("LOGIN", json!({"name": "x"}), "ALREADY_LOGGED_IN");
    let who = bo.asks("WHO", json!({"room": "lobby"}));
    let away = who["members"].as_array().unwrap().iter().any(|m| m["user"] == "ana" && m["state"] == "away");
    assert!(away, "{who}");
    bo.sees("ana", "left");
    let mut late = daemon.connect();
    late.is_refused("LOGIN", json!({"name": "ana", "session": ana.token}), "SESSION_EXPIRED");
}

#[test]
fn a_gap_that_retention_made_is_reported_first() {
    let daemon = Daemon::with("history.retain = \"1s\"\nlimits.messages_per_second = 0");
    let mut bo = daemon.login("bo");
    let ana = daemon.login("ana");
    bo.sees("ana", "joined");
    let session = ana.vanishes();
    bo.sees("ana", "away");
    let first = bo.says("old 0").seq;
    for n in 1..50 {
        bo.says(&format!("old {n}"));
    }
    // Requests until retention has removed them.
    let deadline = std::time::Instant::now() + 2 * crate::common::PATIENCE;
    loop {
        let page = bo.asks("HISTORY", json!({"room": "lobby", "limit": 500}));
        if page["messages"] == json!([]) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "nothing is ever removed");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let fresh = bo.says("fresh");
    let mut ana = daemon.resume(&session);
    let line = ana.next_where("NOTICE or MSG", |l| l["op"] == "NOTICE" || l["op"] == "MSG");
    assert_eq!((&line["op"], &line["data"]["kind"]), (&json!("NOTICE"), &json!("GAP")), "{line}");
    let (from, to) = (line["data"]["from"].as_u64().unwrap(), line["data"]["to"].as_u64().unwrap());
    assert!(from <= first && to >= first + 49 && to < fresh.seq, "{line}");
    ana.hears("fresh");
}

#[test]
fn the_reply_to_login_comes_before_all_events() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let mut bo = daemon.login("bo");
    ana.sees("bo", "joined");
    let session = ana.vanishes();
    bo.sees("ana", "away");
    for n in 0..100 {
        bo.says(&format!("{n}"));
    }
    let mut ana = daemon.connect();
    ana.starts_after(&session);
    let data = json!({"name": "ana", "session": session.token, "after": session.cursor});
    ana.sends(&json!({"op": "LOGIN", "data": data}));
    let first: Value = ana.try_next().unwrap().unwrap();
    assert_eq!(first["op"], "LOGIN", "{first}");
    for n in 0..100 {
        ana.hears(&n.to_string());
    }
}
