//! Owns which keys have been answered since the start, and with what: so a key answers for its message also when the
//! session that said it was ended, or the message was removed since. Called by [`super::poster`]. Bounded; never asks
//! the store, which knows older keys for as long as session and message are there.

use super::poster::{Names, Posted};
use crate::auth;
use crate::chat::Digest;
use std::collections::{HashMap, VecDeque};
use tcp_chat_protocol::{RequestId, Seq};

/// Keys that are remembered; one more, and the oldest is forgotten.
const KEYS: usize = 4096;

/// The keys that were answered last.
#[derive(Debug, Default)]
pub(super) struct Answered {
    of: HashMap<RequestId, Answer>,
    oldest_first: VecDeque<RequestId>,
}

/// What is known of a key.
#[derive(Debug)]
struct Answer {
    seq: Seq,
    text: Digest,
    /// `None`: the store knew it, which has no bodies.
    body: Option<Digest>,
}

impl Answered {
    /// What a post is whose id was answered before. `None`: it was not, as far as is known here.
    pub(super) fn again(&self, id: &RequestId, names: Names, json: &str) -> Option<Posted> {
        let before = self.of.get(id)?;
        let is_same = match (names, before.body) {
            (Names::Body(body), Some(known)) => body == known,
            (Names::Body(_), None) => auth::sha256(json.as_bytes()) == before.text,
            (Names::Occasion | Names::Nothing, _) => true,
        };
        Some(if is_same { Posted::Again(before.seq) } else { Posted::Reused })
    }

    /// Notes that the message of this id is kept.
    pub(super) fn note(&mut self, id: &RequestId, names: Names, json: &str, posted: &Posted) {
        let (seq, is_first) = match posted {
            Posted::Kept(seq) => (*seq, true),
            Posted::Again(seq) => (*seq, false),
            Posted::Reused | Posted::Refused(_) => return,
        };
        let body = match names {
            Names::Body(body) => is_first.then_some(body),
            Names::Occasion => None,
            Names::Nothing => return,
        };
        if self.of.contains_key(id) {
            return;
        }
        if self.oldest_first.len() >= KEYS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.of.remove(&oldest);
        }
        self.of.insert(id.clone(), Answer { seq, text: auth::sha256(json.as_bytes()), body });
        self.oldest_first.push_back(id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Names = Names::Body(Digest([1; 32]));
    const OTHER: Names = Names::Body(Digest([2; 32]));

    #[test]
    fn the_last_keys_are_remembered_with_what_they_named() {
        let mut answered = Answered::default();
        let id = |n: usize| RequestId::Number(n as u64);
        let told = |answered: &Answered, n, names, json| format!("{:?}", answered.again(&id(n), names, json));
        let refused = tcp_chat_protocol::Refusal::new(tcp_chat_protocol::ErrorKind::Internal, "no");
        answered.note(&id(0), BODY, "a", &Posted::Refused(refused));
        answered.note(&id(0), BODY, "a", &Posted::Reused);
        answered.note(&id(0), Names::Nothing, "a", &Posted::Kept(1));
        assert_eq!(told(&answered, 0, BODY, "a"), "None", "nothing was kept under a key");
        for n in 0..KEYS {
            answered.note(&id(n), BODY, "a", &Posted::Kept(n as u64 + 1));
        }
        assert_eq!(told(&answered, 0, BODY, "a"), "Some(Again(1))");
        assert_eq!(told(&answered, 0, OTHER, "a"), "Some(Reused)", "whatever is told of it");
        assert_eq!(told(&answered, 0, Names::Occasion, "b"), "Some(Again(1))");
        answered.note(&id(0), BODY, "a", &Posted::Again(1));
        answered.note(&id(KEYS), BODY, "a", &Posted::Again(5000));
        assert_eq!(told(&answered, 0, BODY, "a"), "None", "the oldest made room");
        // The store knew the text alone: any body may be the one that was posted first.
        for body in [BODY, OTHER] {
            assert_eq!(told(&answered, KEYS, body, "a"), "Some(Again(5000))");
            assert_eq!(told(&answered, KEYS, body, "b"), "Some(Reused)");
        }
        assert_eq!((answered.of.len(), answered.oldest_first.len()), (KEYS, KEYS));
    }
}
