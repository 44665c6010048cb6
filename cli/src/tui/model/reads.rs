//! Owns the read marks from one run of the program to the next, and the direct messages that are opened again.
//! Part of the model. Never touches the file: `shell` does.

use super::{Effect, Link, Model, TALKS};
use std::time::Duration;
use tcp_chat_client::protocol::{ReadMark, Seq};
use tcp_chat_client::{Conversation, Mark};

/// Read marks that are remembered of conversations that are not open.
const MARKS: usize = 4096;
/// The shortest time between two read marks of one conversation.
const MARK: Duration = Duration::from_secs(1);
/// Direct messages that are opened again at a start.
const RETURNING: usize = 32;

impl Model {
    /// The read marks for the next run: of open conversations, and of direct messages with absent users.
    pub(crate) fn reads(&self) -> Vec<(Conversation, Seq)> {
        let open = self.talks.iter().filter(|t| !t.fresh).map(|t| (t.place.clone(), t.read));
        let closed = self.reads.iter().filter(|(place, _)| is_direct(place) && self.find(place).is_none());
        let mut reads: Vec<_> = open.chain(closed.cloned()).collect();
        reads.sort_by_key(|(place, seq)| (is_direct(place), std::cmp::Reverse(*seq)));
        reads.truncate(TALKS);
        reads
    }

    /// The read marks of an earlier run.
    pub(crate) fn set_reads(&mut self, reads: Vec<(Conversation, Seq)>) {
        let mut directs: Vec<_> = reads.iter().filter(|(place, _)| is_direct(place)).cloned().collect();
        directs.sort_by_key(|(_, seq)| std::cmp::Reverse(*seq));
        directs.truncate(RETURNING);
        self.returning = directs.into_iter().map(|(place, _)| place).collect();
        self.reads = reads;
    }

    /// The read marks that the server keeps: those of another device may be further.
    pub(super) fn take_marks(&mut self, marks: Option<&[ReadMark<'_>]>) {
        self.keeps_marks = marks.is_some();
        for mark in marks.unwrap_or_default().iter().filter_map(Mark::of) {
            self.take_mark(&mark);
        }
    }

    /// Another session of the user has read further.
    pub(super) fn take_mark(&mut self, mark: &Mark) {
        let Mark { of, seq } = mark;
        let has_place = self.reads.len() < MARKS;
        match self.reads.iter_mut().find(|(place, _)| place == of) {
            Some((_, read)) => *read = (*read).max(*seq),
            None if has_place => self.reads.push((of.clone(), *seq)),
            None => {}
        }
        if let Some(at) = self.find(of) {
            let talk = &mut self.talks[at];
            talk.told = talk.told.max(*seq);
            if *seq > talk.read {
                talk.read_up_to(*seq);
                talk.count();
            }
        }
    }

    /// Tells the server what was read, of each conversation at most once a second.
    pub(super) fn tell_marks(&mut self) -> Vec<Effect> {
        if !self.keeps_marks || !matches!(self.link, Link::Up { .. }) {
            return Vec::new();
        }
        let now = self.now.up;
        let mut effects = Vec::new();
        for talk in &mut self.talks {
            let is_due = talk.told_at.is_none_or(|at| now >= at + MARK);
            if let Some(seq) = talk.to_tell().filter(|_| is_due) {
                (talk.told, talk.told_at) = (seq, Some(now));
                effects.push(Effect::Mark { of: talk.place.clone(), seq });
            }
        }
        effects
    }

    /// When the server is to be told next.
    pub(super) fn next_mark(&self) -> Option<Duration> {
        if !self.keeps_marks || !matches!(self.link, Link::Up { .. }) {
            return None;
        }
        let waiting = self.talks.iter().filter(|talk| talk.to_tell().is_some());
        waiting.filter_map(|talk| Some(talk.told_at? + MARK)).min()
    }

    /// After that seq another log continues: the entries belong to the old log, and the server sends the new
    /// ones.
    pub(super) fn log_replaced(&mut self, from: Seq) {
        for (_, seq) in &mut self.reads {
            *seq = from.min(*seq);
        }
        for talk in &mut self.talks {
            talk.reset();
            talk.read = from.min(talk.read);
            talk.told = from.min(talk.told);
            (talk.unread, talk.mentions, talk.new_from) = (0, 0, None);
        }
    }

    /// Opens the direct messages of an earlier run.
    pub(super) fn return_directs(&mut self) {
        for place in std::mem::take(&mut self.returning) {
            if self.find(&place).is_none() {
                let at = self.open(&place);
                self.talks[at].returning = true;
            }
        }
    }

    /// Drops the read marks of the old log.
    pub(super) fn forget(&mut self, place: &Conversation) {
        self.reads.retain(|(p, _)| p != place);
    }

    /// Closes direct messages of an earlier run without any message, unless the user looks at them.
    pub(super) fn close_if_nothing_returned(&mut self, at: usize) {
        let talk = &mut self.talks[at];
        if std::mem::take(&mut talk.returning) && talk.items.is_empty() && at != self.current {
            self.close(at);
        }
    }
}

/// The name of a conversation in the file of read marks: `lobby`, `@bo`. No room has an `@`.
pub(crate) fn key_of(place: &Conversation) -> String {
    match place {
        Conversation::Room(room) => room.clone(),
        Conversation::With(user) => format!("@{user}"),
    }
}

pub(crate) fn place_of(key: &str) -> Conversation {
    match key.strip_prefix('@') {
        Some(user) => Conversation::With(user.to_owned()),
        None => Conversation::Room(key.to_owned()),
    }
}

fn is_direct(place: &Conversation) -> bool {
    matches!(place, Conversation::With(_))
}
