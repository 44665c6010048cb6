//! Owns one entry of a conversation on the screen: a message, a note of the interface, or an unconfirmed message.
//! All untrusted text is neutralised here when it arrives, and kept only in that form. Never knows its position.

use crate::{neutralise, style};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tcp_chat_client::Message;
use tcp_chat_client::protocol::{Colour, Seq, Timestamp};

/// A time in the local zone, as far as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) day: Date,
    pub(crate) hour: i8,
    pub(crate) minute: i8,
}

impl Stamp {
    pub(crate) fn of(ts: Timestamp, zone: &TimeZone) -> Self {
        let ms = i64::try_from(ts.0).unwrap_or(0);
        let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
        let local = zone.to_datetime(moment);
        Self { day: local.date(), hour: local.hour(), minute: local.minute() }
    }
}

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Unique in this process.
    pub(crate) id: u64,
    /// The seq of the message; `None` for other entries.
    pub(crate) seq: Option<Seq>,
    pub(crate) stamp: Stamp,
    pub(crate) kind: Kind,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message. Name and text are neutralised.
    Said {
        user: String,
        color: Colour,
        text: String,
        own: bool,
        mention: bool,
        /// The text was removed: `text` says by whom.
        redacted: bool,
    },
    /// A line of the interface.
    Note(String),
    /// An own message that is not confirmed yet. `sent` is the unchanged text.
    Pending { local: u64, text: String, sent: String },
}

impl Item {
    /// A message.
    pub(crate) fn said(id: u64, message: &Message, me: &str, zone: &TimeZone) -> Self {
        let redacted = message.data.redacted;
        let text = match redacted {
            true => style::redacted(message.data.by.as_deref(), message.data.reason.as_deref()),
            false => clean_text(message.text()),
        };
        let mention = !message.own && (message.room().is_none() || mentions(message.text(), me));
        let kind = Kind::Said {
            user: neutralise::line(message.user()),
            color: message.data.color.parse().unwrap_or(Colour::None),
            own: message.own,
            mention: mention && !redacted,
            text,
            redacted,
        };
        Self { id, seq: Some(message.seq()), stamp: Stamp::of(message.data.ts, zone), kind }
    }

    /// The visible text.
    pub(crate) fn text(&self) -> &str {
        match &self.kind {
            Kind::Said { text, .. } | Kind::Note(text) | Kind::Pending { text, .. } => text,
        }
    }

    /// The approximate memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let own = std::mem::size_of::<Self>();
        own + match &self.kind {
            Kind::Said { user, text, .. } => user.len() + text.len(),
            Kind::Note(text) => text.len(),
            Kind::Pending { text, sent, .. } => text.len() + sent.len(),
        }
    }

    /// The text of the message was removed.
    pub(crate) fn redact(&mut self, sentence: &str) {
        if let Kind::Said { text, mention, redacted, .. } = &mut self.kind {
            (*text, *mention, *redacted) = (sentence.to_owned(), false, true);
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.kind, Kind::Pending { .. })
    }
}

/// A text with its line breaks; each line neutralised separately. (Without the indent of line mode: the column of
/// the names separates the lines.)
pub(crate) fn clean_text(text: &str) -> String {
    let lines = text.split('\n').map(|l| neutralise::text(l.strip_suffix('\r').unwrap_or(l)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether the text contains the name as a word.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    !name.is_empty()
        && text.match_indices(&name).any(|(at, _)| {
            !text[..at].chars().next_back().is_some_and(within)
                && !text[at + name.len()..].chars().next().is_some_and(within)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_a_word() {
        for (text, is) in [
            ("ana: hi", true),
            ("hi @Ana.", true),
            ("(ana)", true),
            ("banana", false),
            ("ana-maria", false),
            ("ana_", false),
            ("", false),
        ] {
            assert_eq!(mentions(text, "ana"), is, "{text}");
        }
        assert!(!mentions("x", ""));
    }

    #[test]
    fn a_text_keeps_its_lines_and_nothing_else() {
        assert_eq!(clean_text("a\r\n\u{1b}[2Jb\n\tc"), "a\n␛[2Jb\n    c");
    }
}
