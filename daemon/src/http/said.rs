//! Owns what the bodies of posts mean: a text, or an alert of Alertmanager or Grafana told in a line or
//! two. Pure: called by [`super::post`] with the bytes, and never says anything to anyone.

use crate::auth;
use crate::chat::Digest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Alerts of one notification that get a line each.
const ALERTS: usize = 10;
/// The longest line about one alert, in bytes.
const LINE_BYTES: usize = 600;

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The text.
    pub(super) text: String,
    /// By what the same notification is known when it is sent again; `None`: a text that is posted
    /// twice is two messages.
    pub(super) same: Option<Digest>,
}

/// Every shape that is understood; a field that is not there is the default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    text: Option<String>,
    /// Alertmanager, and Grafana since its version 8.
    alerts: Option<Vec<Alert>>,
    #[serde(rename = "groupKey")]
    group_key: String,
    status: String,
    #[serde(rename = "truncatedAlerts")]
    truncated: u64,
    /// Grafana before that.
    #[serde(rename = "ruleName")]
    rule_name: Option<String>,
    #[serde(rename = "ruleUrl")]
    rule_url: String,
    state: String,
    title: String,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts: String,
    #[serde(rename = "endsAt")]
    ends: String,
    #[serde(rename = "panelURL")]
    panel: String,
    #[serde(rename = "dashboardURL")]
    dashboard: String,
}

/// Reads a body; the text has at most `most` bytes if it is made here.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(super) fn read(body: &[u8], most: usize) -> Result<Said, String> {
    // serde takes a list for a struct, field by field.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(format!("the body is no JSON object; {EXPECTED}"));
    }
    let body: Body =
        serde_json::from_slice(body).map_err(|why| format!("the body cannot be read: {why}; {EXPECTED}"))?;
    if let Some(alerts) = &body.alerts {
        if alerts.is_empty() {
            return Err("`alerts` is empty: there is nothing to say".to_owned());
        }
        return Ok(Said { text: tell_alerts(&body, alerts, most), same: Some(same(&body, alerts)) });
    }
    if let Some(rule) = &body.rule_name {
        let state = if body.state.is_empty() { "alerting" } else { &body.state };
        let mut line = format!("{} {}", state.to_uppercase(), one_line(rule));
        add(&mut line, ": ", &body.message);
        let mut text = cut(line, LINE_BYTES);
        if !body.rule_url.is_empty() {
            text = format!("{text}\n{}", cut(one_line(&body.rule_url), LINE_BYTES));
        }
        let same = auth::sha256(format!("{rule}\0{state}\0{}", body.message).as_bytes());
        return Ok(Said { text: cut(text, most), same: Some(same) });
    }
    match body.text {
        Some(text) => Ok(Said { text, same: None }),
        None => Err(format!("`text` is missing; {EXPECTED}")),
    }
}

const EXPECTED: &str = r#"send {"text": "..."}, or what Alertmanager's or Grafana's webhook sends"#;

