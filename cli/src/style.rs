//! Owns the form of a message as a line: time, place, coloured name, text. All text of others passes through
//! `neutralise` here. Never prints.

use crate::neutralise;
use crate::terminal_kind::{self, Colors, basic};
use jiff::tz::TimeZone;
use std::io::IsTerminal;
use tcp_chat_client::protocol::{Colour, MsgEvent, Timestamp};
use tcp_chat_client::{Conversation, Message};

/// A count with its noun: `1 member`, `2 members`.
#[must_use]
pub fn count(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

/// What is shown in the place of a text that was redacted. `by`: the user who did it; `None`: an operator.
#[must_use]
pub fn redacted(by: Option<&str>, reason: Option<&str>) -> String {
    let by = by.map_or_else(|| "an operator".to_owned(), neutralise::line);
    let reason = reason.map_or(String::new(), |reason| format!(": {}", neutralise::line(reason)));
    format!("removed by {by}{reason}")
}

/// What is told of a changed topic. `by`: the user who set it; `None`: an operator.
#[must_use]
pub fn topic(by: Option<&str>, topic: &str) -> String {
    let by = by.map_or_else(|| "the operator".to_owned(), neutralise::line);
    match topic {
        "" => format!("{by} has removed the topic"),
        topic => format!("{by} has set the topic: {}", neutralise::line(topic)),
    }
}

/// The style of lines.
#[derive(Debug, Clone)]
pub struct Style {
    /// The colours of names.
    pub colors: Colors,
    /// The time zone of times.
    pub zone: TimeZone,
}

impl Style {
    /// The style for this system; with colours only if they are wanted and standard output supports them.
    #[must_use]
    pub fn new(no_color: bool) -> Self {
        let colors = terminal_kind::colors(!no_color && std::io::stdout().is_terminal());
        Self { colors, zone: TimeZone::system() }
    }

    /// A message as it arrives: `14:05:09 #lobby ana: hello`.
    #[must_use]
    pub fn message(&self, message: &Message) -> String {
        let place = match &message.conversation {
            Conversation::Room(room) => format!("#{}", neutralise::line(room)),
            Conversation::With(user) => format!("@{}", neutralise::line(user)),
        };
        self.line(&message.data, &place, "%H:%M:%S")
    }

    /// A message from the store, with its date and its seq.
    #[must_use]
    pub fn stored(&self, event: &MsgEvent<'_>) -> String {
        let place = match (&event.room, &event.to) {
            (Some(room), _) => format!("#{}", neutralise::line(room)),
            (None, to) => format!("@{}", neutralise::line(to.as_deref().unwrap_or_default())),
        };
        format!("{} {}", event.seq, self.line(event, &place, "%Y-%m-%d %H:%M:%S"))
    }

    fn line(&self, event: &MsgEvent<'_>, place: &str, format: &str) -> String {
        let (time, name) = (self.time(event.ts, format), self.name(&event.user, &event.color));
        if event.redacted {
            // No message looks like it: each has a colon behind its author.
            return format!(
                "{time} {place} {name} ({})",
                redacted(event.by.as_deref(), event.reason.as_deref())
            );
        }
        format!("{time} {place} {name}: {}", neutralise::text(&event.msg))
    }

    /// A name in its colour.
    #[must_use]
    pub fn name(&self, name: &str, color: &str) -> String {
        let name = neutralise::line(name);
        let code = match color.parse().unwrap_or(Colour::None) {
            _ if self.colors == Colors::None => return name,
            Colour::None => return name,
            Colour::Red => "31".into(),
            Colour::Green => "32".into(),
            Colour::Yellow => "33".into(),
            Colour::Blue => "34".into(),
            Colour::Fuchsia => "35".into(),
            Colour::Cyan => "36".into(),
            Colour::Rgb(r, g, b) if self.colors == Colors::True => format!("38;2;{r};{g};{b}"),
            Colour::Rgb(r, g, b) => match basic((r, g, b)) {
                Some(hue) => format!("3{hue}"),
                None => return name,
            },
        };
        format!("\u{1b}[{code}m{name}\u{1b}[0m")
    }

    fn time(&self, ts: Timestamp, format: &str) -> String {
        let ms = i64::try_from(ts.0).unwrap_or(0);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(moment) => moment.to_zoned_datetime(self.zone.clone()).strftime(format).to_string(),
            Err(_) => ts.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(user: &str, color: &str, msg: &str) -> MsgEvent<'static> {
        let (user, color, msg) = (user.to_owned().into(), color.to_owned().into(), msg.to_owned().into());
        let ts = Timestamp(1_795_468_094_007);
        MsgEvent { room: Some("lobby".into()), seq: 7, ts, user, color, msg, ..MsgEvent::default() }
    }

    #[test]
    fn counts() {
        let counts = [0_usize, 1, 2].map(|n| count(n, "member"));
        assert_eq!(counts, ["0 members", "1 member", "2 members"]);
    }

    #[test]
    fn lines() {
        let mut style = Style { colors: Colors::None, zone: TimeZone::UTC };
        assert_eq!(
            style.stored(&event("ana", "red", "hi\nyou")),
            "7 2026-11-23 21:08:14 #lobby ana: hi\n        | you"
        );
        let gone = MsgEvent { redacted: true, by: Some("bo".into()), ..event("ana", "red", "") };
        assert_eq!(style.stored(&gone), "7 2026-11-23 21:08:14 #lobby ana (removed by bo)");
        let gone = MsgEvent { by: None, reason: Some("a\u{1b}[2J".into()), ..gone };
        assert_eq!(style.stored(&gone), "7 2026-11-23 21:08:14 #lobby ana (removed by an operator: a␛[2J)");
        style.colors = Colors::Basic;
        assert_eq!(style.name("ana", "red"), "\u{1b}[31mana\u{1b}[0m");
        assert_eq!(style.name("ana", "#00ff7f"), "\u{1b}[32mana\u{1b}[0m");
        assert_eq!(style.name("ana", "#808080"), "ana");
        style.colors = Colors::True;
        assert_eq!(style.name("ana", "#00ff7f"), "\u{1b}[38;2;0;255;127mana\u{1b}[0m");
        assert_eq!(style.name("a\u{1b}[0m", "31m\u{7}"), "a␛[0m");
        style.zone = TimeZone::fixed(jiff::tz::offset(2));
        assert!(style.stored(&event("ana", "", "x")).contains("23:08:14"));
    }
}
