//! Owns the hot paths of the daemon without sockets and encryption, one by one. One round is [`MESSAGES`]
//! messages, logins, or joins and leaves, as in a busy turn. Called by the criterion benches and, through `tcp-state-bench hot`, by the guard.
//! Never measures anything itself.

use anyhow::{Context, Result};
use std::hint::black_box;
use std::net::Ipv4Addr;
use tcp_chat_protocol::event::{MsgLine, Spoken, json_text};
use tcp_chat_protocol::request::{Bounds, Login, Place, Request, Target, parse};
use tcp_chat_protocol::{Line, LineDecoder, Name, RequestId, Timestamp};
use tcp_chat_state::{Access, ConnectionId, Past, Rules, Snapshot, State, Writes};
use tcp_chatd::auth::Proof;
use tcp_chatd::edge::{Ask, LoginAsk, Secret};
use tcp_chatd::edge::{Command, Edge, Effect, Now};
use tcp_chatd::settings::{Durability, History, MaxBytes, Settings};
use tcp_chatd::store::Store;

/// Messages per round, and as many logins, or joins and leaves.
pub const MESSAGES: usize = 64;
/// Members of the room.
const MEMBERS: u64 = 100;
/// Senders among them.
const SENDERS: u64 = 8;
/// Users who enter the room and leave it, and the first of their connections. One turn tells about 4,096 members.
const GUESTS: u64 = 16;
const GUEST: u64 = 1_000;
/// 80 bytes, a typical message: words, a character to escape, a non-ASCII character.
const TEXT: &str = "the quick brown fox says \"good morning\" to the lazy dog, who is half asleep — ok";

/// A hot path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Path {
    /// Bytes of one read become lines, requests, and texts as JSON.
    Parse,
    /// Events are written for the wire.
    Encode,
    /// A turn: rate limits, membership, ids, seqs, the chunk, and its recipients.
    Turn,
    /// A turn is committed to the store.
    Store,
    /// A user logs in, which begins a session, and quits, which ends it.
    Login,
    /// A user enters or leaves a room, and its members are told.
    Presence,
}

impl Path {
    /// All paths with their names.
    pub const ALL: [(&str, Self); 6] = [
        ("parse", Self::Parse),
        ("encode", Self::Encode),
        ("turn", Self::Turn),
        ("store", Self::Store),
        ("login", Self::Login),
        ("presence", Self::Presence),
    ];
}

/// A prepared path.
pub type Round = Box<dyn FnMut() -> Result<()>>;

/// Prepares `rounds` runs of a path; nothing of the preparation is measured.
/// # Errors
/// The store cannot be opened in the temporary folder.
pub fn prepare(path: Path, rounds: usize) -> Result<Round> {
    match path {
        Path::Parse => Ok(Box::new(parse_round())),
        Path::Encode => Ok(Box::new(encode_round())),
        Path::Turn => {
            let mut talk = Talk::new()?;
            Ok(Box::new(move || {
                black_box(talk.turn());
                Ok(())
            }))
        }
        Path::Store => store_round(rounds),
        Path::Login => {
            let mut talk = Talk::new()?;
            Ok(Box::new(move || {
                black_box(talk.logins()?);
                Ok(())
            }))
        }
        Path::Presence => {
            let mut talk = Talk::new()?;
            for guest in 0..GUESTS {
                talk.login(GUEST + guest, Some(Vec::new()))?;
            }
            talk.apply();
            Ok(Box::new(move || {
                black_box(talk.joins_and_leaves());
                Ok(())
            }))
        }
    }
}

fn parse_round() -> impl FnMut() -> Result<()> {
    let mut bytes = Vec::new();
    for id in 0..MESSAGES {
        bytes.extend_from_slice(
            format!(
                "{{\"op\":\"MSG\",\"data\":{{\"room\":\"lobby\",\"msg\":{}}},\"id\":{id}}}\n",
                json_text(TEXT)
            )
            .as_bytes(),
        );
    }
    // The read ends inside a line, as reads do.
    let cut = bytes.len() / 2 + 7;
    let mut decoder = LineDecoder::new(64 * 1024);
    let bounds = Bounds { msg_bytes: 8 * 1024, rooms: 0 };
    move || {
        for part in [&bytes[..cut], &bytes[cut..]] {
            let mut lines = decoder.feed(black_box(part));
            while let Some(Line::Bytes(line)) = lines.next() {
                if let Ok((id, Request::Msg { to, text })) = parse(line, &bounds) {
                    black_box((id, to, json_text(&text)));
                }
            }
        }
        Ok(())
    }
}

