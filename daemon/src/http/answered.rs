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
    of: HashMap<RequestId, (Seq, Digest)>,
    oldest_first: VecDeque<RequestId>,
}

impl Answered {
    /// What a post is whose id was answered before. `None`: it was not, as far as is known here.
    pub(super) fn again(&self, id: &RequestId, names: Names, json: &str) -> Option<Posted> {
        let (seq, text) = self.of.get(id)?;
        let is_same = names == Names::Occasion || auth::sha256(json.as_bytes()) == *text;
        Some(if is_same { Posted::Again(*seq) } else { Posted::Reused })
    }

    /// Notes that the message of this id is kept.
    pub(super) fn note(&mut self, id: &RequestId, names: Names, json: &str, posted: &Posted) {
        let (Posted::Kept(seq) | Posted::Again(seq)) = posted else { return };
        if names == Names::Nothing || self.of.contains_key(id) {
            return;
        }
        if self.oldest_first.len() >= KEYS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.of.remove(&oldest);
        }
        self.of.insert(id.clone(), (*seq, auth::sha256(json.as_bytes())));
        self.oldest_first.push_back(id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_keys_are_remembered_with_what_they_named() {
        let mut answered = Answered::default();
        let id = |n: usize| RequestId::Number(n as u64);
        let told = |answered: &Answered, n, names, json| format!("{:?}", answered.again(&id(n), names, json));
        let refused = tcp_chat_protocol::Refusal::new(tcp_chat_protocol::ErrorKind::Internal, "no");
        answered.note(&id(0), Names::Text, "a", &Posted::Refused(refused));
        answered.note(&id(0), Names::Text, "a", &Posted::Reused);
        answered.note(&id(0), Names::Nothing, "a", &Posted::Kept(1));
        assert_eq!(told(&answered, 0, Names::Text, "a"), "None", "nothing was kept under a key");
        for n in 0..KEYS {
            answered.note(&id(n), Names::Text, "a", &Posted::Kept(n as u64 + 1));
        }
        assert_eq!(told(&answered, 0, Names::Text, "a"), "Some(Again(1))");
        assert_eq!(told(&answered, 0, Names::Text, "b"), "Some(Reused)");
        assert_eq!(told(&answered, 0, Names::Occasion, "b"), "Some(Again(1))");
        answered.note(&id(0), Names::Text, "a", &Posted::Again(1));
        answered.note(&id(KEYS), Names::Text, "a", &Posted::Again(5000));
        assert_eq!(told(&answered, 0, Names::Text, "a"), "None", "the oldest made room");
        assert_eq!(told(&answered, KEYS, Names::Text, "a"), "Some(Again(5000))");
        assert_eq!((answered.of.len(), answered.oldest_first.len()), (KEYS, KEYS));
    }
}
