//! Tests of idempotency keys of posts when the session that posts does not get the usual answer: its
//! connection has a full outbox, or it is ended.

use crate::accounts::done;
use crate::common::{Daemon, Peer, run};
use crate::posts::{Machine, daemon, texts};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

/// The messages of others at the same moment, if they are large, take the place of its answer.
#[test]
fn the_first_post_is_never_answered_like_a_resend() {
    let limits = "limits.msg_bytes = \"256 KiB\"\nlimits.line_bytes = \"512 KiB\"\n\
                  limits.messages_per_second = 0\n";
    let daemon = daemon(limits);
    let machine = Machine::of(&daemon);
    machine.says("ops", "enters");
    machine.says("board", "enters");
    let address = daemon.address();
    let (client, stop) = (daemon.client(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut ana = Peer::connect(address, client.clone()).unwrap();
            ana.logs_in_with(json!({"name": "ana", "rooms": ["board"]}));
            // Bounded, so that a failing test ends.
            for _ in 0..100_000 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                ana.says_in("board", "meanwhile");
            }
        });
        let big = "x".repeat(200 * 1024);
        let answers: Vec<_> = (0..40)
            .map(|n| {
                let body = json!({"text": format!("{n} {big}")}).to_string();
                machine.posts_with("ops", &[("Idempotency-Key", &format!("job-{n}"))], &body).status
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(answers, [201; 40]);
    });
    let mut bo = daemon.login_to("bo", &["ops"]);
    assert_eq!(texts(&mut bo, "ops").len(), 41, "each is kept once");
}

/// Regression test: the keys belonged to the session, and were lost with it.
#[test]
fn a_key_answers_for_its_message_also_when_the_session_was_ended() {
    for ttl in ["2m", "0s"] {
        let daemon = daemon(&format!("sessions.ttl = \"{ttl}\""));
        let machine = Machine::of(&daemon);
        let keyed = |text: &str| {
            machine.posts_with("ops", &[("Idempotency-Key", "job-1")], &json!({"text": text}).to_string())
        };
        let first = keyed("done");
        assert_eq!(first.status, 201);
        done(&daemon, &["kick", "alerts"]);
        machine.says("ops", "in another session");
        let again = keyed("done");
        assert_eq!((again.status, &again.json()["seq"]), (200, &first.json()["seq"]), "{ttl}");
        assert_eq!(keyed("failed").status, 422, "{ttl}");
        let mut ana = daemon.login_to("ana", &["ops"]);
        assert_eq!(texts(&mut ana, "ops"), ["done", "in another session"]);
    }
}

/// With a time-to-live of zero, every session but the one of the keys may be away for no time.
#[test]
fn a_key_is_known_after_a_restart_whatever_the_ttl_of_sessions() {
    let mut daemon = daemon("sessions.ttl = \"0s\"");
    let keyed = |daemon: &Daemon| {
        let machine = Machine::of(daemon);
        let answer = machine.posts_with("ops", &[("Idempotency-Key", "job-1")], r#"{"text": "done"}"#);
        (answer.status, answer.json()["seq"].as_u64())
    };
    let (status, first) = keyed(&daemon);
    assert_eq!(status, 201);
    for how in ["TERM", "KILL"] {
        daemon.signal(how);
        daemon.ended();
        daemon.start_again();
        assert_eq!(keyed(&daemon), (200, first), "after {how}");
    }
    let mut bo = daemon.login("bo");
    let ana = daemon.login("ana");
    bo.sees("ana", "joined");
    drop(ana);
    bo.sees("ana", "away");
    bo.sees("ana", "left");
}

/// Room names are compared after normalisation: it is the same room.
#[test]
fn a_new_spelling_of_a_room_forgets_neither_keys_nor_notifications() {
    let daemon = daemon("");
    let machine = Machine::of(&daemon);
    let alert = r#"{"alerts": [{"status": "firing", "labels": {"alertname": "Down"}}]}"#;
    let keyed = || machine.posts_with("ops", &[("Idempotency-Key", "job-1")], r#"{"text": "done"}"#);
    let (first, told) = (keyed(), machine.posts_with("ops", &[], alert));
    assert_eq!((first.status, told.status), (201, 201));
    let config = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"ops\"", "\"Ops\"")).unwrap();
    let end = run(daemon.folder(), &["reload"], "");
    assert_eq!((end.code, end.out.as_str()), (Some(0), "reloaded; changed: http.rooms"), "{}", end.err);
    let (again, retold) = (keyed(), machine.posts_with("ops", &[], alert));
    assert_eq!((again.status, &again.json()["seq"]), (200, &first.json()["seq"]));
    assert_eq!((retold.status, &retold.json()["seq"]), (200, &told.json()["seq"]));
}

/// The text of two notifications may be equal although the notifications differ: above ten alerts it is a
/// number.
#[test]
fn a_key_names_one_body_also_with_an_equal_notification() {
    let mut daemon = daemon("");
    let alerts = |last: &str| {
        let alert = |name: String| json!({"status": "firing", "labels": {"alertname": name}});
        let mut all: Vec<_> = (0..10).map(|n| alert(format!("a{n}"))).collect();
        all.push(alert(last.to_owned()));
        json!({ "alerts": all }).to_string()
    };
    let keyed = |daemon: &Daemon, key: &str, body: &str| {
        let answer = Machine::of(daemon).posts_with("ops", &[("Idempotency-Key", key)], body);
        (answer.status, answer.json()["seq"].as_u64())
    };
    let (disk, door) = (alerts("disk"), alerts("door"));
    let (status, first) = keyed(&daemon, "job-1", &disk);
    assert_eq!(status, 201);
    assert_eq!(keyed(&daemon, "job-1", &door).0, 422);
    assert_eq!(keyed(&daemon, "job-1", &disk), (200, first));
    let (spaced, dense) = (r#"{"text": "done"}"#, r#"{"text":"done"}"#);
    assert_eq!(keyed(&daemon, "job-2", spaced).0, 201);
    assert_eq!(keyed(&daemon, "job-2", dense).0, 422);
    // After a restart only the text is known: the first post does not make the other one wrong.
    daemon.restart();
    assert_eq!(keyed(&daemon, "job-1", &door), (200, first));
    assert_eq!(keyed(&daemon, "job-1", &disk), (200, first));
    assert_eq!(keyed(&daemon, "job-1", r#"{"text": "done"}"#).0, 422);
    let mut ana = daemon.login_to("ana", &["ops"]);
    assert_eq!(texts(&mut ana, "ops").len(), 2, "each is kept once");
}
