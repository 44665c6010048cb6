//! Owns the shapes of the bodies that webhooks send, read so that no field of a known shape loses an alert:
//! `null` is a field that is not there, and a number or a truth value is its text. Used by [`super::said`].
//! Never decides what is said.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::Deref;

/// Every shape that is understood; a field that is not there is the default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    /// As it was sent: it counts only where nothing else is meant.
    pub(super) text: Option<Box<RawValue>>,
    /// Alertmanager, and Grafana since its version 8.
    pub(super) alerts: Option<Alerts>,
    #[serde(rename = "groupKey")]
    pub(super) group_key: Word,
    pub(super) status: Word,
    #[serde(rename = "truncatedAlerts")]
    pub(super) truncated: Word,
    /// Grafana before that.
    #[serde(rename = "ruleName")]
    pub(super) rule_name: Option<Word>,
    #[serde(rename = "ruleUrl")]
    pub(super) rule_url: Word,
    pub(super) state: Word,
    pub(super) title: Word,
    pub(super) message: Word,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Alert {
    pub(super) status: Word,
    pub(super) labels: Words,
    pub(super) annotations: Words,
    #[serde(rename = "startsAt")]
    pub(super) starts: Word,
    #[serde(rename = "endsAt")]
    pub(super) ends: Word,
    #[serde(rename = "panelURL")]
    pub(super) panel: Word,
    #[serde(rename = "dashboardURL")]
    pub(super) dashboard: Word,
}

/// The alerts of a notification; a `null` among them is none.
#[derive(Debug, Default)]
pub(super) struct Alerts(pub(super) Vec<Alert>);

impl<'de> Deserialize<'de> for Alerts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let all = Vec::<Option<Alert>>::deserialize(from)?;
        Ok(Self(all.into_iter().flatten().collect()))
    }
}

/// A text where a text is meant, whatever was sent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Word(pub(super) String);

impl Word {
    /// As a number: what is none is 0, what is too large the largest.
    pub(super) fn number(&self) -> u64 {
        // A cast keeps within the bounds; not a number is 0.
        self.0.trim().parse().unwrap_or_else(|_| self.0.trim().parse::<f64>().unwrap_or_default() as u64)
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        Ok(match raw.get() {
            "null" => Self::default(),
            text if text.starts_with('"') => {
                // Half of a surrogate pair is no text: then it is shown as it was sent.
                Self(serde_json::from_str(text).unwrap_or_else(|_| text.trim_matches('"').to_owned()))
            }
            other => Self(other.to_owned()),
        })
    }
}

/// Labels or annotations; what is no map has none.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeMap<String, Word>);

impl Words {
    /// The text of one; empty: it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |word| word)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        Ok(Self(serde_json::from_str(raw.get()).unwrap_or_default()))
    }
}

/// The alerts with which the beginning of a body begins that was too long to be kept; `None`: it is none of a
/// webhook.
pub(super) fn first_alerts(begins: &[u8]) -> Option<Vec<Alert>> {
    const KEY: &[u8] = b"\"alerts\"";
    let mut rest = begins;
    // In a text the quotes would have a backslash before them.
    let list = loop {
        let at = rest.windows(KEY.len()).position(|window| window == KEY)?;
        rest = rest.get(at + KEY.len()..)?;
        let list = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        if let Some(list) = list.and_then(|list| list.strip_prefix(b"[")) {
            break list;
        }
    };
    let (mut alerts, mut rest) = (Vec::new(), list);
    loop {
        let mut one = serde_json::Deserializer::from_slice(rest).into_iter::<Option<Alert>>();
        let Some(Ok(alert)) = one.next() else { return Some(alerts) };
        rest = rest.get(one.byte_offset()..).unwrap_or_default().trim_ascii_start();
        rest = rest.strip_prefix(b",").unwrap_or_default();
        alerts.extend(alert);
    }
}