fn encode_round() -> impl FnMut() -> Result<()> {
    let json = json_text(TEXT);
    let ts = Timestamp(1_800_000_000_000).to_string();
    let mut seq = 1_000_000;
    move || {
        let mut lines = Vec::with_capacity(MESSAGES * (json.len() + 200));
        for _ in 0..MESSAGES {
            seq += 1;
            let place = Spoken::In("lobby");
            MsgLine { place, seq, prev: seq - 1, ts: &ts, user: "ana", color: "red", msg_json: &json }
                .write(&mut lines);
        }
        black_box(lines);
        Ok(())
    }
}

fn store_round(rounds: usize) -> Result<Round> {
    let dir = tempfile::tempdir()?;
    let history = History {
        path: Some(dir.path().join("state.db")),
        durability: Durability::Crash,
        retain: None,
        retain_messages: None,
        max_bytes: MaxBytes::Unlimited,
    };
    let (mut store, _, _) = Store::open(&history)?;
    let mut talk = Talk::new()?;
    store.commit(&mut talk.entered)?;
    let mut turns = (0..rounds).map(|_| talk.turn().0).collect::<Vec<_>>().into_iter();
    Ok(Box::new(move || {
        let _in_use = &dir;
        let mut writes = turns.next().context("more rounds than were prepared")?;
        black_box(store.commit(&mut writes)?);
        Ok(())
    }))
}

/// A room with some senders.
struct Talk {
    edge: Edge,
    state: State,
    json: Box<str>,
    lobby: Name,
    next: u64,
    /// The writes of the logins.
    entered: Writes,
}

impl Talk {
    fn new() -> Result<Self> {
        let mut rules = Rules::from(&Settings::default());
        rules.rate.per_second = 0;
        let wall = 1_800_000_000_000;
        let state = State::restore(rules, Snapshot::default(), wall);
        let (mut edge, entered) = (Edge::default(), Writes::default());
        edge.start(&state, Now { mono: 0, wall });
        let mut talk =
            Self { edge, state, json: json_text(TEXT), lobby: Name::parse("lobby")?, next: 0, entered };
        talk.begin();
        for at in 0..MEMBERS {
            talk.login(at, None)?;
        }
        talk.entered = talk.apply().0;
        // One turn does not tell of all who have entered.
        while talk.edge.has_pending_presence() {
            talk.begin();
            talk.apply_with(1);
        }
        Ok(talk)
    }

    /// Begins a turn, a millisecond for each request after the last one.
    fn begin(&mut self) {
        self.edge.begin(Now { mono: self.next, wall: 1_800_000_000_000 + self.next });
    }

    fn admit(&mut self, at: u64, command: Command) {
        self.edge.admit(&self.state, ConnectionId(at), command, Past::Absent);
    }

