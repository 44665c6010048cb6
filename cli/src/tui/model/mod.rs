//! Owns the state of the screen, and how it changes: [`Model::update`] takes what happened and
//! returns what is to be done. Pure: no I/O, no clock (`Now` is an argument), no terminal. Called by
//! `shell` alone; read by `view`.
//!
//! | file | what |
//! | --- | --- |
//! | `keys` | keys, paste, mouse |
//! | `act` | the commands |
//! | `net`, `lists` | what the session tells, and the answers to what was asked |
//! | `reads` | what was read, from one run to the next |
//! | `talk`, `item`, `scroll` | a conversation, an entry of it, where the reader is |
//! | `editor`, `complete`, `command`, `order`, `login`, `overlay` | what is typed, and what lies over the screen |

mod act;
pub(crate) mod command;
mod complete;
pub(crate) mod editor;
pub(crate) mod item;
pub(crate) mod keys;
mod lists;
pub(crate) mod login;
mod net;
mod order;
pub(crate) mod overlay;
mod past;
pub(crate) mod reads;
pub(crate) mod scroll;
pub(crate) mod talk;
mod words;

use super::layout::{self, Areas};
use command::Notify;
use complete::Completion;
use editor::Editor;
use item::{Item, Kind, Stamp};
use jiff::tz::TimeZone;
use login::{Credentials, Login};
use overlay::Overlay;
use std::time::Duration;
use talk::Talk;
use tcp_chat_client::Conversation;
use tcp_chat_client::protocol::Seq;
pub(crate) use words::{Answer, Effect, Input, Link, Notice, Now, Part};

/// Conversations that are kept; over it the direct messages that were silent longest go.
const TALKS: usize = 128;
/// Messages on their way at once.
const PENDING: usize = 64;
/// How long an error or a hint stands.
const NOTICE: Duration = Duration::from_secs(20);

/// The state.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) size: (u16, u16),
    pub(crate) zone: TimeZone,
    pub(crate) me: String,
    /// `host:port`.
    pub(crate) server: String,
    /// What the server's certificate was verified by: "CA" or "pin".
    pub(crate) verified: &'static str,
    pub(crate) msg_bytes: usize,
    /// While it is there, it is the screen.
    pub(crate) login: Option<Login>,
    pub(crate) link: Link,
    pub(crate) talks: Vec<Talk>,
    pub(crate) current: usize,
    pub(crate) editor: Editor,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) notice: Option<Notice>,
    pub(crate) notify: Notify,
    pub(crate) mouse: bool,
    completion: Option<Completion>,
    /// How the last login was, for `/connect`.
    again: Option<Credentials>,
    /// Rooms of the server that were seen, for completion.
    known_rooms: Vec<String>,
    /// Does the reader look? `None`: the terminal does not say.
    focus: Option<bool>,
    rang: Option<Duration>,
    /// The message that a search has led to.
    pub(crate) marked: Option<Seq>,
    next_id: u64,
    /// What was read in an earlier run.
    reads: Vec<(Conversation, Seq)>,
    /// Direct messages of an earlier run, to be opened once the session is there.
    returning: Vec<Conversation>,
    /// The rooms to be in; the first one is shown.
    wanted: Vec<String>,
    pub(crate) now: Now,
}

/// What a model begins with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) size: (u16, u16),
    pub(crate) zone: TimeZone,
    pub(crate) server: String,
    pub(crate) verified: &'static str,
    pub(crate) login: Login,
    pub(crate) notify: Notify,
    pub(crate) mouse: bool,
    pub(crate) rooms: Vec<String>,
    pub(crate) now: Now,
}

impl Model {
    pub(crate) fn new(start: Start) -> Self {
        Self {
            size: start.size,
            zone: start.zone,
            me: String::new(),
            server: start.server,
            verified: start.verified,
            msg_bytes: 8192,
            login: Some(start.login),
            link: Link::Off,
            talks: Vec::new(),
            current: 0,
            editor: Editor::default(),
            overlay: None,
            notice: None,
            notify: start.notify,
            mouse: start.mouse,
            completion: None,
            again: None,
            known_rooms: Vec::new(),
            focus: None,
            rang: None,
            marked: None,
            next_id: 0,
            reads: Vec::new(),
            returning: Vec::new(),
            wanted: start.rooms,
            now: start.now,
        }
    }

    /// Takes in what happened; returns what is to be done.
    pub(crate) fn update(&mut self, input: Input, now: Now) -> Vec<Effect> {
        self.now = now;
        if self.notice.as_ref().is_some_and(|n| n.until.is_some_and(|until| until <= now.up)) {
            self.notice = None;
        }
        if let Link::Up { caught_up: Some((_, until)) } = self.link
            && until <= now.up
        {
            self.link = Link::Up { caught_up: None };
        }
        match input {
            Input::Key(key) => self.key(key),
            Input::Paste(text) => self.paste(text),
            Input::Mouse(mouse) => self.mouse(mouse),
            Input::Resize(columns, rows) => {
                self.size = (columns, rows);
                self.settle_view();
                Vec::new()
            }
            Input::Focus(here) => self.focus(here),
            Input::Net(event) => self.net(event),
            Input::Answer(answer) => self.answer(answer),
            Input::Tick => Vec::new(),
        }
    }

