//! Owns the payloads of webhooks. No field of a known shape makes a payload unreadable: `null` is an absent
//! field, and a number or a boolean becomes its text. Used by [`super::message`]. Never decides the text of the
//! message.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::Deref;

/// The union of all known shapes; an absent field is the default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    /// Kept as raw JSON: it is used only if no other shape matches.
    pub(super) text: Option<Box<RawValue>>,
    /// Alertmanager, and Grafana from version 8.
    pub(super) alerts: Option<Alerts>,
    #[serde(rename = "groupKey")]
    pub(super) group_key: TextField,
    pub(super) status: TextField,
    #[serde(rename = "truncatedAlerts")]
    pub(super) truncated: TextField,
    /// Grafana before version 8.
    #[serde(rename = "ruleName")]
    pub(super) rule_name: Option<TextField>,
    #[serde(rename = "ruleUrl")]
    pub(super) rule_url: TextField,
    pub(super) state: TextField,
    pub(super) title: TextField,
    pub(super) message: TextField,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Alert {
    pub(super) status: TextField,
    pub(super) labels: TextMap,
    pub(super) annotations: TextMap,
    #[serde(rename = "startsAt")]
    pub(super) starts: TextField,
    #[serde(rename = "endsAt")]
    pub(super) ends: TextField,
    #[serde(rename = "panelURL")]
    pub(super) panel: TextField,
    #[serde(rename = "dashboardURL")]
    pub(super) dashboard: TextField,
}

/// The alerts of a notification; a `null` among them is skipped.
#[derive(Debug, Default)]
pub(super) struct Alerts(pub(super) Vec<Alert>);

impl<'de> Deserialize<'de> for Alerts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let all = Vec::<Option<Alert>>::deserialize(from)?;
        Ok(Self(all.into_iter().flatten().collect()))
    }
}

/// A text field: other JSON values become their text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct TextField(pub(super) String);

impl TextField {
    /// The value as a number: 0 if it is not a number, `u64::MAX` if it is larger.
    pub(super) fn number(&self) -> u64 {
        // The cast saturates; NaN becomes 0.
        self.0.trim().parse().unwrap_or_else(|_| self.0.trim().parse::<f64>().unwrap_or_default() as u64)
    }
}

impl Deref for TextField {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TextField {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        Ok(match raw.get() {
            "null" => Self::default(),
            text if text.starts_with('"') => {
                // An unpaired surrogate is no valid text: it is shown as it was sent.
                Self(serde_json::from_str(text).unwrap_or_else(|_| text.trim_matches('"').to_owned()))
            }
            other => Self(other.to_owned()),
        })
    }
}

/// Labels or annotations; empty if the value is not a map.
#[derive(Debug, Default)]
pub(super) struct TextMap(BTreeMap<String, TextField>);

impl TextMap {
    /// The text of one entry; empty if it is absent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |word| word)
    }
}

impl<'de> Deserialize<'de> for TextMap {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        Ok(Self(serde_json::from_str(raw.get()).unwrap_or_default()))
    }
}

/// The complete alerts at the start of a body that was too long to be read whole. `None`: the body is no
/// notification.
pub(super) fn first_alerts(begins: &[u8]) -> Option<Vec<Alert>> {
    const KEY: &[u8] = b"\"alerts\"";
    let mut rest = begins;
    // Inside a string the quotes would be escaped.
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