    /// A connection opens and logs in, into these rooms or into the default room.
    fn login(&mut self, at: u64, rooms: Option<Vec<Name>>) -> Result<()> {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&at.to_be_bytes());
        let login = Login {
            name: Some(Name::parse(&format!("user{at}"))?),
            color: None,
            rooms,
            password: None,
            session: None,
            after: None,
            log: None,
        };
        let fresh = Secret { token: format!("{at}").into(), hash };
        let proof = Proof::without_password(&login, &Access::Open, self.state.users());
        let proof = proof.context("a name without an owner needs no password")?;
        let ask = Ask::Login(Box::new(LoginAsk { login, fresh, resumes: None, proof }));
        self.admit(at, Command::Open(Ipv4Addr::LOCALHOST.into()));
        self.admit(at, Command::Ask(None, ask));
        Ok(())
    }

    fn turn(&mut self) -> (Writes, Vec<Effect>) {
        self.begin();
        for _ in 0..MESSAGES {
            self.next += 1;
            let ask = Ask::Say(Target::Default, self.json.clone());
            let command = Command::Ask(Some(RequestId::Number(self.next)), ask);
            self.admit(self.next % SENDERS, command);
        }
        self.apply()
    }

    /// Users log in in one turn, and quit in the next one. They enter no room, so nobody is told.
    fn logins(&mut self) -> Result<[(Writes, Vec<Effect>); 2]> {
        self.begin();
        let users = MEMBERS..MEMBERS + MESSAGES as u64;
        for at in users.clone() {
            self.next += 1;
            self.login(at, Some(Vec::new()))?;
        }
        let began = self.apply();
        self.begin();
        for at in users {
            self.admit(at, Command::Ask(None, Ask::Quit));
            self.admit(at, Command::Lost);
        }
        Ok([began, self.apply()])
    }

    /// The guests enter the default room in one turn, and leave it in the next one, as often as it takes.
    fn joins_and_leaves(&mut self) -> Vec<(Writes, Vec<Effect>)> {
        let mut turns = Vec::new();
        for nth in 0..MESSAGES as u64 / GUESTS {
            self.begin();
            for guest in 0..GUESTS {
                self.next += 1;
                let room = self.lobby.clone();
                let ask = if nth % 2 == 0 { Ask::Join(room) } else { Ask::Leave(Place(Some(room))) };
                self.admit(GUEST + guest, Command::Ask(None, ask));
            }
            turns.push(self.apply());
        }
        turns
    }

    /// Applies the turn that the edge has gathered.
    fn apply(&mut self) -> (Writes, Vec<Effect>) {
        self.apply_with(0)
    }

    /// The same, with this many steps of slow work.
    fn apply_with(&mut self, steps: usize) -> (Writes, Vec<Effect>) {
        let Self { edge, state, next, .. } = self;
        let turn = edge.take_turn(1_800_000_000_000 + *next, steps);
        let writes = state.apply(turn, |state, changes, place| edge.observe(state, changes, place));
        (writes, edge.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_says_what_it_is_said_to_cost() {
        let mut talk = Talk::new().unwrap();
        let (writes, effects) = talk.turn();
        assert_eq!(writes.chunks.len(), 1);
        assert_eq!(writes.sent.len(), MESSAGES);
        let [Effect::Chunk { to, own, .. }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!((to.len() as u64, own.len()), (MEMBERS, MESSAGES));
    }

    #[test]
    fn logins_begin_and_end_as_many_sessions_as_they_are_counted_for() {
        let mut talk = Talk::new().unwrap();
        for _ in 0..2 {
            let [began, ended] = talk.logins().unwrap();
            let logged_in = |effect: &&Effect| matches!(effect, Effect::LoggedIn(..));
            assert_eq!(began.1.iter().filter(logged_in).count(), MESSAGES);
            let closed = |effect: &&Effect| matches!(effect, Effect::Close(..));
            assert_eq!(ended.1.iter().filter(closed).count(), MESSAGES);
            assert_eq!(talk.edge.connection_count() as u64, MEMBERS);
            assert_eq!(talk.state.counts().sessions as u64, MEMBERS);
        }
    }

    #[test]
    fn each_join_and_each_leave_is_told_to_the_room() {
        let mut talk = Talk::new().unwrap();
        for guest in 0..GUESTS {
            talk.login(GUEST + guest, Some(Vec::new())).unwrap();
        }
        talk.apply();
        for _ in 0..2 {
            let turns = talk.joins_and_leaves();
            let told =
                |effect: &&Effect| matches!(effect, Effect::Event { to, .. } if to.len() as u64 >= MEMBERS);
            assert_eq!(turns.iter().flat_map(|turn| &turn.1).filter(told).count(), MESSAGES);
        }
    }

    #[test]
    fn every_path_can_be_gone_as_often_as_it_was_prepared_for() {
        for (name, path) in Path::ALL {
            let mut round = prepare(path, 3).unwrap();
            for _ in 0..3 {
                round().unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
        assert_eq!(TEXT.len(), 82);
    }
}
