//! Owns what a program asks a session with, and what it gets: where a message goes, pages and searches, a message on its
//! way. Used by `session`. Never talks to the task.

use crate::session::{Shared, lock};
use crate::{Conversation, Error};
use std::sync::{Arc, Mutex};
use tcp_chat_protocol::request::{
    self, HISTORY_LIMIT, History, Place, Request, SEARCH_LIMIT, Search, Target,
};
use tcp_chat_protocol::{MsgEvent, Name, Seq};
use tokio::sync::oneshot;

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// The first room that the server is configured for.
    Default,
    /// A room that the session is in.
    Room(String),
    /// A user.
    User(String),
}

impl To {
    pub(crate) fn target(&self) -> Target {
        match self {
            Self::Default => Target::Default,
            Self::Room(room) => Target::Room(place(room)),
            Self::User(user) => Target::User(place(user)),
        }
    }
}

/// What the text points at. The daemon has the last word on what is a name, so all that an earlier one took is sent.
pub(crate) fn place(text: &str) -> Place {
    Place(Name::parse_kept(text).ok())
}

/// A message that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub seq: Seq,
    /// The daemon's copy of it.
    pub message: MsgEvent<'static>,
}

/// A message on its way; see [`Session::queue`](crate::Session::queue).
#[derive(Debug)]
pub struct Queued {
    pub(crate) kept: oneshot::Receiver<Result<MsgEvent<'static>, Error>>,
    pub(crate) shared: Arc<Mutex<Shared>>,
}

impl Queued {
    /// Waits until it is kept, over reconnects, as long as the session lives.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unconfirmed`], or what ended the session; [`Error::Protocol`] where the
    /// server's copy is not of what was sent.
    pub async fn kept(self) -> Result<Sent, Error> {
        let message = self.kept.await.unwrap_or_else(|_| Err(lock(&self.shared).why_ended()))?;
        Ok(Sent { seq: message.seq, message })
    }
}

/// Which messages a page of history is to have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Only messages with a smaller number.
    pub before: Option<Seq>,
    /// Only messages with a greater number.
    pub after: Option<Seq>,
    /// How many at most, 1 to 500. Default: 50.
    pub limit: Option<usize>,
}

impl Page {
    pub(crate) fn request(&self, of: &Conversation) -> Request<'static> {
        let of = match of {
            Conversation::Room(room) => request::Conversation::Room(place(room)),
            Conversation::With(user) => request::Conversation::With(place(user)),
        };
        let Self { before, after, limit } = *self;
        Request::History(History { of, before, after, limit: limit.unwrap_or(HISTORY_LIMIT) })
    }

    /// Are these messages of such a page, oldest first? Whoever reads page after page would never end otherwise.
    pub(crate) fn holds(&self, messages: &[MsgEvent<'_>]) -> Result<(), Error> {
        let mut last = self.after;
        for message in messages {
            let is_next = last.is_none_or(|last| message.seq > last);
            if !is_next || self.before.is_some_and(|before| message.seq >= before) {
                let what =
                    "the answer to HISTORY: its messages are not in order, or not those that were asked for";
                return Err(Error::Protocol(what.into()));
            }
            last = Some(message.seq);
        }
        Ok(())
    }
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Words, `"phrases"`, `prefix*`: 1 to 512 bytes.
    pub query: String,
    /// Only in this room.
    pub room: Option<String>,
    /// Only by this user.
    pub user: Option<String>,
    /// Only messages with a smaller number.
    pub before: Option<Seq>,
    /// How many at most, 1 to 100. Default: 20.
    pub limit: Option<usize>,
}

impl Query {
    pub(crate) fn request(&self) -> Request<'static> {
        Request::Search(Box::new(Search {
            query: self.query.clone(),
            room: self.room.as_deref().map(place),
            user: self.user.as_deref().map(place),
            before: self.before,
            limit: self.limit.unwrap_or(SEARCH_LIMIT),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_was_asked_for_in_order() {
        let message = |seq| {
            MsgEvent {
            room: Some("lobby".into()),
            seq,
            ..serde_json::from_str(
                r#"{"room":"lobby","seq":1,"prev":0,"ts":"2026-11-29T10:00:00.000Z","user":"a","color":"","msg":"x"}"#,
            )
            .unwrap()
        }
        };
        let page = Page { after: Some(3), before: Some(9), limit: None };
        let holds =
            |seqs: &[u64]| page.holds(&seqs.iter().map(|seq| message(*seq)).collect::<Vec<_>>()).is_ok();
        assert!(holds(&[]) && holds(&[4, 7, 8]));
        for wrong in [&[3][..], &[9], &[4, 4], &[5, 4]] {
            assert!(!holds(wrong), "{wrong:?}");
        }
    }
}