/// A line for each alert, while there is room.
fn tell_alerts(body: &Body, alerts: &[Alert], most: usize) -> String {
    const MORE: usize = 40;
    let mut text = String::new();
    let mut told = 0;
    for alert in alerts.iter().take(ALERTS) {
        let line = tell(body, alert);
        let with_link = alerts.len() == 1;
        let line = match link(alert).filter(|_| with_link) {
            Some(link) => format!("{line}\n{link}"),
            None => line,
        };
        if !text.is_empty() && text.len() + 1 + line.len() + MORE > most {
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
        told += 1;
    }
    let left = (alerts.len() - told) as u64 + body.truncated;
    if left > 0 {
        // Writing into a string cannot fail.
        let _ = write!(text, "\nand {left} more");
    }
    cut(text, most)
}

fn tell(body: &Body, alert: &Alert) -> String {
    let status = if alert.status.is_empty() { &body.status } else { &alert.status };
    let status = if status.is_empty() { "firing" } else { status };
    let label = |name: &str| alert.labels.get(name).map(String::as_str).unwrap_or_default();
    let note = |name: &str| alert.annotations.get(name).map(String::as_str).unwrap_or_default();
    let name = [label("alertname"), &body.title].into_iter().find(|n| !n.is_empty()).unwrap_or("an alert");
    let mut line = format!("{} {}", one_line(status).to_uppercase(), one_line(name));
    if !label("severity").is_empty() {
        let _ = write!(line, " ({})", one_line(label("severity")));
    }
    add(&mut line, " on ", label("instance"));
    let what = [note("summary"), note("description"), note("message")];
    add(&mut line, ": ", what.into_iter().find(|n| !n.is_empty()).unwrap_or_default());
    cut(line, LINE_BYTES)
}

fn link(alert: &Alert) -> Option<String> {
    let runbook = alert.annotations.get("runbook_url").map(String::as_str).unwrap_or_default();
    let link = [runbook, &alert.panel, &alert.dashboard].into_iter().find(|link| !link.is_empty())?;
    Some(cut(one_line(link), LINE_BYTES))
}

/// The same group of alerts in the same state, whichever of several Alertmanagers sends it.
fn same(body: &Body, alerts: &[Alert]) -> Digest {
    let mut parts: Vec<String> = alerts
        .iter()
        .map(|alert| {
            // A firing alert has no end, or one that moves.
            let ends = if alert.status == "resolved" { &*alert.ends } else { "" };
            format!("{:?}\0{}\0{}\0{ends}", alert.labels, alert.status, alert.starts)
        })
        .collect();
    parts.sort_unstable();
    let whole = format!("{}\0{}\0{}\0{}", body.group_key, body.status, body.truncated, parts.join("\0\0"));
    auth::sha256(whole.as_bytes())
}

fn add(line: &mut String, between: &str, text: &str) {
    let text = one_line(text);
    if !text.is_empty() {
        line.push_str(between);
        line.push_str(&text);
    }
}

/// The text on one line, without what would move a terminal.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// At most so many bytes, and an ellipsis where there were more.
fn cut(mut text: String, most: usize) -> String {
    const MARK: &str = "…";
    if text.len() > most {
        let mut end = most.saturating_sub(MARK.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(body: &Value) -> Said {
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
        let firing = said(&alertmanager("firing", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"));
        assert_eq!(
            firing.text,
            "FIRING Down (critical) on web1:9100: web1 does not answer\nhttps://wiki/down"
        );
        let moved = said(&alertmanager("firing", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"));
        assert_eq!(firing.same, moved.same, "when a firing alert would end is no news");
        let resolved = said(&alertmanager("resolved", "2026-01-01T00:00:00Z", "2026-01-01T00:07:00Z"));
        assert!(resolved.text.starts_with("RESOLVED Down (critical) on web1:9100: "));
        assert_ne!(firing.same, resolved.same);
        let anew = said(&alertmanager("firing", "2026-01-02T00:00:00Z", ""));
        assert_ne!(firing.same, anew.same);
    }

    #[test]
    fn many_alerts_are_a_line_each_within_the_bound() {
        let alert = |n: usize| json!({"status": "firing", "labels": {"alertname": "Disk", "instance": format!("h{n}")}, "annotations": {"description": "é".repeat(2000)}});
        let body =
            json!({"groupKey": "g", "alerts": (0..25).map(alert).collect::<Vec<_>>(), "truncatedAlerts": 3});
        let Said { text, .. } = said(&body);
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
        assert_eq!(said(&new).text, "FIRING CPU: too much\nhttp://g/p");
        let old = json!({"title": "[Alerting] CPU", "ruleName": "CPU", "state": "alerting", "message": "too\nmuch",
            "ruleUrl": "http://g/d", "ruleId": 1, "evalMatches": [{"value": 100, "metric": "x", "tags": null}]});
        assert_eq!(said(&old).text, "ALERTING CPU: too much\nhttp://g/d");
        let ok = json!({"ruleName": "CPU", "state": "ok"});
        assert_eq!(said(&ok).text, "OK CPU");
        assert_ne!(said(&ok).same, said(&old).same);
    }

    #[test]
    fn a_text_is_said_as_it_is() {
        let said = said(&json!({"text": " a\n\u{1b}b "}));
        assert_eq!(said, Said { text: " a\n\u{1b}b ".into(), same: None });
    }

    #[test]
    fn what_is_no_message_is_told_so() {
        for (body, why) in [
            ("", "no JSON object"),
            ("[\"a\"]", "no JSON object"),
            ("{\"text\": 1}", "cannot be read"),
            ("{\"text\": \"a\"", "cannot be read"),
            ("{}", "`text` is missing"),
            ("{\"alerts\": []}", "`alerts` is empty"),
            ("{\"alerts\": [1]}", "cannot be read"),
        ] {
            let said = read(body.as_bytes(), 100).unwrap_err();
            assert!(said.contains(why), "{body}: {said}");
        }
    }
}
