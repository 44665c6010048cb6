//! Owns what the bodies of posts mean: a text, or an alert of Alertmanager or Grafana told in a line or
//! two. Pure: called by [`super::post`] with the bytes, and never says anything to anyone.

use super::payload::{self, Alert, Alerts, Body};
use crate::auth;
use crate::chat::Digest;
use std::borrow::Cow;
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

/// Reads a body; the text has at most `most` bytes if it is made here.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(super) fn read(body: &[u8], most: usize) -> Result<Said, String> {
    // Some programs begin a file with a mark of the byte order.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // serde takes a list for a struct, field by field.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(format!("the body is no JSON object; {EXPECTED}"));
    }
    let wrong = |why: serde_json::Error| format!("the body cannot be read: {why}; {EXPECTED}");
    // A label with bytes that are no text must not lose the alert.
    let sent = String::from_utf8_lossy(body);
    let body: Body = serde_json::from_str(&sent).map_err(wrong)?;
    if let Some(Alerts(alerts)) = &body.alerts {
        let truncated = body.truncated.number();
        if alerts.is_empty() && truncated == 0 {
            return Err("`alerts` is empty: there is nothing to say".to_owned());
        }
        let ending = |left: u64| match left.saturating_add(truncated) {
            0 => None,
            left => Some(format!("and {left} more")),
        };
        return Ok(Said { text: tell_alerts(&body, alerts, most, ending), same: Some(same(&body, alerts)) });
    }
    if let Some(rule) = &body.rule_name {
        let state = if body.state.is_empty() { "alerting" } else { &body.state };
        let name = [&**rule, &body.title].into_iter().find(|name| !name.is_empty()).unwrap_or("an alert");
        let mut line = format!("{} {}", one_line(state).to_uppercase(), one_line(name));
        add(&mut line, ": ", &body.message);
        let mut text = cut(line, LINE_BYTES);
        if !body.rule_url.is_empty() {
            text = format!("{text}\n{}", cut(one_line(&body.rule_url), LINE_BYTES));
        }
        let same = auth::sha256(format!("{}\0{state}\0{}", &**rule, &*body.message).as_bytes());
        return Ok(Said { text: cut(text, most), same: Some(same) });
    }
    let Some(text) = body.text else { return Err(format!("`text` is missing; {EXPECTED}")) };
    if matches!(sent, Cow::Owned(_)) {
        return Err(format!("the body is no UTF-8; {EXPECTED}"));
    }
    Ok(Said { text: serde_json::from_str(text.get()).map_err(wrong)?, same: None })
}

/// What is said of a notification that is too long to be kept whole: it `begins` so. `None`: it is no
/// notification. A room must not be silent because there are too many alerts.
pub(super) fn read_cut(begins: &[u8], most: usize) -> Option<Said> {
    let alerts = payload::first_alerts(begins)?;
    let body = Body::default();
    let same = Some(same(&body, &alerts));
    if alerts.is_empty() {
        let text = "FIRING an alert that is too long to be read; look at what sent it".to_owned();
        // What it is known by is not known.
        return Some(Said { text: cut(text, most), same: Some(auth::sha256(begins)) });
    }
    let ending = |left: u64| Some(format!("and more than {left} more"));
    Some(Said { text: tell_alerts(&body, &alerts, most, ending), same })
}

const EXPECTED: &str = r#"send {"text": "..."}, or what Alertmanager's or Grafana's webhook sends"#;

/// A line for each alert, while there is room; then how many are left, as `ending` says it.
fn tell_alerts(body: &Body, alerts: &[Alert], most: usize, ending: impl Fn(u64) -> Option<String>) -> String {
    const MORE: usize = 48;
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
    if text.is_empty() {
        text = tell(body, &Alert::default());
    }
    if let Some(ending) = ending((alerts.len() - told) as u64) {
        text = format!("{text}\n{ending}");
    }
    cut(text, most)
}

fn tell(body: &Body, alert: &Alert) -> String {
    let status = [&*alert.status, &body.status].into_iter().find(|s| !s.is_empty()).unwrap_or("firing");
    let label = |name: &str| alert.labels.get(name);
    let note = |name: &str| alert.annotations.get(name);
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
    let link = [alert.annotations.get("runbook_url"), &alert.panel, &alert.dashboard]
        .into_iter()
        .find(|link| !link.is_empty())?;
    Some(cut(one_line(link), LINE_BYTES))
}

/// The same group of alerts in the same state, whichever of several Alertmanagers sends it.
fn same(body: &Body, alerts: &[Alert]) -> Digest {
    let mut parts: Vec<String> = alerts
        .iter()
        .map(|alert| {
            // A firing alert has no end, or one that moves.
            let ends = if &*alert.status == "resolved" { &*alert.ends } else { "" };
            format!("{:?}\0{}\0{}\0{ends}", alert.labels, &*alert.status, &*alert.starts)
        })
        .collect();
    parts.sort_unstable();
    let whole = [&*body.group_key, &body.status, &body.truncated, &parts.join("\0\0")].join("\0");
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
mod tests;
