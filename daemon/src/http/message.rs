//! Owns the reading of payloads: each becomes a text, or an alert of Alertmanager or Grafana in one or two lines.
//! Pure: called by [`super::webhook`] with the bytes, and never posts anything.

use super::payload::{self, Alert, Alerts, Payload};
use crate::auth;
use std::borrow::Cow;
use std::fmt::Write;
use tcp_chat_state::Digest;

/// Alerts of one notification that get a line each.
const ALERTS: usize = 10;
/// The longest line about one alert, in bytes.
const LINE_BYTES: usize = 600;

/// The message of a payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WebhookMessage {
    /// The text.
    pub(super) text: String,
    /// Identifies the notification when it is resent. `None`: a text that is posted twice is two messages.
    pub(super) dedup_key: Option<Digest>,
}

/// Reads a payload. A text that is made here has at most `most` bytes.
///
/// # Errors
/// The fault of the payload, and the expected form.
pub(super) fn read(body: &[u8], most: usize) -> Result<WebhookMessage, String> {
    // Some programs begin a file with a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // serde accepts a list for a struct, field by field.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(format!("the body is not a JSON object; {EXPECTED}"));
    }
    let wrong = |why: serde_json::Error| format!("the body cannot be read: {why}; {EXPECTED}");
    // A label with invalid UTF-8 must not lose the alert.
    let sent = String::from_utf8_lossy(body);
    let body: Payload = serde_json::from_str(&sent).map_err(wrong)?;
    if let Some(Alerts(alerts)) = &body.alerts {
        let truncated = body.truncated.number();
        if alerts.is_empty() && truncated == 0 {
            return Err("`alerts` is empty: there is nothing to post".to_owned());
        }
        let ending = |left: u64| match left.saturating_add(truncated) {
            0 => None,
            left => Some(format!("and {left} more")),
        };
        return Ok(WebhookMessage {
            text: alert_lines(&body, alerts, most, ending),
            dedup_key: Some(dedup_key(&body, alerts)),
        });
    }
    if let Some(rule) = &body.rule_name {
        let state = if body.state.is_empty() { "alerting" } else { &body.state };
        let name = [&**rule, &body.title].into_iter().find(|name| !name.is_empty()).unwrap_or("an alert");
        let mut line = format!("{} {}", one_line(state).to_uppercase(), one_line(name));
        append(&mut line, ": ", &body.message);
        let mut text = truncate(line, LINE_BYTES);
        if !body.rule_url.is_empty() {
            text = format!("{text}\n{}", truncate(one_line(&body.rule_url), LINE_BYTES));
        }
        let dedup_key = auth::sha256(format!("{}\0{state}\0{}", &**rule, &*body.message).as_bytes());
        return Ok(WebhookMessage { text: truncate(text, most), dedup_key: Some(dedup_key) });
    }
    let Some(text) = body.text else { return Err(format!("`text` is missing; {EXPECTED}")) };
    if matches!(sent, Cow::Owned(_)) {
        return Err(format!("the body is not UTF-8; {EXPECTED}"));
    }
    Ok(WebhookMessage { text: serde_json::from_str(text.get()).map_err(wrong)?, dedup_key: None })
}

/// The message for a notification that is too long to be read whole; `begins` is its beginning. `None`: it is no
/// notification. A room must not stay silent because there are too many alerts.
pub(super) fn read_cut(begins: &[u8], most: usize) -> Option<WebhookMessage> {
    let alerts = payload::first_alerts(begins)?;
    let body = Payload::default();
    let dedup_key = Some(dedup_key(&body, &alerts));
    if alerts.is_empty() {
        let text = "FIRING an alert that is too long to be read; look at its sender".to_owned();
        // No label is known, so the bytes identify it.
        return Some(WebhookMessage { text: truncate(text, most), dedup_key: Some(auth::sha256(begins)) });
    }
    let ending = |left: u64| Some(format!("and more than {left} more"));
    Some(WebhookMessage { text: alert_lines(&body, &alerts, most, ending), dedup_key })
}

const EXPECTED: &str = r#"send {"text": "..."}, or what Alertmanager's or Grafana's webhook sends"#;

/// One line for each alert, while there is room; then the number of the others, in the words of `ending`.
fn alert_lines(
    body: &Payload,
    alerts: &[Alert],
    most: usize,
    ending: impl Fn(u64) -> Option<String>,
) -> String {
    const MORE: usize = 48;
    let mut text = String::new();
    let mut shown = 0;
    for alert in alerts.iter().take(ALERTS) {
        let line = alert_line(body, alert);
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
        shown += 1;
    }
    if text.is_empty() {
        text = alert_line(body, &Alert::default());
    }
    if let Some(ending) = ending((alerts.len() - shown) as u64) {
        text = format!("{text}\n{ending}");
    }
    truncate(text, most)
}

fn alert_line(body: &Payload, alert: &Alert) -> String {
    let status = [&*alert.status, &body.status].into_iter().find(|s| !s.is_empty()).unwrap_or("firing");
    let label = |name: &str| alert.labels.get(name);
    let note = |name: &str| alert.annotations.get(name);
    let name = [label("alertname"), &body.title].into_iter().find(|n| !n.is_empty()).unwrap_or("an alert");
    let mut line = format!("{} {}", one_line(status).to_uppercase(), one_line(name));
    if !label("severity").is_empty() {
        let _ = write!(line, " ({})", one_line(label("severity")));
    }
    append(&mut line, " on ", label("instance"));
    let details = [note("summary"), note("description"), note("message")];
    append(&mut line, ": ", details.into_iter().find(|n| !n.is_empty()).unwrap_or_default());
    truncate(line, LINE_BYTES)
}

fn link(alert: &Alert) -> Option<String> {
    let link = [alert.annotations.get("runbook_url"), &alert.panel, &alert.dashboard]
        .into_iter()
        .find(|link| !link.is_empty())?;
    Some(truncate(one_line(link), LINE_BYTES))
}

/// Identifies a group of alerts in one state, whichever of several Alertmanagers sends it.
fn dedup_key(body: &Payload, alerts: &[Alert]) -> Digest {
    let mut parts: Vec<String> = alerts
        .iter()
        .map(|alert| {
            // A firing alert has no end, or an end that moves.
            let ends = if &*alert.status == "resolved" { &*alert.ends } else { "" };
            format!("{:?}\0{}\0{}\0{ends}", alert.labels, &*alert.status, &*alert.starts)
        })
        .collect();
    parts.sort_unstable();
    let whole = [&*body.group_key, &body.status, &body.truncated, &parts.join("\0\0")].join("\0");
    auth::sha256(whole.as_bytes())
}

fn append(line: &mut String, between: &str, text: &str) {
    let text = one_line(text);
    if !text.is_empty() {
        line.push_str(between);
        line.push_str(&text);
    }
}

/// The text on one line, without control characters.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Cuts the text to at most `most` bytes, with an ellipsis where it was cut.
fn truncate(mut text: String, most: usize) -> String {
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
mod tests;
