//! The messages of payloads: usual ones, odd ones, and ones that are too long.

use super::*;
use serde_json::{Value, json};

fn message(body: &Value) -> WebhookMessage {
    read(body.to_string().as_bytes(), 8192).unwrap()
}

fn alertmanager(status: &str, starts: &str, ends: &str) -> Value {
    json!({"version": "4", "groupKey": "{}:{alertname=\"Down\"}", "truncatedAlerts": 0, "status": status,
        "receiver": "chat", "groupLabels": {"alertname": "Down"}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://am", "alerts": [{"status": status,
        "labels": {"alertname": "Down", "instance": "web1:9100", "severity": "critical"},
        "annotations": {"summary": "web1 does not\nanswer", "runbook_url": "https://wiki/down"},
        "startsAt": starts, "endsAt": ends, "generatorURL": "http://p/graph", "fingerprint": "1a"}]})
}

#[test]
fn an_alert_of_alertmanager_in_two_lines() {
    let firing = message(&alertmanager("firing", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"));
    assert_eq!(firing.text, "FIRING Down (critical) on web1:9100: web1 does not answer\nhttps://wiki/down");
    let moved = message(&alertmanager("firing", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"));
    assert_eq!(firing.dedup_key, moved.dedup_key, "when a firing alert would end is no news");
    let resolved = message(&alertmanager("resolved", "2026-01-01T00:00:00Z", "2026-01-01T00:07:00Z"));
    assert!(resolved.text.starts_with("RESOLVED Down (critical) on web1:9100: "));
    assert_ne!(firing.dedup_key, resolved.dedup_key);
    let anew = message(&alertmanager("firing", "2026-01-02T00:00:00Z", ""));
    assert_ne!(firing.dedup_key, anew.dedup_key);
}

#[test]
fn many_alerts_are_a_line_each_within_the_bound() {
    let alert = |n: usize| json!({"status": "firing", "labels": {"alertname": "Disk", "instance": format!("h{n}")}, "annotations": {"description": "é".repeat(2000)}});
    let body =
        json!({"groupKey": "g", "alerts": (0..25).map(alert).collect::<Vec<_>>(), "truncatedAlerts": 3});
    let WebhookMessage { text, .. } = message(&body);
    assert!(text.len() <= 8192 && text.starts_with("FIRING Disk on h0: é"));
    assert_eq!(text.lines().count(), 11);
    assert!(text.ends_with("\nand 18 more"), "{text}");
    let small = read(body.to_string().as_bytes(), 700).unwrap().text;
    assert!(small.len() <= 700 && small.ends_with("\nand 27 more"), "{small}");
    let tiny = read(body.to_string().as_bytes(), 9).unwrap().text;
    assert_eq!(tiny, "FIRING…");
}

#[test]
fn grafana_old_and_new() {
    let new = json!({"receiver": "chat", "status": "firing", "orgId": 1, "title": "[FIRING:1] CPU", "state": "alerting",
        "message": "**Firing**", "groupKey": "{}", "alerts": [{"status": "firing", "labels": {"alertname": "CPU"},
        "annotations": {"summary": "too much"}, "startsAt": "x", "panelURL": "http://g/p", "values": {"B": 22.5},
        "valueString": "[ var='B' ]"}]});
    assert_eq!(message(&new).text, "FIRING CPU: too much\nhttp://g/p");
    let old = json!({"title": "[Alerting] CPU", "ruleName": "CPU", "state": "alerting", "message": "too\nmuch",
        "ruleUrl": "http://g/d", "ruleId": 1, "evalMatches": [{"value": 100, "metric": "x", "tags": null}]});
    assert_eq!(message(&old).text, "ALERTING CPU: too much\nhttp://g/d");
    let ok = json!({"ruleName": "CPU", "state": "ok"});
    assert_eq!(message(&ok).text, "OK CPU");
    assert_ne!(message(&ok).dedup_key, message(&old).dedup_key);
}

/// Each of these was refused with 400, which no alerting system resends: the alert was lost.
#[test]
fn no_field_of_a_webhook_loses_an_alert() {
    let odd = [
        json!(null),
        json!(7),
        json!(-1.5),
        json!(true),
        json!(["a"]),
        json!({"a": 1}),
        json!(""),
        json!("text"),
    ];
    let whole = [
        json!({"status": "firing", "groupKey": "g", "truncatedAlerts": 0, "title": "t", "message": "m", "state": "s",
            "receiver": "r", "version": "4", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
            "externalURL": "http://am", "orgId": 1, "text": "x"}),
        json!({"status": "firing", "labels": {"alertname": "Down", "instance": "web1", "severity": "page"},
            "annotations": {"summary": "gone", "description": "gone", "message": "gone", "runbook_url": "u"},
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z", "generatorURL": "u",
            "fingerprint": "1", "panelURL": "u", "dashboardURL": "u", "silenceURL": "u", "imageURL": "u",
            "values": {"A": 1}, "valueString": "v", "labels2": 1}),
        json!({"ruleName": "CPU", "ruleUrl": "u", "state": "alerting", "title": "t", "message": "m", "ruleId": 1,
            "dashboardId": 1, "panelId": 1, "orgId": 1, "evalMatches": [], "tags": {}, "imageUrl": "u"}),
    ];
    for (which, part) in whole.iter().enumerate() {
        for field in part.as_object().unwrap().keys() {
            for odd in &odd {
                let mut part = part.clone();
                part[field] = odd.clone();
                let body = match which {
                    0 => {
                        part["alerts"] = json!([whole[1].clone()]);
                        part
                    }
                    1 => json!({"alerts": [null, part, null], "groupKey": null}),
                    _ => part,
                };
                let read = read(body.to_string().as_bytes(), 8192);
                if which == 2 && field == "ruleName" && odd.is_null() {
                    continue; // Then it is no alert of Grafana.
                }
                let message = read.unwrap_or_else(|why| panic!("{field} = {odd}: {why}"));
                assert!(message.dedup_key.is_some() && !message.text.is_empty(), "{field} = {odd}");
            }
        }
    }
    for name in ["alertname", "instance", "severity", "summary"] {
        for odd in &odd {
            let mut alert = whole[1].clone();
            alert["labels"][name] = odd.clone();
            alert["annotations"][name] = odd.clone();
            message(&json!({ "alerts": [alert] }));
        }
    }
    let numbers = json!({"alerts": [{"labels": {"alertname": "Down", "instance": 9100, "severity": true},
        "annotations": {"summary": 1.5}}]});
    assert_eq!(message(&numbers).text, "FIRING Down (true) on 9100: 1.5");
}

#[test]
fn the_number_of_omitted_alerts_never_overflows() {
    for (truncated, end) in [
        ("18446744073709551615", "\nand 18446744073709551615 more"),
        ("99999999999999999999999", "\nand 18446744073709551615 more"),
        ("1e400", "\nand 18446744073709551615 more"),
        ("-5", "\nand 1 more"),
        ("\"2\"", "\nand 3 more"),
        ("1.9", "\nand 2 more"),
        ("null", "\nand 1 more"),
    ] {
        let alerts = [r#"{"labels":{"alertname":"A"}}"#; 11].join(",");
        let body = format!(r#"{{"truncatedAlerts":{truncated},"alerts":[{alerts}]}}"#);
        let text = read(body.as_bytes(), 8192).unwrap().text;
        assert!(text.ends_with(end), "{truncated}: {text}");
    }
    let none = read(br#"{"alerts":[],"truncatedAlerts":7,"title":"Storm"}"#, 8192).unwrap();
    assert_eq!(none.text, "FIRING Storm\nand 7 more");
}

#[test]
fn invalid_utf8_loses_no_alert() {
    let message = read(
        b"\xef\xbb\xbf{\"alerts\":[{\"labels\":{\"alertname\":\"A\xff\",\"instance\":\"\\ud800\"}}]}",
        99,
    );
    assert_eq!(message.unwrap().text, "FIRING A\u{fffd} on \\ud800");
    assert!(read(b"{\"text\":\"A\xff\"}", 99).unwrap_err().contains("UTF-8"));
}

#[test]
fn of_a_notification_that_is_too_long_the_first_alerts_are_shown() {
    let alert = |n| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"Pod","instance":"p{n}"}},"annotations":null}}"#
        )
    };
    let body = format!(
        r#"{{"receiver":"\"alerts\":[","x":"alerts","alerts": [{}]}}"#,
        (0..40).map(alert).collect::<Vec<_>>().join(",")
    );
    for (end, left) in [(body.len(), 30), (body.len() / 2, 9)] {
        let message = read_cut(&body.as_bytes()[..end], 8192).unwrap();
        assert!(message.text.starts_with("FIRING Pod on p0\nFIRING Pod on p1\n"), "{}", message.text);
        assert!(message.text.ends_with(&format!("\nand more than {left} more")), "{}", message.text);
    }
    assert!(
        read_cut(&body.as_bytes()[..60], 8192).unwrap().text.starts_with("FIRING an alert that is too long")
    );
    assert!(read_cut(br#"{"text":"\"alerts\":[ xxxx"#, 8192).is_none());
}

#[test]
fn a_text_stays_as_it_is() {
    let message = message(&json!({"text": " a\n\u{1b}b "}));
    assert_eq!(message, WebhookMessage { text: " a\n\u{1b}b ".into(), dedup_key: None });
}

#[test]
fn an_unreadable_payload_is_refused_with_a_reason() {
    for (body, why) in [
        ("", "not a JSON object"),
        ("[\"a\"]", "not a JSON object"),
        ("{\"text\": 1}", "cannot be read"),
        ("{\"text\": \"a\"", "cannot be read"),
        ("{}", "`text` is missing"),
        ("{\"alerts\": []}", "`alerts` is empty"),
        ("{\"alerts\": [1]}", "cannot be read"),
    ] {
        let message = read(body.as_bytes(), 100).unwrap_err();
        assert!(message.contains(why), "{body}: {message}");
    }
}
