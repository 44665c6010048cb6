//! Owns the commands that change a conversation for all its members: `/topic` and `/redact`. Part of the model: changes state
//! and returns effects. Never knows the permissions: the server does.

use super::command::Which;
use super::{Effect, Model};
use crate::neutralise::line as clean;
use tcp_chat_client::protocol::Name;
use tcp_chat_client::protocol::request::{self, Place, Redact, check_topic};
use tcp_chat_client::{Action, Conversation};

impl Model {
    /// Sets the topic of the room, or shows it.
    pub(super) fn topic(&mut self, topic: Option<String>) -> Option<Vec<Effect>> {
        let Some(Conversation::Room(room)) = self.talk().map(|t| t.place.clone()) else {
            self.error("a topic is a room's: show one first, /room ROOM");
            return None;
        };
        let Some(topic) = topic else {
            let topic = self.talk().map_or(String::new(), |t| t.topic.clone());
            let shown = if topic.is_empty() {
                "this room has no topic".to_owned()
            } else {
                format!("topic: {topic}")
            };
            self.hint(shown);
            return Some(Vec::new());
        };
        if let Err(why) = check_topic(&topic) {
            self.error(why);
            return None;
        }
        Some(vec![Effect::Action(Action::Topic { room: Place(Name::parse_kept(&room).ok()), topic })])
    }

    /// Removes the text of a message of this conversation.
    pub(super) fn redact(&mut self, which: Which, reason: String) -> Option<Vec<Effect>> {
        let talk = self.talk()?;
        let found = match &which {
            Which::Seq(seq) => Ok(*seq),
            Which::Own => talk.newest_of(|_, own| own).ok_or("you have written nothing here".to_owned()),
            Which::Of(name) => {
                let is = |user: &str, _| user.to_lowercase() == clean(name).to_lowercase();
                match talk.newest_of(is) {
                    // Another message may arrive while this is typed, so the user confirms the number.
                    Some(seq) => {
                        let text: String = talk.text_of(seq).chars().take(60).collect();
                        let command = format!("/redact {seq} {reason}");
                        self.hint(format!("{} removes \u{201c}{text}\u{201d}", command.trim_end()));
                        return Some(Vec::new());
                    }
                    None => Err(format!("there is no message of {} on this screen", clean(name))),
                }
            }
        };
        let place = |name: &str| Place(Name::parse_kept(name).ok());
        let of = match &talk.place {
            Conversation::Room(room) => request::Conversation::Room(place(room)),
            Conversation::With(user) => request::Conversation::With(place(user)),
        };
        match found {
            Ok(seq) => Some(vec![Effect::Action(Action::Redact(Redact { of, seq, reason }))]),
            Err(why) => {
                self.error(why);
                None
            }
        }
    }
}
