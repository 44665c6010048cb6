//! Owns the effects of the user's commands. Part of the model: changes state and returns effects. Never waits for
//! an answer: `net` handles those.

use super::command::{self, Notify, UserCommand};
use super::complete::{Candidates, Completion};
use super::item::{Item, Kind, Stamp, clean_text};
use super::login::Field;
use super::moderation;
use super::overlay::{HITS, Overlay, Search};
use super::{Effect, Link, Model, PENDING, Part};
use crate::neutralise::line as clean;
use tcp_chat_client::Conversation;
use tcp_chat_client::protocol::reply::MemberState;
use tcp_chat_client::protocol::{Name, Role};

impl Model {
    /// Enter: runs the input.
    pub(crate) fn enter(&mut self) -> Vec<Effect> {
        if self.editor.text().trim().is_empty() {
            return Vec::new();
        }
        // Takes the input first: a command may show another conversation, which has its own draft.
        let text = self.editor.take();
        self.marked = None;
        let done = match command::read(&text) {
            Ok(command) => self.act(command),
            Err(how) => {
                self.error(clean(&how));
                None
            }
        };
        match done {
            Some(effects) => {
                self.editor.remember(&text);
                effects
            }
            None => {
                self.editor.set(text);
                Vec::new()
            }
        }
    }

    /// Runs a command. `None`: it failed, and the input stays.
    fn act(&mut self, command: UserCommand) -> Option<Vec<Effect>> {
        Some(match command {
            UserCommand::Say(text) => {
                let Some(talk) = self.talk() else {
                    self.error("you are in no room: /join ROOM");
                    return None;
                };
                let place = talk.place.clone();
                return self.say(place, text);
            }
            UserCommand::Msg(user, text) => {
                if let Err(e) = Name::parse(&user) {
                    self.error(format!("the name {}: {e}", clean(&user)));
                    return None;
                }
                let place = self.direct(&user);
                let effects = match text {
                    Some(text) => self.say(place.clone(), text)?,
                    None => Vec::new(),
                };
                let at = self.open(&place);
                let shown = self.show(at);
                [effects, shown].concat()
            }
            UserCommand::Join(room) => vec![Effect::Join(room)],
            UserCommand::Leave(None) => match self.talk().map(|t| t.place.clone())? {
                Conversation::Room(room) => vec![Effect::Leave(room)],
                place @ Conversation::With(_) => {
                    self.forget(&place);
                    self.close(self.current);
                    self.restore_draft();
                    self.look()
                }
            },
            UserCommand::Leave(Some(which)) => match self.named(&which) {
                Some(at) if !self.talks[at].is_room() => {
                    let place = self.talks[at].place.clone();
                    self.forget(&place);
                    self.close(at);
                    self.look()
                }
                Some(at) => match &self.talks[at].place {
                    Conversation::Room(room) => vec![Effect::Leave(room.clone())],
                    Conversation::With(_) => Vec::new(),
                },
                None => vec![Effect::Leave(which.trim_start_matches('#').to_owned())],
            },
            UserCommand::Room(which) => match self.named(&which) {
                Some(at) => self.show(at),
                None => {
                    self.error(format!("you are not in {}: /join it first", clean(&which)));
                    return None;
                }
            },
            UserCommand::Who(room) => {
                let room = room.or_else(|| match self.talk().map(|t| &t.place) {
                    Some(Conversation::Room(room)) => Some(room.clone()),
                    _ => None,
                });
                vec![Effect::Who { room, show: true }]
            }
            UserCommand::Everyone => vec![Effect::Who { room: None, show: true }],
            UserCommand::Rooms => vec![Effect::Rooms],
            UserCommand::Topic(topic) => return self.topic(topic),
            UserCommand::Redact(which, why) => return self.redact(which, why),
            UserCommand::Action(action) => match self.talk().map(|t| &t.place) {
                Some(Conversation::Room(room)) => vec![Effect::Action(moderation::within(action, room))],
                _ => {
                    self.error("that is about a room: show one first, /room ROOM");
                    return None;
                }
            },
            UserCommand::Search(query) => self.search(query),
            UserCommand::Unread => match self.talk().and_then(|t| t.new_from) {
                Some(seq) => self.scroll_to(seq),
                None => {
                    self.hint("everything here is read");
                    Vec::new()
                }
            },
            UserCommand::Notify(how) => {
                self.notify = how;
                let how = match how {
                    Notify::Bell => "a mention rings the bell",
                    Notify::Osc9 => "a mention makes a notification (OSC 9)",
                    Notify::Off => "a mention makes no sound",
                };
                self.hint(how);
                Vec::new()
            }
            UserCommand::Mouse(on) => {
                self.mouse = on;
                vec![Effect::Mouse(on)]
            }
            UserCommand::Connect => {
                if !matches!(self.link, Link::Off | Link::Over) {
                    self.hint("the session reconnects by itself; there is nothing to do");
                    return Some(Vec::new());
                }
                let Some(login) = self.again.clone() else { return Some(Vec::new()) };
                self.link = Link::Connecting;
                vec![Effect::Connect(login)]
            }
            UserCommand::Help => {
                self.overlay = Some(Overlay::Help { scroll: 0 });
                Vec::new()
            }
            UserCommand::Quit => vec![Effect::Quit],
        })
    }

