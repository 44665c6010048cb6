//! Owns the two files of the full screen: the session, and the read marks. Called by `shell` at each login and at
//! most once per second. Never talks to the server: it passes the log of the seqs to `connect`.

use super::model::reads::{key_of, place_of};
use crate::connect::Before;
use crate::settings::Settings;
use crate::state::{State, StateError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tcp_chat_client::protocol::Seq;
use tcp_chat_client::{Conversation, Saved};

/// The read mark of each conversation.
type Reads = Vec<(Conversation, Seq)>;

/// The files of one server and name. `None`: another client uses it, or it has no place.
pub(super) struct Saves {
    chat: Option<State>,
    read: Option<State>,
    /// The last saved state.
    last: Option<(Saved, Reads)>,
}

/// The content of the file of read marks.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    /// The log of the seqs; `None`: the server does not give it.
    log: Option<String>,
    reads: BTreeMap<String, Seq>,
}

/// That file in the form of each version.
#[derive(Deserialize)]
#[serde(untagged)]
enum MarksFile {
    Now(Marks),
    /// 0.1: only the seqs.
    Bare(BTreeMap<String, Seq>),
}

impl From<MarksFile> for Marks {
    fn from(file: MarksFile) -> Self {
        match file {
            MarksFile::Now(marks) => marks,
            MarksFile::Bare(reads) => Self { log: None, reads },
        }
    }
}

impl Saves {
    /// Whether there is a session to resume under the name of this run.
    pub(super) fn have_session(settings: &Settings) -> bool {
        let state = State::open("chat", &settings.server(), &settings.name);
        state.is_some_and(|s| s.load::<Saved>().is_some())
    }

    pub(super) fn open(settings: &Settings) -> Self {
        let open = |purpose| State::open(purpose, &settings.server(), &settings.name);
        Self { chat: open("chat"), read: open("read"), last: None }
    }

    /// The state of an earlier run, for the login and for the screen.
    pub(super) fn load(&self) -> (Before, Option<Reads>) {
        let saved = self.chat.as_ref().and_then(State::load);
        let marks = self.read.as_ref().and_then(State::load::<MarksFile>).map(Marks::from);
        let before = before(saved, marks.as_ref());
        let reads =
            marks.map(|marks| marks.reads.into_iter().map(|(key, seq)| (place_of(&key), seq)).collect());
        (before, reads)
    }

    /// Saves both files, the session first: so the marks never belong to a later log than the session.
    pub(super) fn save(&mut self, session: Saved, reads: Reads) -> Result<(), StateError> {
        let now = (session, reads);
        if self.last.as_ref() == Some(&now) {
            return Ok(());
        }
        let (session, reads) = &now;
        let reads = reads.iter().map(|(place, seq)| (key_of(place), *seq)).collect();
        let marks = Marks { log: session.log.clone(), reads };
        let done = self.chat.as_ref().map_or(Ok(()), |state| state.save(session));
        done.and(self.read.as_ref().map_or(Ok(()), |state| state.save(&marks)))?;
        self.last = Some(now);
        Ok(())
    }

    /// Whether the session can be resumed later.
    pub(super) fn keep_session(&self) -> bool {
        self.chat.is_some()
    }

    /// The session is over.
    pub(super) fn forget_session(&self) {
        if let Some(chat) = &self.chat {
            chat.forget();
        }
    }
}

/// The question of the login: up to which seq the log of the marks equals the server's.
fn before(saved: Option<Saved>, marks: Option<&Marks>) -> Before {
    let Some(marks) = marks else { return saved.into() };
    let newest = marks.reads.values().max().copied().unwrap_or(0);
    match saved {
        // Line mode has continued the session since then, in a later log.
        Some(saved) if marks.log.is_some() && marks.log != saved.log => {
            Some(Saved { after: saved.after.max(newest), log: marks.log.clone(), ..saved }).into()
        }
        saved => Before { saved, seen: (newest > 0).then(|| (newest, marks.log.clone())) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(file: &str) -> Marks {
        serde_json::from_str::<MarksFile>(file).unwrap().into()
    }

    fn saved(after: Seq, log: Option<&str>) -> Saved {
        let (name, token, log) = ("ana".into(), "t".into(), log.map(Into::into));
        Saved { name, token, after, log, last_id: 1, rooms: Vec::new(), servers: Vec::new() }
    }

    #[test]
    fn a_file_without_a_log_is_read_as_before() {
        let reads = [("@bo", 9), ("log", 3), ("reads", 7)].map(|(key, seq)| (key.to_owned(), seq)).into();
        let old = marks(r#"{"@bo":9,"log":3,"reads":7}"#);
        assert_eq!(old, Marks { log: None, reads });
        assert_eq!(marks(&serde_json::to_string(&old).unwrap()), old);
        let now = marks(r#"{"log":"a","reads":{"log":3}}"#);
        assert_eq!((now.log.as_deref(), now.reads["log"]), (Some("a"), 3));
    }

    #[test]
    fn the_login_asks_about_the_log_of_the_marks() {
        let marks = |log| Marks { log, reads: [("lobby".to_owned(), 9), ("@bo".to_owned(), 4)].into() };
        let place = |before: Before| before.saved.map(|s| (s.after, s.log.unwrap()));
        let a = || Some("a".to_owned());
        assert_eq!(before(None, Some(&marks(a()))).seen, Some((9, a())));
        assert_eq!(place(before(Some(saved(12, Some("a"))), Some(&marks(a())))), Some((12, "a".into())));
        assert_eq!(place(before(Some(saved(12, Some("b"))), Some(&marks(a())))), Some((12, "a".into())));
        assert_eq!(place(before(Some(saved(7, Some("b"))), Some(&marks(a())))), Some((9, "a".into())));
        assert_eq!(place(before(Some(saved(7, Some("b"))), Some(&marks(None)))), Some((7, "b".into())));
    }
}