    /// When the screen changes by itself, if nothing happens before: a countdown, or a notice that
    /// has stood long enough. `None`: never.
    pub(crate) fn wake(&self) -> Option<Duration> {
        let link = match self.link {
            Link::Waiting { until, .. } => {
                let left = until.saturating_sub(self.now.up);
                // The next whole second of the countdown.
                let part = Duration::from_millis(u64::from(left.subsec_millis()));
                let step = if part.is_zero() { Duration::from_secs(1) } else { part };
                (!left.is_zero()).then(|| self.now.up + step.min(left) + Duration::from_millis(1))
            }
            Link::Up { caught_up: Some((_, until)) } => Some(until),
            _ => None,
        };
        let notice = self.notice.as_ref().and_then(|n| n.until);
        [link, notice].into_iter().flatten().min()
    }

    /// Where everything stands now.
    pub(crate) fn areas(&self) -> Areas {
        let rows = self.editor.layout(layout::input_width(self.size.0)).0.len();
        layout::areas(self.size, rows, self.notice.is_some())
    }

    /// The conversation that is shown.
    pub(crate) fn talk(&self) -> Option<&Talk> {
        self.talks.get(self.current)
    }

    fn find(&self, place: &Conversation) -> Option<usize> {
        self.talks.iter().position(|t| t.place == *place)
    }

    /// The conversation, which is opened where it is not there. Rooms stand before users.
    fn open(&mut self, place: &Conversation) -> usize {
        if let Some(at) = self.find(place) {
            return at;
        }
        if self.talks.len() >= TALKS {
            let silent = |t: &&(usize, &Talk)| t.0 != self.current && !t.1.is_room();
            let oldest = self.talks.iter().enumerate().collect::<Vec<_>>();
            let oldest = oldest.iter().filter(silent).min_by_key(|(_, t)| (t.unread > 0, t.active));
            if let Some(at) = oldest.map(|(at, _)| *at) {
                self.close(at);
            }
        }
        let mut talk = Talk::new(place.clone());
        if let Some((_, seq)) = self.reads.iter().find(|(p, _)| p == place) {
            talk.read_up_to(*seq);
        }
        let at = match place {
            Conversation::Room(_) => self.talks.iter().position(|t| !t.is_room()).unwrap_or(self.talks.len()),
            Conversation::With(_) => self.talks.len(),
        };
        self.talks.insert(at, talk);
        if at <= self.current && self.talks.len() > 1 {
            self.current += 1;
        }
        at
    }

    fn close(&mut self, at: usize) {
        self.talks.remove(at);
        if at < self.current || self.current == self.talks.len() {
            self.current = self.current.saturating_sub(1);
        }
    }

    /// Shows another conversation.
    fn show(&mut self, at: usize) -> Vec<Effect> {
        if at >= self.talks.len() || at == self.current {
            return self.look();
        }
        let old = &mut self.talks[self.current];
        old.draft = self.editor.take();
        if old.unread == 0 {
            old.new_from = None;
        }
        self.current = at;
        let draft = std::mem::take(&mut self.talks[at].draft);
        self.editor.set(draft);
        self.completion = None;
        self.look()
    }

    /// The reader looks at the current conversation: what is at its end is read, and what it lacks
    /// is asked for.
    fn look(&mut self) -> Vec<Effect> {
        let reading = self.is_reading(self.current);
        let Some(talk) = self.talks.get_mut(self.current) else { return Vec::new() };
        if reading && talk.loaded {
            talk.was_read();
        }
        if !talk.loaded && talk.asked.is_none() {
            talk.asked = Some(Part::Newest);
            return vec![Effect::History { of: talk.place.clone(), part: Part::Newest }];
        }
        Vec::new()
    }

    /// Is what comes there seen at once?
    fn is_reading(&self, at: usize) -> bool {
        at == self.current
            && self.focus != Some(false)
            && self.login.is_none()
            && self.talks.get(at).is_some_and(|t| t.view.is_none())
    }

    fn focus(&mut self, here: bool) -> Vec<Effect> {
        self.focus = Some(here);
        if here {
            return self.look();
        }
        if let Some(talk) = self.talks.get_mut(self.current)
            && talk.unread == 0
        {
            talk.new_from = None;
        }
        Vec::new()
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A line of the interface itself in a conversation. The text must be neutralised.
    fn note(&mut self, at: usize, text: String) {
        let id = self.id();
        let stamp = Stamp::of(self.now.wall, &self.zone);
        if let Some(talk) = self.talks.get_mut(at) {
            talk.push(Item { id, seq: None, stamp, kind: Kind::Note(text) });
        }
    }

    fn note_everywhere(&mut self, text: &str) {
        for at in 0..self.talks.len() {
            if self.talks[at].is_room() || at == self.current {
                self.note(at, text.to_owned());
            }
        }
        if self.talks.is_empty() {
            // Nowhere else: it stays until there is something newer to say.
            self.notice = Some(Notice { text: text.to_owned(), error: false, until: None });
            self.settle_view();
        }
    }

    fn error(&mut self, text: impl Into<String>) {
        let until = Some(self.now.up + NOTICE);
        self.notice = Some(Notice { text: text.into(), error: true, until });
        self.settle_view();
    }

    fn hint(&mut self, text: impl Into<String>) {
        let until = Some(self.now.up + NOTICE);
        self.notice = Some(Notice { text: text.into(), error: false, until });
        self.settle_view();
    }

    /// As if Enter was pressed in the login prompt.
    pub(crate) fn begin(&mut self) -> Vec<Effect> {
        self.log_in()
    }

    /// The messages that are still on their way, as they are shown.
    pub(crate) fn unconfirmed(&self) -> impl Iterator<Item = &str> {
        self.talks.iter().flat_map(|t| &t.items).filter_map(|item| match &item.kind {
            item::Kind::Pending { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }
}