    fn say(&mut self, place: Conversation, text: String) -> Option<Vec<Effect>> {
        if matches!(self.link, Link::Off | Link::Connecting | Link::Over) {
            self.error("not sent: the session is over: /connect begins a new one");
            return None;
        }
        if text.len() > self.msg_bytes {
            self.error(format!("not sent: {} bytes; the server takes {}", text.len(), self.msg_bytes));
            return None;
        }
        let waiting = self.talks.iter().flat_map(|t| &t.items).filter(|i| i.is_pending()).count();
        if waiting >= PENDING {
            self.error("not sent: too many messages are on their way already");
            return None;
        }
        let local = self.id();
        let at = self.open(&place);
        let stamp = Stamp::of(self.now.wall, &self.zone);
        let kind = Kind::Pending { local, text: clean_text(&text), sent: text.clone() };
        let reading = at == self.current;
        let talk = &mut self.talks[at];
        talk.active = local;
        if !talk.at_head {
            talk.reset();
        }
        talk.view = None;
        talk.new_from = None;
        talk.push(Item { id: local, seq: None, stamp, kind });
        let mut effects = vec![Effect::Send { local, to: place, text }];
        if reading {
            effects.extend(self.look());
        }
        Some(effects)
    }

    /// The direct messages with a user, under the name that they already have.
    fn direct(&self, user: &str) -> Conversation {
        let same = |t: &&super::ConversationWindow| matches!(&t.place, Conversation::With(u) if u.to_lowercase() == user.to_lowercase());
        self.talks.iter().find(same).map_or_else(|| Conversation::With(user.to_owned()), |t| t.place.clone())
    }

    /// The conversation for a text of the user: `#ops`, `@bo`, `ops`.
    fn named(&self, which: &str) -> Option<usize> {
        let plain = which.trim_start_matches(['#', '@']).to_lowercase();
        let fits = |t: &super::ConversationWindow| match &t.place {
            Conversation::Room(room) => !which.starts_with('@') && room.to_lowercase() == plain,
            Conversation::With(user) => !which.starts_with('#') && user.to_lowercase() == plain,
        };
        self.talks.iter().position(fits)
    }

    pub(crate) fn restore_draft(&mut self) {
        if let Some(talk) = self.talks.get_mut(self.current) {
            let draft = std::mem::take(&mut talk.draft);
            self.editor.set(draft);
        }
    }

    fn search(&mut self, query: String) -> Vec<Effect> {
        self.overlay = Some(Overlay::Search(Search {
            query: query.clone(),
            hits: Vec::new(),
            at: 0,
            more: false,
            loading: true,
            not_indexed: None,
        }));
        vec![Effect::Search { query, before: None }]
    }

