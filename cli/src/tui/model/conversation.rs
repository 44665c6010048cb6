//! Owns one conversation on the screen: a window of its log, the unread messages, the members, and the scroll
//! position. Bounded: over the bound it drops the end that is not visible, which the daemon sends again when the
//! user scrolls there. Part of the model. Never requests a page itself.

use super::Part;
use super::item::{Item, Kind};
use crate::neutralise;
use std::collections::VecDeque;
use std::time::Duration;
use tcp_chat_client::Conversation;
use tcp_chat_client::protocol::Seq;
use tcp_chat_client::protocol::reply::{Member, MemberState};

/// Entries that are kept of one conversation.
pub(crate) const KEEP: usize = 1000;
/// Bytes that are kept of one conversation.
pub(crate) const KEEP_BYTES: usize = 512 * 1024;
/// Members that are kept of one room: as many as the daemon sends.
const MEMBERS: usize = 500;

/// The scroll position: the entry at the foot of the screen, and its rows below the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) id: u64,
    pub(crate) below: usize,
}

/// A conversation.
#[derive(Debug)]
pub(crate) struct ConversationWindow {
    /// The name on the wire.
    pub(crate) place: Conversation,
    /// The name on the screen: `#lobby`, `@bo`.
    pub(crate) title: String,
    pub(crate) items: VecDeque<Item>,
    bytes: usize,
    /// Whether the store has no older messages.
    pub(crate) at_start: bool,
    /// Whether the window reaches the newest message.
    pub(crate) at_head: bool,
    /// The requested part that has not come yet. Other answers are outdated.
    pub(crate) asked: Option<Part>,
    /// Whether it was filled from the store.
    pub(crate) loaded: bool,
    /// A text may have been removed while this session was away: the newest page is loaded again when it is shown.
    pub(crate) stale: bool,
    pub(crate) unread: usize,
    pub(crate) mentions: usize,
    /// The first unread message: the "new since" line precedes it.
    pub(crate) new_from: Option<Seq>,
    /// The newest read message.
    pub(crate) read: Seq,
    /// Whether there is no read mark.
    pub(crate) fresh: bool,
    /// Whether it was opened because of an earlier run; it is closed if it has no messages.
    pub(crate) returning: bool,
    /// `None`: follows the newest message.
    pub(crate) view: Option<Anchor>,
    pub(crate) members: Vec<Member>,
    pub(crate) member_count: usize,
    /// The topic of the room, neutralised; empty: none.
    pub(crate) topic: String,
    /// The read mark that the server has, or was told.
    pub(crate) told: Seq,
    /// When it was told, since the start.
    pub(crate) told_at: Option<Duration>,
    /// The unsent input.
    pub(crate) draft: String,
    /// The time of the last message, to remove the oldest conversation.
    pub(crate) active: u64,
}

impl ConversationWindow {
    pub(crate) fn new(place: Conversation) -> Self {
        let title = match &place {
            Conversation::Room(room) => format!("#{}", neutralise::line(room)),
            Conversation::With(user) => format!("@{}", neutralise::line(user)),
        };
        Self {
            place,
            title,
            items: VecDeque::new(),
            bytes: 0,
            at_start: false,
            at_head: true,
            asked: None,
            loaded: false,
            stale: false,
            unread: 0,
            mentions: 0,
            new_from: None,
            read: 0,
            fresh: true,
            returning: false,
            view: None,
            members: Vec::new(),
            member_count: 0,
            topic: String::new(),
            told: 0,
            told_at: None,
            draft: String::new(),
            active: 0,
        }
    }

    pub(crate) fn is_room(&self) -> bool {
        matches!(self.place, Conversation::Room(_))
    }

    /// The oldest message in the window.
    pub(crate) fn oldest(&self) -> Option<Seq> {
        self.items.iter().find_map(|i| i.seq)
    }

    /// The newest message in the window.
    pub(crate) fn newest(&self) -> Option<Seq> {
        self.items.iter().rev().find_map(|i| i.seq)
    }

    pub(crate) fn position(&self, id: u64) -> Option<usize> {
        self.items.iter().position(|i| i.id == id)
    }

