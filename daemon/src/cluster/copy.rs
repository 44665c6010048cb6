//! Owns the words between a node that joins and a node that gives it a copy of its store: questions and answers over core
//! NATS, sealed with the key of the cluster. Used by `copies` and `fetch`. Never touches a socket or a file.
//!
//! Each question has random bits, and its answer is sealed for these bits: without the key nobody can make an answer, or repeat an
//! old one.

use serde::{Deserialize, Serialize};
use tcp_chat_turn_log::{Key, SealError};

/// The bytes of one piece of a copy.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// What the seal of a question is for.
const QUESTION: &[u8] = b"question about a copy";

/// A question of a node that joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    /// Drawn for this question.
    pub(super) random: [u8; 16],
    pub(super) wants: Wants,
}

/// What it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wants {
    /// A copy of the store, as it is now.
    Copy {
        /// The bytes that the disk of the asking node has room for.
        room: u64,
    },
    /// The bytes of that copy from here on.
    Piece { copy: u64, from: u64 },
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The copy is being made.
    Begun {
        /// Where its pieces are asked for: see [`super::StreamName::pieces`].
        holder: u64,
        /// Its number there.
        copy: u64,
    },
    /// It is not complete yet.
    NotYet,
    /// A piece of it, and the length of the whole, in bytes.
    Piece { total: u64, bytes: Vec<u8> },
    /// This node cannot give a copy now, or no longer: another one may.
    No(String),
}

impl Question {
    /// Draws the random bits. `None`: the system has none.
    pub(super) fn new(wants: Wants) -> Option<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        Some(Self { random, wants })
    }

    pub(super) fn seal(&self, key: &Key) -> Result<Vec<u8>, SealError> {
        // A type of known length can always be encoded into memory.
        key.seal_message(QUESTION, &postcard::to_allocvec(self).unwrap_or_default())
    }

    /// `None`: no holder of the key made it.
    pub(super) fn open(key: &Key, bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(&key.open_message(QUESTION, bytes).ok()?).ok()
    }
}

impl Answer {
    pub(super) fn seal(&self, key: &Key, question: &Question) -> Result<Vec<u8>, SealError> {
        key.seal_message(&question.random, &postcard::to_allocvec(self).unwrap_or_default())
    }

    /// `None`: no holder of the key made it for this question.
    pub(super) fn open(key: &Key, question: &Question, bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(&key.open_message(&question.random, bytes).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_turn_log::KEY_BYTES;

    #[test]
    fn an_answer_belongs_to_its_question() {
        let key = Key::new(&[1; KEY_BYTES]).unwrap();
        let ask = || Question::new(Wants::Piece { copy: 3, from: 4 }).unwrap();
        let (one, other) = (ask(), ask());
        assert_eq!(Question::open(&key, &one.seal(&key).unwrap()), Some(one));
        let answer = Answer::Piece { total: 9, bytes: vec![1, 2] };
        let bytes = answer.seal(&key, &one).unwrap();
        assert_eq!(Answer::open(&key, &one, &bytes), Some(answer));
        assert_eq!(Answer::open(&key, &other, &bytes), None, "an old answer is not repeated");
        assert_eq!(Answer::open(&Key::new(&[2; KEY_BYTES]).unwrap(), &one, &bytes), None, "another cluster");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Answer::open(&key, &one, &changed), None, "byte {at} was changed");
            assert_eq!(Answer::open(&key, &one, &bytes[..at]), None, "{at} bytes of it");
        }
        assert_eq!(Question::open(&key, &bytes), None);
    }
}
