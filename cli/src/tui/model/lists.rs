//! Owns the lists over the screen that answers fill: members, rooms, search results. Part of the model; called by
//! `net`. Neutralises all of it. Never requests a list.

use super::Model;
use super::conversation::ConversationWindow;
use super::item::Item;
use super::overlay::{HITS, Hit, Overlay};
use crate::neutralise::{self, line as clean};
use crate::style::count;
use tcp_chat_client::protocol::reply::{FoundMessage, MemberState, RoomInfo, SearchReply, WhoReply};
use tcp_chat_client::{Conversation, Error, Message};

/// Rooms of the server that are kept for completion.
const ROOMS: usize = 500;

impl Model {
    pub(super) fn who(&mut self, reply: WhoReply, show: bool) {
        if show {
            let place = reply.room.as_ref().map_or_else(|| "the server".into(), |r| format!("#{}", clean(r)));
            let title = format!("{} on {place}", reply.member_count);
            let line = |m: &tcp_chat_client::protocol::reply::Member| {
                let role = m.role.map_or(String::new(), |role| format!(", {role}"));
                let state = match m.state {
                    MemberState::Here => "",
                    MemberState::Away => " (away)",
                    MemberState::Other => " (?)",
                };
                format!("{}{role}{state}", clean(&m.user))
            };
            let mut lines: Vec<_> = reply.members.iter().map(line).collect();
            let more = reply.member_count.saturating_sub(reply.members.len());
            if more > 0 {
                lines.push(format!("and {more} more"));
            }
            self.overlay = Some(Overlay::List { title, lines, scroll: 0 });
        }
        if let Some(at) = reply.room.and_then(|room| self.find(&Conversation::Room(room))) {
            self.talks[at].set_members(reply.members, reply.member_count);
            self.talks[at].topic = reply.topic.as_deref().map(clean).unwrap_or_default();
        }
    }

    pub(super) fn rooms(&mut self, rooms: Vec<RoomInfo>) {
        let line = |r: &RoomInfo| {
            let here = self.find(&Conversation::Room(r.room.clone())).is_some();
            let here = if here { "  (you are in it)" } else { "" };
            let topic = r.topic.as_ref().map_or(String::new(), |topic| format!("  {}", clean(topic)));
            format!("#{}  {}{here}{topic}", clean(&r.room), count(r.members, "member"))
        };
        let lines: Vec<_> = rooms.iter().map(line).collect();
        let title = format!("{}; /join ROOM enters one", count(rooms.len(), "room"));
        self.known_rooms = rooms.into_iter().map(|r| r.room).take(ROOMS).collect();
        self.overlay = Some(Overlay::List { title, lines, scroll: 0 });
    }

    pub(super) fn found(&mut self, query: &str, reply: Result<SearchReply, Error>) {
        let reply = match reply {
            Ok(reply) => reply,
            Err(e) => {
                self.overlay.take_if(|o| matches!(o, Overlay::Search(s) if s.query == query));
                return self.error(format!("search: {}", clean(&e.to_string())));
            }
        };
        let (more, not_indexed) = (reply.more, reply.not_indexed());
        let me = self.me.clone();
        let mut hits = Vec::new();
        for found in reply.messages {
            let parts = parts(&found);
            let message = Message::of(found.message, &me);
            let title = ConversationWindow::new(message.conversation.clone()).title;
            let item = Item::said(self.id(), &message, &me, &self.zone);
            hits.push(Hit { seq: message.seq(), place: message.conversation, title, item, parts });
        }
        // The user may have closed it meanwhile, or searched for something else.
        let Some(Overlay::Search(search)) = &mut self.overlay else { return };
        if search.query == query {
            search.loading = false;
            // Of the first page: the newest messages would be in it.
            search.not_indexed = search.not_indexed.filter(|_| !search.hits.is_empty()).or(not_indexed);
            search.hits.extend(hits);
            search.hits.truncate(HITS);
            search.more = more;
        }
    }
}

/// The text of a found message on one line, in parts.
fn parts(found: &FoundMessage) -> Vec<(String, bool)> {
    let text = |part| neutralise::part(&found.message.msg, part).replace("␍␊", "␊").replace('␊', " ␊ ");
    found.parts().into_iter().map(|(part, marked)| (text(part), marked)).collect()
}
