//! Owns the state of the screen and its changes: [`Model::update`] takes an event and returns effects. Pure: no
//! I/O, no clock (`Now` is an argument), no terminal. Called only by `shell`; read by `view`. Never waits.
//!
//! | file | content |
//! | --- | --- |
//! | `keys` | keys, paste, mouse |
//! | `act` | the commands |
//! | `net`, `lists` | the events of the session, and the answers to requests |
//! | `notices` | what the server tells about itself |
//! | `shared` | the commands that change a conversation for all its members |
//! | `reads` | the read marks, from one run to the next |
//! | `conversation`, `item`, `scroll` | a conversation, an entry of it, the scroll position |
//! | `editor`, `complete`, `command`, `moderation`, `login`, `overlay` | the input, and the overlays of the
//! screen |

mod act;
pub(crate) mod command;
mod complete;
pub(crate) mod conversation;
pub(crate) mod editor;
mod events;
mod input_history;
pub(crate) mod item;
pub(crate) mod keys;
mod lists;
pub(crate) mod login;
mod moderation;
mod net;
mod notices;
pub(crate) mod overlay;
pub(crate) mod reads;
pub(crate) mod scroll;
mod shared;

use super::layout::{self, Areas};
use command::Notify;
use complete::Completion;
use conversation::ConversationWindow;
use editor::Editor;
pub(crate) use events::{Answer, Effect, Input, Link, Notice, Now, Part};
use item::{Item, Kind, Stamp};
use jiff::tz::TimeZone;
use login::{Credentials, Login};
use overlay::Overlay;
use std::time::Duration;
use tcp_chat_client::Conversation;
use tcp_chat_client::protocol::Seq;

/// Conversations that are kept; beyond this number, the direct messages that were silent longest are removed.
const TALKS: usize = 128;
/// The largest number of unconfirmed messages.
const PENDING: usize = 64;
/// How long an error or a hint is shown.
const NOTICE: Duration = Duration::from_secs(20);

/// The state.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) size: (u16, u16),
    pub(crate) zone: TimeZone,
    pub(crate) me: String,
    /// `host:port`.
    pub(crate) server: String,
    /// The verification of the server's certificate: "CA" or "pin".
    pub(crate) verified: &'static str,
    pub(crate) msg_bytes: usize,
    /// While it exists, it is the whole screen.
    pub(crate) login: Option<Login>,
    pub(crate) link: Link,
    pub(crate) talks: Vec<ConversationWindow>,
    pub(crate) current: usize,
    pub(crate) editor: Editor,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) notice: Option<Notice>,
    pub(crate) notify: Notify,
    pub(crate) mouse: bool,
    completion: Option<Completion>,
    /// The last login, for `/connect`.
    again: Option<Credentials>,
    /// Known rooms of the server, for completion.
    known_rooms: Vec<String>,
    /// Whether the terminal has the focus. `None`: the terminal does not report it.
    focus: Option<bool>,
    rang: Option<Duration>,
    /// The message that a search has shown.
    pub(crate) marked: Option<Seq>,
    next_id: u64,
    /// Whether the server keeps the read marks: the name is proven.
    keeps_marks: bool,
    /// The read marks of an earlier run, and those of the server.
    reads: Vec<(Conversation, Seq)>,
    /// Direct messages of an earlier run, to open after the login.
    returning: Vec<Conversation>,
    /// The rooms to join; the first one is shown.
    wanted: Vec<String>,
    pub(crate) now: Now,
}

/// The arguments of a new model.
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
            keeps_marks: false,
            reads: Vec::new(),
            returning: Vec::new(),
            wanted: start.rooms,
            now: start.now,
        }
    }

    /// Handles an event; returns the effects.
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
        let mut effects = match input {
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
        };
        effects.extend(self.tell_marks());
        effects
    }

    /// When the screen changes without an event: a countdown, or the end of a notice. `None`: never.
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
        [link, notice, self.next_mark()].into_iter().flatten().min()
    }

    /// The current layout.
    pub(crate) fn areas(&self) -> Areas {
        let rows = self.editor.layout(layout::input_width(self.size.0)).0.len();
        layout::areas(self.size, rows, self.notice.is_some())
    }

    /// The visible conversation.
    pub(crate) fn talk(&self) -> Option<&ConversationWindow> {
        self.talks.get(self.current)
    }

    fn find(&self, place: &Conversation) -> Option<usize> {
        self.talks.iter().position(|t| t.place == *place)
    }

    /// The conversation; opens it if needed. Rooms precede users.
    fn open(&mut self, place: &Conversation) -> usize {
        if let Some(at) = self.find(place) {
            return at;
        }
        if self.talks.len() >= TALKS {
            let silent = |t: &&(usize, &ConversationWindow)| t.0 != self.current && !t.1.is_room();
            let oldest = self.talks.iter().enumerate().collect::<Vec<_>>();
            let oldest = oldest.iter().filter(silent).min_by_key(|(_, t)| (t.unread > 0, t.active));
            if let Some(at) = oldest.map(|(at, _)| *at) {
                self.close(at);
            }
        }
        let mut talk = ConversationWindow::new(place.clone());
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

    /// The user sees the current conversation: marks its end as read, and requests missing messages.
    fn look(&mut self) -> Vec<Effect> {
        let reading = self.is_reading(self.current);
        let Some(talk) = self.talks.get_mut(self.current) else { return Vec::new() };
        if reading && talk.loaded {
            talk.was_read();
        }
        if (!talk.loaded || talk.stale) && talk.asked.is_none() {
            talk.asked = Some(Part::Newest);
            return vec![Effect::History { of: talk.place.clone(), part: Part::Newest }];
        }
        Vec::new()
    }

    /// Whether the user sees new messages of that conversation at once.
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

    /// A line of the interface in a conversation. The text must be neutralised.
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
            // There is no other place: it stays until a newer one.
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

    /// Acts as if Enter was pressed in the login prompt.
    pub(crate) fn begin(&mut self) -> Vec<Effect> {
        self.log_in()
    }

    /// The unconfirmed messages, in their visible form.
    pub(crate) fn unconfirmed(&self) -> impl Iterator<Item = &str> {
        self.talks.iter().flat_map(|t| &t.items).filter_map(|item| match &item.kind {
            item::Kind::Pending { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }
}
