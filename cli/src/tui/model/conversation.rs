//! Owns one conversation as the screen knows it: a window of its log, what is unread, who is there,
//! and where the reader has scrolled to. Bounded: over its bound the end that is not being read is
//! given up, and is loaded again from the daemon when somebody scrolls there. Never asks by itself.

use super::Part;
use super::item::{Item, Kind};
use crate::neutralise;
use std::collections::VecDeque;
use tcp_chat_client::Conversation;
use tcp_chat_client::protocol::Seq;
use tcp_chat_client::protocol::reply::{Member, MemberState};

/// Entries that are kept of one conversation.
pub(crate) const KEEP: usize = 1000;
/// Bytes that are kept of one conversation.
pub(crate) const KEEP_BYTES: usize = 512 * 1024;
/// Members that are kept of one room: as many as the daemon tells.
const MEMBERS: usize = 500;

/// Where the reader is: the entry at the foot of the screen, and how many of its rows are below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) id: u64,
    pub(crate) below: usize,
}

/// A conversation.
#[derive(Debug)]
pub(crate) struct Talk {
    /// As the wire calls it.
    pub(crate) place: Conversation,
    /// As it is shown: `#lobby`, `@bo`.
    pub(crate) title: String,
    pub(crate) items: VecDeque<Item>,
    bytes: usize,
    /// Nothing older is to be had.
    pub(crate) at_start: bool,
    /// The window reaches to the newest message.
    pub(crate) at_head: bool,
    /// The part that was asked for and has not come. An answer to anything else comes too late.
    pub(crate) asked: Option<Part>,
    /// It has been filled from the store.
    pub(crate) loaded: bool,
    pub(crate) unread: usize,
    pub(crate) mentions: usize,
    /// The first message that was not read: the "new since" line stands before it.
    pub(crate) new_from: Option<Seq>,
    /// The newest message that was read.
    pub(crate) read: Seq,
    /// Nothing is known of what was read here.
    pub(crate) fresh: bool,
    /// It is here because it was in an earlier run; where nothing of it is left, it goes again.
    pub(crate) returning: bool,
    /// `None`: at the newest message, and staying there.
    pub(crate) view: Option<Anchor>,
    pub(crate) members: Vec<Member>,
    pub(crate) member_count: usize,
    /// What was typed here and not sent.
    pub(crate) draft: String,
    /// When something was last said here; for giving up the oldest.
    pub(crate) active: u64,
}

impl Talk {
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
            unread: 0,
            mentions: 0,
            new_from: None,
            read: 0,
            fresh: true,
            returning: false,
            view: None,
            members: Vec::new(),
            member_count: 0,
            draft: String::new(),
            active: 0,
        }
    }

    pub(crate) fn is_room(&self) -> bool {
        matches!(self.place, Conversation::Room(_))
    }

    /// The oldest message that is here.
    pub(crate) fn oldest(&self) -> Option<Seq> {
        self.items.iter().find_map(|i| i.seq)
    }

    /// The newest message that is here.
    pub(crate) fn newest(&self) -> Option<Seq> {
        self.items.iter().rev().find_map(|i| i.seq)
    }

    pub(crate) fn position(&self, id: u64) -> Option<usize> {
        self.items.iter().position(|i| i.id == id)
    }

    /// Something new, at the end; what is still on its way stays behind it.
    pub(crate) fn push(&mut self, item: Item) {
        if !self.at_head && !item.is_pending() {
            return;
        }
        if self.view.is_some() && self.is_full() {
            // Somebody reads further up: what they read stays, and the end comes again later.
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

    /// A page of what came before the oldest message here.
    pub(crate) fn prepend(&mut self, page: Vec<Item>, more: bool) {
        let oldest = self.oldest();
        for item in page.into_iter().rev().filter(|i| oldest.is_none_or(|o| i.seq < Some(o))) {
            self.items.push_front(item);
        }
        self.at_start = !more;
        self.measure();
        self.bound_back();
    }

    /// A page of what came after the newest message here.
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

    /// The newest page. Where it does not meet what is here, it takes its place: what is between
    /// them comes when somebody scrolls there.
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
            // Notes stay, behind what was said; so does what is newer than the page.
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
        self.loaded = true;
        self.measure();
        self.bound_front();
    }

    /// A part of the log around one message, in place of what is here.
    pub(crate) fn replace(&mut self, part: Vec<Item>, older: bool, newer: bool) {
        let waiting: Vec<Item> = self.items.drain(..).filter(Item::is_pending).collect();
        self.items.extend(part);
        self.items.extend(waiting);
        (self.at_start, self.at_head) = (!older, !newer);
        self.measure();
        self.bound_front();
    }

    /// Nothing is here any more; the newest page is to be loaded.
    pub(crate) fn reset(&mut self) {
        self.items.retain(Item::is_pending);
        (self.at_start, self.at_head, self.loaded) = (false, true, false);
        self.asked = None;
        self.view = None;
        self.measure();
    }

    /// The message that was on its way is here, or was refused.
    pub(crate) fn take_pending(&mut self, which: impl Fn(u64, &str) -> bool) -> Option<Item> {
        let at = self
            .items
            .iter()
            .position(|i| matches!(&i.kind, Kind::Pending { local, sent, .. } if which(*local, sent)))?;
        let item = self.items.remove(at)?;
        self.bytes -= item.bytes();
        Some(item)
    }

    /// All of it was seen.
    pub(crate) fn was_read(&mut self) {
        (self.unread, self.mentions) = (0, 0);
        self.read_up_to(self.newest().unwrap_or(0));
    }

    /// What came up to here is no news.
    pub(crate) fn read_up_to(&mut self, seq: Seq) {
        self.read = seq.max(self.read);
        self.fresh = false;
    }

    /// Counts what is unread by what was read last.
    pub(crate) fn count(&mut self) {
        let read = self.read;
        let unread = |i: &&Item| i.seq > Some(read) && matches!(i.kind, Kind::Said { own: false, .. });
        self.unread = self.items.iter().filter(unread).count();
        self.mentions = self.items.iter().filter(unread).filter(|i| is_mention(i)).count();
        self.new_from = self.items.iter().find(unread).and_then(|i| i.seq);
    }

    /// Who is here now.
    pub(crate) fn set_members(&mut self, mut members: Vec<Member>, count: usize) {
        members.sort_by_key(|m| m.user.to_lowercase());
        members.truncate(MEMBERS);
        (self.members, self.member_count) = (members, count);
    }

    /// Somebody came: who is not in the list is one more.
    pub(crate) fn member_came(&mut self, user: &str) {
        if self.members.iter().all(|m| m.user != user) {
            self.member_count += 1;
        }
    }

    /// Somebody is here, away, or (`None`) gone.
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

/// Is it a message that means the reader?
pub(crate) fn is_mention(item: &Item) -> bool {
    matches!(item.kind, Kind::Said { mention: true, .. })
}
