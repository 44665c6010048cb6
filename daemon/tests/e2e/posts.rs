//! Tests of the webhook: who may post, the text of a post, that it is stored before it is confirmed, and that
//! the rules of rooms apply to it.

use crate::accounts::done;
use crate::common::http::{Answer, Scrape, address, request};
use crate::common::{Daemon, Peer};
use serde_json::{Value, json};
use std::net::SocketAddr;

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SETTINGS: &str = "http.address = \"127.0.0.1:0\"\nhttp.token_file = \"http.token\"\n\
                        http.rooms = [\"ops\", \"board\", \"lobby\"]\nmetrics.address = \"127.0.0.1:0\"\n\
                        log.level = \"trace\"\n";

pub(crate) struct Machine {
    at: SocketAddr,
}

impl Machine {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        Self { at: address(daemon, "http_listening") }
    }

    pub(crate) fn posts_with(&self, room: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let path = format!("/rooms/{room}/messages");
        let token = format!("Bearer {TOKEN}");
        let mut all = vec![("Authorization", token.as_str())];
        all.extend(headers);
        request(self.at, "POST", &path, &all, body)
    }

    fn posts(&self, room: &str, body: &Value) -> Answer {
        self.posts_with(room, &[], &body.to_string())
    }

    /// Posts a text that is stored. Returns its number.
    pub(crate) fn says(&self, room: &str, text: &str) -> u64 {
        let answer = self.posts(room, &json!({"text": text}));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["seq"].as_u64().unwrap()
    }

    fn is_refused(&self, room: &str, body: &Value, status: u16, kind: &str) -> String {
        let answer = self.posts(room, body);
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, error["kind"].as_str().unwrap()), (status, kind), "{answer:?}");
        error["msg"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn daemon(settings: &str) -> Daemon {
    Daemon::after(&format!("printf '%s\\n' {TOKEN} >http.token"), &format!("{SETTINGS}{settings}"))
}

pub(crate) fn texts(peer: &mut Peer, room: &str) -> Vec<String> {
    peer.reads_all(&json!({"room": room})).into_iter().map(|m| m.text).collect()
}

#[test]
fn a_text_is_posted_and_kept_before_it_is_confirmed() {
    let mut daemon = daemon("");
    let machine = Machine::of(&daemon);
    let mut ana = daemon.login_to("ana", &["ops"]);
    let text = "deploy \u{1f680}\n\tof \"web\" is \u{202e}done";
    let seq = machine.says("ops", text);
    let heard = ana.hears(text);
    assert_eq!((heard.seq, heard.user.as_str()), (seq, "alerts"));
    // A name can be percent-encoded and in another case.
    assert_eq!(machine.says("O%50s", "two"), seq + 1);
    daemon.kill();
    daemon.start_again();
    let mut bo = daemon.login_to("bo", &["ops"]);
    assert_eq!(texts(&mut bo, "ops"), [text, "two"]);
    assert!(!daemon.log().text().contains(TOKEN) && !daemon.log().text().contains("deploy"));
}

#[test]
fn a_post_without_the_token_is_refused() {
    let daemon = daemon("");
    let at = address(&daemon, "http_listening");
    let mut ana = daemon.login_to("ana", &["ops"]);
    let body = json!({"text": "spam"}).to_string();
    let wrong = format!("Bearer {}", TOKEN.replace('0', "1"));
    let cases: [&[(&str, &str)]; 4] = [
        &[],
        &[("Authorization", &wrong)],
        &[("Authorization", "Basic YWxlcnRzOng=")],
        &[("Authorization", TOKEN)],
    ];
    for headers in cases {
        for room in ["ops", "nowhere"] {
            let answer = request(at, "POST", &format!("/rooms/{room}/messages"), headers, &body);
            assert_eq!((answer.status, answer.headers["www-authenticate"].as_str()), (401, "Bearer"));
        }
    }
    ana.has_nothing("MSG");
    let metrics = address(&daemon, "metrics_listening");
    Scrape::of(metrics).says(&[
        ("authentication_failures_total{reason=\"token\"}", 8.0),
        ("http_posts_total{outcome=\"kept\"}", 0.0),
        ("messages_in_total", 0.0),
    ]);
}

#[test]
fn a_repeated_post_is_kept_once_also_over_a_restart() {
    let mut daemon = daemon("");
    let mut machine = Machine::of(&daemon);
    let again = |machine: &Machine, key: &str, text: &str| {
        let body = json!({"text": text}).to_string();
        let answer = machine.posts_with("ops", &[("Idempotency-Key", key)], &body);
        (answer.status, answer.json()["seq"].as_u64().unwrap())
    };
    let (status, first) = again(&machine, "job-17", "done");
    assert_eq!(status, 201);
    assert_eq!(again(&machine, "job-17", "done"), (200, first));
    assert_eq!(again(&machine, "job-18", "done"), (201, first + 1));
    let elsewhere = machine.posts_with("lobby", &[("Idempotency-Key", "job-17")], r#"{"text": "done"}"#);
    assert_eq!(elsewhere.status, 201, "a key is of its room: {elsewhere:?}");
    // Without a key, each post is a new message.
    assert_eq!(machine.says("ops", "done"), first + 3);
    assert_eq!(machine.says("ops", "done"), first + 4);
    for how in ["TERM", "KILL"] {
        daemon.signal(how);
        daemon.ended();
        daemon.start_again();
        machine = Machine::of(&daemon);
        assert_eq!(again(&machine, "job-17", "done"), (200, first), "after {how}");
    }
    assert_eq!(again(&machine, "job-19", "done"), (201, first + 5));
    let mut ana = daemon.login_to("ana", &["ops"]);
    assert_eq!(texts(&mut ana, "ops").len(), 5);
    let metrics = address(&daemon, "metrics_listening");
    Scrape::of(metrics).says(&[
        ("http_posts_total{outcome=\"kept\"}", 1.0),
        ("http_posts_total{outcome=\"again\"}", 1.0),
        ("resumes_total{outcome=\"resumed\"}", 1.0),
    ]);
}

/// Regression test: the second backup of a day under the key of the first one was answered with 200 and never
/// sent.
#[test]
fn a_key_names_one_message() {
    let mut daemon = daemon("");
    let mut machine = Machine::of(&daemon);
    let keyed = |machine: &Machine, text: &str| {
        machine.posts_with(
            "ops",
            &[("Idempotency-Key", "backup-2026-11-29")],
            &json!({"text": text}).to_string(),
        )
    };
    assert_eq!(keyed(&machine, "the backup is done").status, 201);
    for how in ["TERM", "KILL"] {
        let other = keyed(&machine, "the backup has failed");
        assert_eq!(other.status, 422, "{other:?}");
        assert!(
            other.json()["error"]["msg"].as_str().unwrap().contains("used for another message"),
            "{other:?}"
        );
        let same = keyed(&machine, "the backup is done");
        assert_eq!((same.status, &same.json()["again"]), (200, &json!(true)));
        daemon.signal(how);
        daemon.ended();
        daemon.start_again();
        machine = Machine::of(&daemon);
    }
    let mut ana = daemon.login_to("ana", &["ops"]);
    assert_eq!(texts(&mut ana, "ops"), ["the backup is done"]);
}

#[test]
fn webhooks_become_one_or_two_lines_once() {
    let daemon = daemon("");
    let machine = Machine::of(&daemon);
    let mut ana = daemon.login_to("ana", &["ops"]);
    let alert = json!({"status": "firing", "labels": {"alertname": "Down", "instance": "web1", "severity": "page"},
        "annotations": {"summary": "web1 is gone"}, "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p", "fingerprint": "1"});
    let mut body = json!({"version": "4", "groupKey": "{}:{}", "status": "firing", "truncatedAlerts": 0,
        "receiver": "chat", "externalURL": "http://am", "alerts": [alert]});
    let first = machine.posts("ops", &body);
    assert_eq!(first.status, 201, "{first:?}");
    ana.hears("FIRING Down (page) on web1: web1 is gone");
    let again = machine.posts("ops", &body);
    assert_eq!((again.status, &again.json()["seq"]), (200, &first.json()["seq"]));
    body["status"] = json!("resolved");
    body["alerts"][0]["status"] = json!("resolved");
    assert_eq!(machine.posts("ops", &body).status, 201);
    ana.hears("RESOLVED Down (page) on web1: web1 is gone");
    let grafana = json!({"receiver": "chat", "status": "firing", "orgId": 1, "title": "[FIRING:1] CPU",
        "alerts": [{"status": "firing", "labels": {"alertname": "CPU"}, "annotations": {}, "values": {"A": 1.5}}]});
    assert_eq!(machine.posts("ops", &grafana).status, 201);
    ana.hears("FIRING CPU");
    ana.has_nothing("MSG");
}

/// Above 1 MiB the answer was 413, and Alertmanager does not send again after it.
#[test]
fn a_burst_of_alerts_is_delivered() {
    let daemon = daemon("limits.messages_per_second = 1\nlimits.burst = 40");
    let machine = Machine::of(&daemon);
    let mut ana = daemon.login_to("ana", &["ops"]);
    let alert = |n: usize| {
        json!({"status": "firing", "labels": {"alertname": "Pod", "instance": format!("p{n}")},
            "annotations": {"description": "x".repeat(700)}, "startsAt": "2026-11-28T22:00:00Z"})
    };
    for (count, end) in [(1_300, "\nand 1290 more"), (9_000, " more")] {
        let alerts: Vec<_> = (0..count).map(alert).collect();
        let body = json!({"alerts": alerts, "groupKey": count, "receiver": "chat"});
        assert_eq!(machine.posts("ops", &body).status, 201);
        assert_eq!(machine.posts("ops", &body).status, 200, "sent again, it is the same");
        let told = ana.next_message().text;
        assert!(told.starts_with("FIRING Pod on p0: x") && told.ends_with(end), "{told}");
    }
    ana.has_nothing("MSG");
    machine.is_refused("ops", &json!({"text": "\"alerts\":[".repeat(1_000_000)}), 413, "TOO_LARGE");
    // A post above the rate is sent again only after 503.
    let mut last = 0;
    for n in 0..60 {
        last = machine.posts("ops", &json!({"groupKey": n, "alerts": [alert(0)]})).status;
        if last != 201 {
            break;
        }
    }
    assert_eq!(last, 503);
}

#[test]
fn an_invalid_post_is_refused_with_a_sentence() {
    let daemon = daemon("limits.msg_bytes = 100");
    let machine = Machine::of(&daemon);
    let mut ana = daemon.login_to("ana", &["ops"]);
    let msg = machine.is_refused("ops", &json!({"text": "x".repeat(101)}), 413, "TOO_LARGE");
    assert!(msg.contains("101") && msg.contains("100"), "{msg}");
    machine.is_refused("ops", &json!({"text": "x".repeat(2_000_000)}), 413, "TOO_LARGE");
    machine.is_refused("ops", &json!({"text": ""}), 400, "DATA");
    machine.is_refused("ops", &json!({"text": "a\0b"}), 400, "DATA");
    machine.is_refused("ops", &json!({"message": "x"}), 400, "DATA");
    machine.is_refused("ops", &json!(["x"]), 400, "DATA");
    machine.is_refused("nowhere", &json!({"text": "x"}), 404, "NO_SUCH_ROOM");
    machine.is_refused("no%20name", &json!({"text": "x"}), 404, "NO_SUCH_ROOM");
    for body in ["", "text=x", "{\"text\": \"x\"", "\u{fffd}"] {
        let answer = machine.posts_with("ops", &[], body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    let key = "k".repeat(257);
    assert_eq!(machine.posts_with("ops", &[("Idempotency-Key", &key)], r#"{"text":"x"}"#).status, 400);
    assert_eq!(request(machine.at, "GET", "/rooms/ops/messages", &[], "").status, 405);
    assert_eq!(request(machine.at, "POST", "/rooms/ops", &[], "").status, 404);
    assert_eq!(request(machine.at, "GET", "/metrics", &[], "").status, 404);
    ana.has_nothing("MSG");
    machine.says("ops", &"x".repeat(100));
}

#[test]
fn the_permissions_of_rooms_hold_for_webhooks() {
    let daemon = daemon("rooms.create = false\nlimits.messages_per_second = 1\nlimits.burst = 40");
    let machine = Machine::of(&daemon);
    let text = json!({"text": "x"});
    machine.says("ops", "the operator has opened it by naming it");
    machine.says("lobby", "there it may");
    done(&daemon, &["mute", "alerts", "--reason", "too loud"]);
    let msg = machine.is_refused("lobby", &text, 403, "FORBIDDEN");
    assert!(msg.contains("muted") && msg.ends_with(": too loud"), "{msg}");
    done(&daemon, &["unmute", "alerts"]);
    machine.says("lobby", "unmuted");

    done(&daemon, &["room", "set", "board", "private"]);
    machine.is_refused("board", &text, 404, "NO_SUCH_ROOM");
    done(&daemon, &["grant", "alerts", "member", "--room", "board"]);
    machine.says("board", "the minutes");
    done(&daemon, &["grant", "alerts", "read-only", "--room", "board"]);
    machine.is_refused("board", &text, 403, "FORBIDDEN");

    done(&daemon, &["ban", "alerts"]);
    machine.is_refused("lobby", &text, 403, "FORBIDDEN");
    done(&daemon, &["unban", "alerts"]);
    machine.says("lobby", "unbanned");
    done(&daemon, &["kick", "alerts"]);
    machine.says("lobby", "back after a kick");

    // The name belongs to the endpoint.
    daemon.connect().is_refused("LOGIN", json!({"name": "Alerts"}), "AUTH_FAILED");

    let mut last = machine.posts("lobby", &text);
    for _ in 0..60 {
        if last.status != 201 {
            break;
        }
        last = machine.posts("lobby", &text);
    }
    assert_eq!((last.status, last.headers["retry-after"].as_str()), (429, "1"), "{last:?}");
}

#[test]
fn webhooks_work_in_accounts_mode() {
    let daemon = daemon("auth.mode = \"accounts\"\nhttp.name = \"monitor\"");
    Machine::of(&daemon).says("ops", "all is well");
    assert!(done(&daemon, &["user", "list"]).contains("monitor"));
}
