//! Owns the hot paths of the daemon without sockets and encryption, one by one. One round is [`MESSAGES`]
//! messages, as in a busy turn. Called by the criterion benches and, through `tcp-chat-bench hot`, by the guard.
//! Never measures anything itself.

use anyhow::{Context, Result};
use std::hint::black_box;
use std::net::Ipv4Addr;
use tcp_chat_protocol::event::{MsgLine, Spoken, json_text};
use tcp_chat_protocol::request::{Bounds, Login, Request, Target, parse};
use tcp_chat_protocol::{Line, LineDecoder, Name, RequestId, Timestamp};
use tcp_chat_state::{ConnectionId, Past, Rules, Snapshot, State, Writes};
use tcp_chatd::auth::Proof;
use tcp_chatd::edge::{Ask, LoginAsk, Secret};
use tcp_chatd::edge::{Command, Edge, Effect, Now};
use tcp_chatd::settings::{AuthMode, Durability, History, MaxBytes, Settings};
use tcp_chatd::store::Store;

/// Messages per round.
pub const MESSAGES: usize = 64;
/// Members of the room.
const MEMBERS: u64 = 100;
/// Senders among them.
const SENDERS: u64 = 8;
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
}

impl Path {
    /// All paths with their names.
    pub const ALL: [(&str, Self); 4] =
        [("parse", Self::Parse), ("encode", Self::Encode), ("turn", Self::Turn), ("store", Self::Store)];
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
        path: Some(dir.path().join("chat.db")),
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
    next: u64,
    /// The writes of the logins.
    entered: Writes,
}

impl Talk {
    fn new() -> Result<Self> {
        let mut rules = Rules::from(&Settings::default());
        rules.rate.per_second = 0;
        let now = Now { mono: 0, wall: 1_800_000_000_000 };
        let mut edge = Edge::default();
        let mut state = State::restore(rules, Snapshot::default(), now.wall);
        state.start();
        edge.begin(now);
        for at in 0..MEMBERS {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&at.to_be_bytes());
            let login = Login {
                name: Some(Name::parse(&format!("user{at}"))?),
                color: None,
                rooms: None,
                password: None,
                session: None,
                after: None,
                log: None,
            };
            let fresh = Secret { token: format!("{at}").into(), hash };
            let proof = Proof::without_password(&login, AuthMode::Open, state.users());
            let proof = proof.context("a name without an owner needs no password")?;
            let ask = Ask::Login(Box::new(LoginAsk { login, fresh, resumes: None, proof }));
            edge.admit(&mut state, ConnectionId(at), Command::Open(Ipv4Addr::LOCALHOST.into()), Past::Absent);
            edge.admit(&mut state, ConnectionId(at), Command::Ask(None, ask), Past::Absent);
        }
        let entered = apply(&mut edge, &mut state, now.wall).0;
        Ok(Self { edge, state, json: json_text(TEXT), next: 0, entered })
    }

    fn turn(&mut self) -> (Writes, Vec<Effect>) {
        let Self { edge, state, json, next, .. } = self;
        let now = Now { mono: *next, wall: 1_800_000_000_000 + *next };
        edge.begin(now);
        for _ in 0..MESSAGES {
            *next += 1;
            let ask = Ask::Say(Target::Default, json.clone());
            let command = Command::Ask(Some(RequestId::Number(*next)), ask);
            edge.admit(state, ConnectionId(*next % SENDERS), command, Past::Absent);
        }
        apply(edge, state, now.wall)
    }
}

/// Applies the turn that the edge has gathered.
fn apply(edge: &mut Edge, state: &mut State, time: u64) -> (Writes, Vec<Effect>) {
    let turn = edge.take_turn(time, None, 0);
    let writes = state.apply(turn, |state, changes, place| edge.observe(state, changes, place));
    (writes, edge.finish())
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
