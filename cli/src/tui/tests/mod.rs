//! The screen in its main states, as text pictures, and the changes by events, as tables. No terminal, no
//! runtime, no clock.

mod flow;
mod pictures;
mod scrolling;
mod shared;
mod stalled;

use super::model::login::Login;
use super::model::{Answer, Effect, Input, Model, Now, Part, Start};
use super::view::{self, palette::Palette};
use super::wrap;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Modifier;
use std::time::Duration;
use tcp_chat_client::protocol::reply::{
    FoundMessage, LimitsInfo, LoginReply, Member, MemberState, MessagesReply, SearchReply, ServerInfo,
    WhoReply,
};
use tcp_chat_client::protocol::{MsgEvent, RequestId, Role, Seq, Timestamp};
use tcp_chat_client::{Conversation, Event, Message};

/// 2026-11-23 21:08:14 UTC.
const START: u64 = 1_795_468_094_000;

/// A model with its effects.
struct World {
    model: Model,
    effects: Vec<Effect>,
    up: Duration,
    seq: Seq,
}

fn room(name: &str) -> Conversation {
    Conversation::Room(name.into())
}

fn login_reply(rooms: &[&str], head: Seq) -> LoginReply {
    LoginReply {
        name: "ana".into(),
        color: "red".into(),
        session: "secret".into(),
        ttl_s: 120,
        rooms: rooms.iter().map(|r| (*r).to_owned()).collect(),
        head,
        log: Some("a".into()),
        log_from: Some(0),
        marks: None,
        servers: None,
        server: ServerInfo { name: "tcp-chatd".into(), version: "0.1.0".into(), protocol: 1 },
        limits: LimitsInfo { line_bytes: 65536, msg_bytes: 8192 },
    }
}

fn event(place: &str, user: &str, seq: Seq, msg: &str) -> MsgEvent<'static> {
    let (room, to) = match place.strip_prefix('@') {
        Some(to) => (None, Some(to.to_owned().into())),
        None => (Some(place.to_owned().into()), None),
    };
    let color = match user {
        "ana" => "red",
        "bo" => "green",
        _ => "",
    };
    let ts = Timestamp(START + seq * 60_000);
    let (user, msg) = (user.to_owned().into(), msg.to_owned().into());
    let prev = seq.saturating_sub(1);
    MsgEvent { room, to, seq, prev, ts, user, color: color.into(), msg, ..MsgEvent::default() }
}

fn page(room: &str, seqs: std::ops::RangeInclusive<Seq>, more: bool) -> MessagesReply {
    let messages = seqs.map(|seq| event(room, "bo", seq, &format!("message {seq}"))).collect();
    MessagesReply { messages, more }
}

/// A search that found these messages, without highlights.
fn found(messages: Vec<MsgEvent<'static>>) -> SearchReply {
    let messages = messages.into_iter().map(|message| FoundMessage { message, highlights: Vec::new() });
    SearchReply { messages: messages.collect(), more: false, indexed: Some(100), head: Some(100) }
}

impl World {
    /// A user at the login prompt.
    fn new(size: (u16, u16)) -> Self {
        let start = Start {
            size,
            zone: TimeZone::UTC,
            server: "localhost:3000".into(),
            verified: "CA",
            login: Login::new("ana", None, None),
            notify: super::Notify::Bell,
            mouse: true,
            rooms: Vec::new(),
            now: Now { up: Duration::ZERO, wall: Timestamp(START) },
        };
        Self { model: Model::new(start), effects: Vec::new(), up: Duration::ZERO, seq: 100 }
    }

    /// A user in lobby and ops, without messages.
    fn chatting(size: (u16, u16)) -> Self {
        let mut world = Self::new(size);
        world.keys("\n");
        let login = login_reply(&["lobby", "ops"], 100);
        world.does(Input::Answer(Answer::LoggedIn(Box::new(login.clone()))));
        world.does(Input::Net(Event::Connected(Box::new(login))));
        for name in ["lobby", "ops"] {
            let reply = Ok(MessagesReply { messages: Vec::new(), more: false });
            world.does(Input::Answer(Answer::History { of: room(name), part: Part::Newest, reply }));
        }
        let members = ["ana", "bo", "Chloé"].map(|user| Member {
            user: user.into(),
            color: String::new(),
            state: if user == "bo" { MemberState::Away } else { MemberState::Here },
            role: (user == "ana").then_some(Role::Owner),
        });
        let reply =
            WhoReply { room: Some("lobby".into()), members: members.into(), member_count: 3, topic: None };
        world.does(Input::Answer(Answer::Who { reply, show: false }));
        world.effects.clear();
        world
    }

    fn does(&mut self, input: Input) -> Vec<Effect> {
        let now = Now { up: self.up, wall: Timestamp(START + 7_200_000) };
        let effects = self.model.update(input, now);
        self.effects.extend(effects.iter().cloned());
        effects
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.up += Duration::from_secs(seconds);
        self
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
        self.does(Input::Key(KeyEvent::new(code, modifiers)))
    }

    /// Types; `\n` is Enter, `\t` is Tab.
    fn keys(&mut self, text: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for c in text.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                c => KeyCode::Char(c),
            };
            effects.extend(self.key(code, KeyModifiers::NONE));
        }
        effects
    }

    /// The next message.
    fn said(&mut self, place: &str, user: &str, msg: &str) -> Vec<Effect> {
        self.seq += 1;
        let message = Message::of(event(place, user, self.seq, msg), "ana");
        self.does(Input::Net(Event::Message(Box::new(message))))
    }

    /// The session's own message is kept.
    fn kept(&mut self, place: &str, msg: &str) {
        self.seq += 1;
        let mut message = Message::of(event(place, "ana", self.seq, msg), "ana");
        message.id = Some(RequestId::Number(1));
        self.does(Input::Net(Event::Message(Box::new(message))));
    }

    fn picture(&self) -> String {
        self.rows(|_| true)
    }

    /// What is underlined in the picture.
    fn underlined(&self) -> String {
        self.rows(|cell| cell.modifier.contains(Modifier::UNDERLINED)).replace('\n', "")
    }

    /// The cells that `is_shown`, row by row.
    fn rows(&self, is_shown: impl Fn(&Cell) -> bool) -> String {
        let (columns, rows) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| view::draw(frame, &self.model, Palette::True)).unwrap();
        let buffer = terminal.backend().buffer();
        let mut lines = Vec::new();
        for y in 0..rows {
            let mut row = String::new();
            let mut x = 0;
            while x < buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                if is_shown(&buffer[(x, y)]) {
                    row.push_str(symbol);
                }
                // A wide character covers the next cell.
                x += u16::try_from(wrap::width(symbol)).unwrap().max(1);
            }
            lines.push(row.trim_end().to_owned());
        }
        lines.join("\n")
    }
}