    /// Adds an entry at the end; unconfirmed messages stay behind it.
    pub(crate) fn push(&mut self, item: Item) {
        if !self.at_head && !item.is_pending() {
            return;
        }
        if self.view.is_some() && self.is_full() {
            // The user reads further up: those entries stay, and the end is loaded again later.
            self.at_head = false;
            return;
        }
        self.bytes += item.bytes();
        if item.is_pending() {
            self.items.push_back(item);
        } else {
            let at = self.items.iter().rposition(|i| !i.is_pending()).map_or(0, |at| at + 1);
            self.items.insert(at, item);
        }
        self.bound_front();
    }

    fn is_full(&self) -> bool {
        self.items.len() >= KEEP || self.bytes >= KEEP_BYTES
    }

    fn is_over(&self) -> bool {
        self.items.len() > 1 && (self.items.len() > KEEP || self.bytes > KEEP_BYTES)
    }

    fn bound_front(&mut self) {
        while self.is_over() {
            if let Some(gone) = self.items.pop_front() {
                self.bytes -= gone.bytes();
                self.at_start = false;
            }
        }
    }

    fn bound_back(&mut self) {
        while self.is_over() {
            if let Some(gone) = self.items.pop_back() {
                self.bytes -= gone.bytes();
                self.at_head = false;
            }
        }
    }

    fn measure(&mut self) {
        self.bytes = self.items.iter().map(Item::bytes).sum();
    }

    /// Adds a page of messages before the window.
    pub(crate) fn prepend(&mut self, page: Vec<Item>, more: bool) {
        let oldest = self.oldest();
        for item in page.into_iter().rev().filter(|i| oldest.is_none_or(|o| i.seq < Some(o))) {
            self.items.push_front(item);
        }
        self.at_start = !more;
        self.measure();
        self.bound_back();
    }

    /// Adds a page of messages after the window.
    pub(crate) fn append(&mut self, page: Vec<Item>, more: bool) {
        let newest = self.newest();
        let fresh = page.into_iter().filter(|i| newest.is_none_or(|n| i.seq > Some(n)));
        let at = self.items.iter().rposition(|i| !i.is_pending()).map_or(0, |at| at + 1);
        let waiting = self.items.split_off(at);
        self.items.extend(fresh);
        self.items.extend(waiting);
        self.at_head = !more;
        self.measure();
        self.bound_front();
    }

    /// Adds the newest page. If it does not meet the window, it replaces the window: the messages between are
    /// loaded when the user scrolls there.
    pub(crate) fn merge_newest(&mut self, page: Vec<Item>, more: bool) {
        let (first, last) = (page.first().and_then(|i| i.seq), page.last().and_then(|i| i.seq));
        let meets = self.at_head && first.is_some() && self.newest().is_some_and(|n| Some(n) >= first);
        let was: Vec<Item> = std::mem::take(&mut self.items).into();
        if meets {
            let from = was.iter().position(|i| i.seq >= first && i.seq.is_some()).unwrap_or(was.len());
            let (before, rest) = was.split_at(from);
            let older = before.iter().any(|i| i.seq.is_some());
            self.items.extend(before.iter().cloned());
            self.items.extend(page);
            // Notes stay behind the messages, and so do messages newer than the page.
            self.items.extend(rest.iter().filter(|i| i.seq.is_none() || i.seq > last).cloned());
            if !older {
                self.at_start = !more;
            }
        } else {
            self.items.extend(page);
            let newer = |i: &Item| i.seq.is_none() || last.is_some_and(|l| i.seq > Some(l)) || last.is_none();
            self.items.extend(was.into_iter().filter(|i| newer(i)));
            self.at_start = !more;
            self.view = None;
        }
        self.at_head = true;
        (self.loaded, self.stale) = (true, false);
        self.measure();
        self.bound_front();
    }

    /// Replaces the window by the messages around one.
    pub(crate) fn replace(&mut self, part: Vec<Item>, older: bool, newer: bool) {
        let waiting: Vec<Item> = self.items.drain(..).filter(Item::is_pending).collect();
        self.items.extend(part);
        self.items.extend(waiting);
        (self.at_start, self.at_head) = (!older, !newer);
        self.measure();
        self.bound_front();
    }

