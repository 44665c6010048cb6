//! Owns the changes of the screen by events of the session and answers of the server. Part of the model.
//! Neutralises all untrusted text here, or in `item`, before it is kept. Never requests more than the model
//! needs.

use super::conversation::{ConversationWindow, is_mention};
use super::item::Item;
use super::overlay::Overlay;
use super::{Answer, Effect, Link, Model, Part};
use crate::neutralise::line as clean;
use crate::style;
use crate::tui::wrap;
use std::time::Duration;
use tcp_chat_client::protocol::reply::{LoginReply, MemberState, MessagesReply};
use tcp_chat_client::protocol::{MsgEvent, PresenceEvent, PresenceState, RedactedEvent, RoomEvent};
use tcp_chat_client::{Conversation, Error, Event, Mark, Message};

/// How long "caught up" is shown in the bar.
const CAUGHT_UP: Duration = Duration::from_secs(10);
/// The shortest time between two bells.
const RING: Duration = Duration::from_secs(2);

impl Model {
    pub(super) fn net(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Message(message) => return self.message(&message),
            Event::Presence(presence) => self.presence(&presence),
            Event::Notice(notice) => return self.told(&notice),
            Event::Redacted(redaction) => {
                let RedactedEvent { seq, by, reason, .. } = &redaction.data;
                let sentence = style::redacted(by.as_deref(), reason.as_deref());
                if let Some(at) = self.find(&redaction.conversation) {
                    self.talks[at].redact(*seq, &sentence);
                }
                if let Some(Overlay::Search(search)) = &mut self.overlay {
                    search.hits.retain(|hit| hit.seq != *seq);
                    search.at = search.at.min(search.hits.len().saturating_sub(1));
                }
            }
            Event::Topic(room) => {
                let RoomEvent { room, topic, user } = *room;
                if let Some(at) = self.find(&Conversation::Room(room.into_owned())) {
                    self.talks[at].topic = clean(&topic);
                    self.note(at, style::topic(user.as_deref(), &topic));
                }
            }
            Event::Read(mark) => self.take_mark(&mark),
            Event::Connected(login) => {
                self.link = Link::Up { caught_up: None };
                self.notice.take_if(|n| n.error);
                self.logged_in(&login);
                return self.refresh(true);
            }
            Event::Resumed { caught_up } => {
                let until = self.now.up + CAUGHT_UP;
                self.link = Link::Up { caught_up: Some((caught_up, until)) };
                self.notice.take_if(|n| n.error);
                return self.refresh(false);
            }
            Event::Reconnecting { wait, attempt, why } => {
                self.link = Link::Waiting { until: self.now.up + wait, attempt };
                self.error(clean(&why.to_string()));
            }
            Event::Moved { server } => {
                self.hint(format!("now at {server}"));
                self.server = server;
            }
            Event::SessionLost { .. } => {
                self.note_everywhere("the session had ended: this is a new one");
            }
            Event::LogReplaced { from, .. } => {
                self.log_replaced(from);
                self.note_everywhere(&crate::output::log_replaced(from));
            }
            Event::Gap { from, to } => self.note_everywhere(&format!(
                "messages between {from} and {to} are no longer kept by the server"
            )),
            Event::ChainBroken { prev, seq, .. } => {
                self.error(format!("warning: message {prev}, which comes before {seq}, is missing"));
            }
            Event::Ended(why) => {
                self.link = Link::Over;
                self.error(format!(
                    "{}; /connect begins a new session, /quit leaves",
                    clean(&why.to_string())
                ));
                if let Some(notice) = &mut self.notice {
                    notice.until = None;
                }
            }
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn answer(&mut self, answer: Answer) -> Vec<Effect> {
        match answer {
            Answer::LoggedIn(login) => {
                self.login = None;
                self.notice = None;
                self.link = Link::Up { caught_up: None };
                self.logged_in(&login);
                // A resumed session has its own rooms; joins the requested ones, too.
                let wanted = std::mem::take(&mut self.wanted);
                let missing = wanted.into_iter().filter(|room| !login.rooms.contains(room));
                return missing.map(Effect::Join).collect();
            }
            Answer::NotLoggedIn { lines, password } => {
                let lines: Vec<_> = lines.iter().map(|l| clean(l)).collect();
                self.link = if self.login.is_some() { Link::Off } else { Link::Over };
                match &mut self.login {
                    Some(login) => {
                        login.trying = false;
                        login.problem = lines;
                        login.field = Self::field_of(password);
                    }
                    None => self.error(lines.join(" ")),
                }
            }
            Answer::Sent { local } => {
                self.stalls(false);
                // The message may have arrived before, and replaced the unconfirmed entry.
                self.pending(local);
            }
            Answer::NotSent { local, why } => {
                let why = clean(&why.to_string());
                if let Some((at, item)) = self.pending(local) {
                    self.note(at, format!("not sent ({why}): {}", item.text()));
                }
                self.error(format!("not sent: {why}"));
            }
            Answer::Joined(joined) => {
                let at = self.open(&Conversation::Room(joined.room));
                self.talks[at].set_members(joined.members, joined.member_count);
                self.talks[at].loaded = false;
                self.talks[at].read_up_to(joined.mark.unwrap_or(joined.head));
                self.talks[at].told = joined.mark.unwrap_or(0);
                if let Some(topic) = &joined.topic {
                    self.talks[at].topic = clean(topic);
                    self.note(at, format!("topic: {}", clean(topic)));
                }
                return self.show(at);
            }
            Answer::Left(room) => {
                if let Some(at) = self.find(&Conversation::Room(room)) {
                    let was_shown = at == self.current;
                    if was_shown {
                        self.editor.take();
                    }
                    self.close(at);
                    if was_shown {
                        self.restore_draft();
                    }
                    return self.look();
                }
            }
            Answer::Who { reply, show } => self.who(reply, show),
            Answer::Rooms(rooms) => self.rooms(rooms),
            Answer::History { of, part, reply } => return self.history(&of, part, reply),
            Answer::Around { of, seq, reply } => {
                let part = Some(Part::Around(seq));
                let Some(at) = self.find(&of).filter(|at| self.talks[*at].asked == part) else {
                    return Vec::new();
                };
                self.talks[at].asked = None;
                match reply {
                    Ok((older, newer)) => {
                        let (before, after) = (older.more, newer.more);
                        let items = self.items(older.messages.into_iter().chain(newer.messages));
                        self.talks[at].replace(items, before, after);
                        self.talks[at].loaded = true;
                        if at == self.current {
                            return self.scroll_to(seq);
                        }
                    }
                    Err(e) => self.error(clean(&e.to_string())),
                }
            }
            Answer::Found { query, reply } => self.found(&query, reply),
            Answer::Failed(why) => self.error(clean(&why)),
            Answer::Marked { of, seq } => self.take_mark(&Mark { of, seq }),
            Answer::Told(what) => self.hint(clean(&what)),
        }
        Vec::new()
    }

    fn logged_in(&mut self, login: &LoginReply) {
        self.me = login.name.clone();
        self.take_marks(login.marks.as_deref());
        self.msg_bytes = login.limits.msg_bytes;
        for room in &login.rooms {
            let known = self.reads.iter().any(|(p, _)| matches!(p, Conversation::Room(r) if r == room));
            let new = self.find(&Conversation::Room(room.clone())).is_none();
            let at = self.open(&Conversation::Room(room.clone()));
            if new && !known {
                // There is no read mark for this conversation: all of it counts as read.
                self.talks[at].read_up_to(login.head);
            }
        }
        let gone =
            |t: &ConversationWindow| matches!(&t.place, Conversation::Room(r) if !login.rooms.contains(r));
        while let Some(at) = self.talks.iter().position(gone) {
            self.close(at);
        }
        let wanted = self.wanted.first().cloned().map(Conversation::Room);
        if let Some(at) = wanted.and_then(|w| self.find(&w)) {
            self.current = at;
        } else if self.talks.iter().all(|t| t.items.is_empty()) {
            self.current = 0;
        }
    }

    /// Requests the messages that the conversations lack after a connect. After a resume, the conversation on the screen is
    /// loaded again at once, and the others when they are shown: the server does not repeat what it told of removed texts.
    fn refresh(&mut self, all: bool) -> Vec<Effect> {
        self.return_directs();
        let mut effects = Vec::new();
        for talk in &mut self.talks {
            talk.asked = None;
            talk.stale = talk.loaded && !all;
            if all || !talk.loaded {
                talk.asked = Some(Part::Newest);
                effects.push(Effect::History { of: talk.place.clone(), part: Part::Newest });
            }
            if let Conversation::Room(room) = &talk.place {
                effects.push(Effect::Who { room: Some(room.clone()), show: false });
            }
        }
        effects.extend(self.look());
        effects
    }

    fn message(&mut self, message: &Message) -> Vec<Effect> {
        let at = self.open(&message.conversation);
        let reading = self.is_reading(at);
        let id = self.id();
        let item = Item::said(id, message, &self.me, &self.zone);
        let talk = &mut self.talks[at];
        talk.active = id;
        if talk.newest().is_some_and(|n| n >= message.seq()) {
            return Vec::new(); // It came with a page of the history already.
        }
        if talk.fresh {
            talk.read_up_to(message.data.prev); // Earlier messages are not new.
        }
        if message.id.is_some() {
            talk.take_pending(|_, sent| sent == message.text());
        }
        let mention = is_mention(&item);
        if reading || message.own {
            talk.read_up_to(message.seq());
        } else {
            if talk.unread == 0 {
                talk.new_from = Some(message.seq());
            }
            talk.unread += 1;
            talk.mentions += usize::from(mention);
        }
        let ring = mention && !(reading && self.focus.is_some());
        let text = format!("{} in {}: {}", clean(message.user()), talk.title, clean(message.text()));
        talk.push(item);
        let quiet = self.rang.is_some_and(|rang| self.now.up < rang + RING);
        if !ring || quiet || self.notify == super::Notify::Off {
            return Vec::new();
        }
        self.rang = Some(self.now.up);
        vec![Effect::Ring { how: self.notify, text: wrap::fit(&text, 120) }]
    }

    fn presence(&mut self, p: &PresenceEvent<'_>) {
        let Some(at) = self.find(&Conversation::Room(p.room.clone().into_owned())) else { return };
        let (state, what) = match p.state {
            PresenceState::Joined => (Some(MemberState::Here), "has joined"),
            PresenceState::Away => (Some(MemberState::Away), "is away"),
            PresenceState::Back => (Some(MemberState::Here), "is back"),
            PresenceState::Left => (None, "has left"),
            PresenceState::Other => return,
        };
        if p.state == PresenceState::Joined {
            self.talks[at].member_came(&p.user);
        }
        self.talks[at].member(&p.user, &p.color, state);
        if p.user != self.me {
            self.note(at, format!("{} {what}", clean(&p.user)));
        }
    }

    fn pending(&mut self, local: u64) -> Option<(usize, Item)> {
        let mut talks = self.talks.iter_mut().enumerate();
        talks.find_map(|(at, talk)| Some((at, talk.take_pending(|l, _| l == local)?)))
    }

    fn items(&mut self, messages: impl Iterator<Item = MsgEvent<'static>>) -> Vec<Item> {
        let me = self.me.clone();
        messages.map(|m| Item::said(self.id(), &Message::of(m, &me), &me, &self.zone)).collect()
    }

    fn history(&mut self, of: &Conversation, part: Part, reply: Result<MessagesReply, Error>) -> Vec<Effect> {
        let asked = |at: &usize| self.talks[*at].asked == Some(part);
        let Some(at) = self.find(of).filter(asked) else { return Vec::new() };
        let talk = &mut self.talks[at];
        talk.asked = None;
        let reply = match reply {
            Ok(reply) => reply,
            Err(Error::Refused { .. }) if !talk.is_room() => {
                // No user of that name is here, so there is no history either.
                (talk.loaded, talk.at_start) = (true, true);
                self.close_if_nothing_returned(at);
                return Vec::new();
            }
            Err(e) => {
                self.error(format!("the history of {}: {}", self.talks[at].title, clean(&e.to_string())));
                // A slow server may answer the next request. Without one, the conversation would stay empty.
                let is_connected = matches!(self.link, Link::Up { .. } | Link::Stalled);
                let again = at == self.current && is_connected && matches!(e, Error::TimedOut { .. });
                return if again { self.look() } else { Vec::new() };
            }
        };
        let more = reply.more;
        let items = self.items(reply.messages.into_iter());
        let reading = self.is_reading(at);
        let talk = &mut self.talks[at];
        match part {
            Part::Newest => {
                talk.merge_newest(items, more);
                if talk.fresh && talk.unread == 0 {
                    talk.was_read(); // A conversation that was just opened.
                }
                talk.count();
                if reading {
                    talk.was_read();
                }
                if talk.returning && talk.items.is_empty() {
                    // It belonged to another session: this one will never see it.
                    let place = talk.place.clone();
                    self.forget(&place);
                }
                self.close_if_nothing_returned(at);
            }
            Part::Before(_) => talk.prepend(items, more),
            Part::After(_) | Part::Around(_) => talk.append(items, more),
        }
        self.settle_view();
        Vec::new()
    }
}
