//! Owns the arguments and results of a session's methods: the target of a message, pages and searches, a queued
//! message. Used by `session`. Never talks to the task.

use crate::session::{Shared, lock};
use crate::{Conversation, Error};
use std::sync::{Arc, Mutex};
use tcp_chat_protocol::request::{
    self, HISTORY_LIMIT, History, Place, Request, SEARCH_LIMIT, Search, Target,
};
use tcp_chat_protocol::{MsgEvent, Name, Seq};
use tokio::sync::oneshot;

/// The target of a message.
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

/// The room or user that the text names. The daemon decides which names are valid, so every name that a daemon of
/// any version accepts is sent.
pub(crate) fn place(text: &str) -> Place {
    Place(Name::parse_kept(text).ok())
}

impl Conversation {
    /// The conversation as a request names it.
    pub(crate) fn request(&self) -> request::Conversation {
        match self {
            Self::Room(room) => request::Conversation::Room(place(room)),
            Self::With(user) => request::Conversation::With(place(user)),
        }
    }
}

/// A message that the daemon has kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its seq.
    pub seq: Seq,
    /// The daemon's copy of it.
    pub message: MsgEvent<'static>,
}

/// A queued message; see [`Session::queue`](crate::Session::queue).
#[derive(Debug)]
pub struct Queued {
    pub(crate) kept: oneshot::Receiver<Result<MsgEvent<'static>, Error>>,
    pub(crate) shared: Arc<Mutex<Shared>>,
}

impl Queued {
    /// Waits until the message is kept, across reconnects, while the session lives.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unconfirmed`], or the end of the session; [`Error::Protocol`] if the server's
    /// copy differs from the sent message.
    pub async fn kept(self) -> Result<Sent, Error> {
        let message = self.kept.await.unwrap_or_else(|_| Err(lock(&self.shared).why_ended()))?;
        Ok(Sent { seq: message.seq, message })
    }
}

/// The range of a page of history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Only messages with a smaller seq.
    pub before: Option<Seq>,
    /// Only messages with a greater seq.
    pub after: Option<Seq>,
    /// The largest number of messages, 1 to 500. Default: 50.
    pub limit: Option<usize>,
}

impl Page {
    pub(crate) fn request(&self, of: &Conversation) -> Request<'static> {
        let of = of.request();
        let Self { before, after, limit } = *self;
        Request::History(History { of, before, after, limit: limit.unwrap_or(HISTORY_LIMIT) })
    }

    /// Checks that the messages belong to this page, oldest first. Otherwise a caller that reads page after page
    /// could loop for ever.
    pub(crate) fn check(&self, messages: &[MsgEvent<'_>]) -> Result<(), Error> {
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

/// A search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Words, `"phrases"`, `prefix*`: 1 to 512 bytes.
    pub query: String,
    /// Searches only this room.
    pub room: Option<String>,
    /// Searches only messages of this user.
    pub user: Option<String>,
    /// Only messages with a smaller seq.
    pub before: Option<Seq>,
    /// Only messages with a greater seq.
    pub after: Option<Seq>,
    /// The largest number of messages, 1 to 100. Default: 20.
    pub limit: Option<usize>,
}

impl Query {
    pub(crate) fn request(&self) -> Request<'static> {
        Request::Search(Box::new(Search {
            query: self.query.clone(),
            room: self.room.as_deref().map(place),
            user: self.user.as_deref().map(place),
            before: self.before,
            after: self.after,
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
        let check =
            |seqs: &[u64]| page.check(&seqs.iter().map(|seq| message(*seq)).collect::<Vec<_>>()).is_ok();
        assert!(check(&[]) && check(&[4, 7, 8]));
        for wrong in [&[3][..], &[9], &[4, 4], &[5, 4]] {
            assert!(!check(wrong), "{wrong:?}");
        }
    }
}