    /// Empties the window; the newest page must be loaded.
    pub(crate) fn reset(&mut self) {
        self.items.retain(Item::is_pending);
        (self.at_start, self.at_head, self.loaded) = (false, true, false);
        self.asked = None;
        self.view = None;
        self.measure();
    }

    /// Removes an unconfirmed message that is kept or refused.
    pub(crate) fn take_pending(&mut self, which: impl Fn(u64, &str) -> bool) -> Option<Item> {
        let at = self
            .items
            .iter()
            .position(|i| matches!(&i.kind, Kind::Pending { local, sent, .. } if which(*local, sent)))?;
        let item = self.items.remove(at)?;
        self.bytes -= item.bytes();
        Some(item)
    }

    /// Marks everything as read.
    pub(crate) fn was_read(&mut self) {
        (self.unread, self.mentions) = (0, 0);
        self.read_up_to(self.newest().unwrap_or(0));
    }

    /// Marks messages up to this seq as read.
    pub(crate) fn read_up_to(&mut self, seq: Seq) {
        self.read = seq.max(self.read);
        self.fresh = false;
    }

    /// The text of a message was removed.
    pub(crate) fn redact(&mut self, seq: Seq, sentence: &str) {
        if let Some(item) = self.items.iter_mut().find(|item| item.seq == Some(seq)) {
            item.redact(sentence);
            self.measure();
        }
    }

    /// The newest message of a user in the window, unless its text was removed.
    pub(crate) fn newest_of(&self, wanted: impl Fn(&str, bool) -> bool) -> Option<Seq> {
        self.items.iter().rev().find_map(|item| match &item.kind {
            Kind::Said { user, own, redacted: false, .. } if wanted(user, *own) => item.seq,
            _ => None,
        })
    }

    /// The text of a message in the window, in one line.
    pub(crate) fn text_of(&self, seq: Seq) -> String {
        let item = self.items.iter().find(|item| item.seq == Some(seq));
        match item.map(|item| &item.kind) {
            Some(Kind::Said { text, .. }) => text.replace('\n', " "),
            _ => String::new(),
        }
    }

    /// Up to which message the server is to be told that this was read, if it does not know.
    pub(crate) fn to_tell(&self) -> Option<Seq> {
        let seq = self.read.min(self.newest()?);
        (!self.fresh && self.loaded && seq > self.told).then_some(seq)
    }

    /// Counts the unread messages by the read mark.
    pub(crate) fn count(&mut self) {
        let read = self.read;
        let unread = |i: &&Item| i.seq > Some(read) && matches!(i.kind, Kind::Said { own: false, .. });
        self.unread = self.items.iter().filter(unread).count();
        self.mentions = self.items.iter().filter(unread).filter(|i| is_mention(i)).count();
        self.new_from = self.items.iter().find(unread).and_then(|i| i.seq);
    }

    /// Replaces the members.
    pub(crate) fn set_members(&mut self, mut members: Vec<Member>, count: usize) {
        members.sort_by_key(|m| m.user.to_lowercase());
        members.truncate(MEMBERS);
        (self.members, self.member_count) = (members, count);
    }

    /// Adds a member; one that is not in the list counts, too.
    pub(crate) fn member_came(&mut self, user: &str) {
        if self.members.iter().all(|m| m.user != user) {
            self.member_count += 1;
        }
    }

    /// A member is here, away, or (`None`) gone.
    pub(crate) fn member(&mut self, user: &str, color: &str, state: Option<MemberState>) {
        let at = self.members.iter().position(|m| m.user == user);
        match (at, state) {
            (Some(at), Some(state)) => self.members[at].state = state,
            (Some(at), None) => {
                self.members.remove(at);
                self.member_count = self.member_count.saturating_sub(1);
            }
            (None, Some(state)) => {
                if self.members.len() < MEMBERS {
                    let key = user.to_lowercase();
                    let at = self.members.partition_point(|m| m.user.to_lowercase() < key);
                    let member = Member { user: user.into(), color: color.into(), state, role: None };
                    self.members.insert(at, member);
                }
            }
            (None, None) => self.member_count = self.member_count.saturating_sub(1),
        }
    }
}

/// Whether it is a message with a mention of this user.
pub(crate) fn is_mention(item: &Item) -> bool {
    matches!(item.kind, Kind::Said { mention: true, .. })
}