    /// Requests more results when the last one is selected.
    pub(crate) fn search_on(&mut self) -> Vec<Effect> {
        let Some(Overlay::Search(search)) = &mut self.overlay else { return Vec::new() };
        let last = search.at + 1 >= search.hits.len();
        if !search.more || search.loading || !last || search.hits.len() >= HITS {
            return Vec::new();
        }
        search.loading = true;
        let before = search.hits.last().map(|h| h.seq);
        vec![Effect::Search { query: search.query.clone(), before }]
    }

    /// Goes to the selected result.
    pub(crate) fn jump(&mut self) -> Vec<Effect> {
        let Some(Overlay::Search(search)) = &self.overlay else { return Vec::new() };
        let Some(hit) = search.hits.get(search.at) else { return Vec::new() };
        let (place, seq) = (hit.place.clone(), hit.seq);
        self.overlay = None;
        self.marked = Some(seq);
        let at = self.open(&place);
        // Requests the messages around the result, not those at the end.
        self.talks[at].asked = Some(Part::Around(seq));
        let shown = self.show(at);
        let talk = &mut self.talks[at];
        if talk.items.iter().any(|i| i.seq == Some(seq)) {
            talk.asked = None;
            return [shown, self.scroll_to(seq)].concat();
        }
        [shown, vec![Effect::History { of: place, part: Part::Around(seq) }]].concat()
    }

    /// Tab.
    pub(crate) fn complete(&mut self, back: bool) {
        if self.completion.is_none() {
            self.completion = Completion::begin(&self.editor, &self.candidates());
        }
        let Some(completion) = &mut self.completion else { return };
        completion.step(&mut self.editor, back);
        if let Some(hint) = completion.hint() {
            self.hint(hint);
        }
    }

    fn candidates(&self) -> Candidates<'_> {
        let is_name = |name: &&str| Name::parse(name).is_ok();
        let mut rooms: Vec<&str> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        fn add<'a>(names: &mut Vec<&'a str>, name: &'a str) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if let Some(talk) = self.talk() {
            // The last speaker is the most likely one.
            for item in talk.items.iter().rev().take(200) {
                if let Kind::Said { user, .. } = &item.kind {
                    add(&mut names, user);
                }
            }
            talk.members
                .iter()
                .filter(|m| m.state == MemberState::Here)
                .for_each(|m| add(&mut names, &m.user));
            talk.members.iter().for_each(|m| add(&mut names, &m.user));
        }
        for talk in &self.talks {
            match &talk.place {
                Conversation::Room(room) => add(&mut rooms, room),
                Conversation::With(user) => add(&mut names, user),
            }
            talk.members.iter().for_each(|m| add(&mut names, &m.user));
        }
        self.known_rooms.iter().for_each(|room| add(&mut rooms, room));
        rooms.retain(is_name);
        names.retain(|name| is_name(name) && *name != self.me);
        let commands = command::COMMANDS.iter().map(|c| c.0).collect();
        let roles = Role::ALL.iter().map(|role| role.as_str()).chain(["none"]).collect();
        Candidates { commands, roles, rooms, names }
    }

    /// Enter in the login prompt.
    pub(crate) fn log_in(&mut self) -> Vec<Effect> {
        let Some(login) = &mut self.login else { return Vec::new() };
        if login.trying {
            return Vec::new();
        }
        match login.read() {
            Ok(credentials) => {
                login.trying = true;
                login.problem.clear();
                self.link = Link::Connecting;
                self.again = Some(credentials.clone());
                vec![Effect::Connect(credentials)]
            }
            Err((field, problem)) => {
                login.field = field;
                login.problem = vec![problem];
                Vec::new()
            }
        }
    }

    /// The field of a refused login.
    pub(crate) fn field_of(password: bool) -> Field {
        if password { Field::Password } else { Field::Name }
    }
}
