//! Owns the read of messages from the store that a session did not see live: those of several rooms between two
//! seqs, in order, page by page. Used by `tail` and `wait`. Never prints.

use crate::exit::Failure;
use std::collections::VecDeque;
use tcp_chat_client::protocol::{MsgEvent, Seq};
use tcp_chat_client::{Conversation, Page, Session};

const PAGE: usize = 500;

/// The messages of some rooms after `after`, up to and including `head`, in the order of their seqs.
pub(super) struct Backfill<'a> {
    session: &'a Session,
    head: Seq,
    rooms: Vec<Room>,
    /// Rooms of which the store no longer has all requested messages.
    pub(super) cut: Vec<String>,
}

struct Room {
    of: Conversation,
    name: String,
    after: Seq,
    page: VecDeque<MsgEvent<'static>>,
    more: bool,
    first: bool,
}

impl<'a> Backfill<'a> {
    pub(super) fn new(session: &'a Session, rooms: &[String], after: Seq, head: Seq) -> Self {
        let rooms = rooms.iter().map(|room| Room {
            of: Conversation::Room(room.clone()),
            name: room.clone(),
            after,
            page: VecDeque::new(),
            more: after < head,
            first: true,
        });
        Self { session, head, rooms: rooms.collect(), cut: Vec::new() }
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Result<Option<MsgEvent<'static>>, Failure> {
        for room in &mut self.rooms {
            if room.page.is_empty() && room.more {
                let page = Page { after: Some(room.after), before: None, limit: Some(PAGE) };
                let reply = self.session.history(&room.of, &page).await?;
                if std::mem::take(&mut room.first)
                    && reply.messages.first().is_some_and(|m| m.prev > room.after)
                {
                    self.cut.push(room.name.clone());
                }
                room.after = reply.messages.last().map_or(room.after, |m| m.seq);
                room.more = reply.more && !reply.messages.is_empty() && room.after < self.head;
                room.page = reply.messages.into_iter().filter(|m| m.seq <= self.head).collect();
            }
        }
        let oldest = self.rooms.iter_mut().filter(|r| !r.page.is_empty()).min_by_key(|r| r.page[0].seq);
        Ok(oldest.and_then(|room| room.page.pop_front()))
    }
}
