//! Owns the talk that the benchmarks of the store keep: texts whose words are distributed as in chats, in rooms by
//! turns. Never measures.

use std::path::Path;
use tcp_chat_protocol::event::{MsgLine, Spoken, json_text};
use tcp_chat_protocol::{Name, RequestId, Timestamp};
use tcp_chat_state::{Chunk, ConversationId, ConversationKind, Sent, SessionId, Writes};
use tcp_chatd::settings::{Durability, History, MaxBytes};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) const ROOMS: usize = 8;

/// Says the same texts in turns of `turn` messages, in all rooms by turns.
pub(crate) struct Talk {
    pub(crate) seq: u64,
    heads: [u64; ROOMS],
    ids: bool,
}

impl Talk {
    pub(crate) fn new(ids: bool) -> Self {
        Self { seq: 0, heads: [0; ROOMS], ids }
    }

    pub(crate) fn rooms() -> Result<Writes> {
        let room = |n: usize| -> Result<_> {
            let name = Name::parse(&format!("room{n}"))?;
            Ok((ConversationId(i64::try_from(n)? + 1), ConversationKind::Room(name)))
        };
        let conversations = (0..ROOMS).map(room).collect::<Result<_>>()?;
        Ok(Writes { conversations, ..Writes::default() })
    }

    pub(crate) fn turn(&mut self, messages: usize) -> Result<Writes> {
        let mut writes = Writes::default();
        // A turn has messages of two rooms.
        for half in 0..2 {
            let n = (usize::try_from(self.seq)? / messages + half) % ROOMS;
            let (first, prev) = (self.seq + 1, self.heads[n]);
            let mut lines = Vec::new();
            for _ in 0..messages / 2 {
                let prev = if self.seq < first { prev } else { self.seq };
                self.seq += 1;
                MsgLine {
                    place: Spoken::In("room"),
                    seq: self.seq,
                    prev,
                    ts: &Timestamp(1_800_000_000_000 + self.seq).to_string(),
                    user: ["ana", "bo", "carla", "dmitri"][usize::try_from(self.seq % 4)?],
                    color: "red",
                    msg_json: &json_text(&text(self.seq)),
                }
                .write(&mut lines);
                if self.ids {
                    writes.sent.push(Sent {
                        session: SessionId(i64::try_from(self.seq % 50)?),
                        id: RequestId::Number(self.seq),
                        conversation: ConversationId(i64::try_from(n)? + 1),
                        seq: self.seq,
                    });
                }
            }
            self.heads[n] = self.seq;
            let conversation = ConversationId(i64::try_from(n)? + 1);
            writes.chunks.push(Chunk {
                conversation,
                first,
                last: self.seq,
                prev,
                ts: self.seq,
                lines,
                authors: Vec::new(),
            });
        }
        Ok(writes)
    }
}

/// About 80 bytes of words as they are distributed in talk: few are in most messages.
fn text(n: u64) -> String {
    let mut text = String::new();
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while text.len() < 76 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // A tenth of the words is "the" or its like, the rare ones are of 20,000.
        let rank = (20_000.0_f64).powf((state >> 11) as f64 / (1_u64 << 53) as f64) as u64;
        text.push_str(&word(rank));
        text.push(' ');
    }
    text.push_str(if n.is_multiple_of(100_000) { "needle" } else { "end" });
    text
}

pub(crate) fn word(mut rank: u64) -> String {
    let mut word = String::new();
    for _ in 0..3 {
        word.push_str(["ka", "to", "mi", "re", "su", "no", "la", "he"][(rank % 8) as usize]);
        rank /= 8;
    }
    if rank > 0 {
        word.push_str(&format!("{rank}"));
    }
    word
}

/// A store of this file that keeps everything.
pub(crate) fn history(path: &Path) -> History {
    History {
        path: Some(path.to_owned()),
        durability: Durability::Crash,
        retain: None,
        retain_messages: None,
        max_bytes: MaxBytes::Unlimited,
    }
}
