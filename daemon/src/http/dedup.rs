//! Owns the idempotency keys that were answered since the start, with their answers. So a key still answers for
//! its message after the session that sent it was ended, or after the message was removed. Called by
//! [`super::session`]. Bounded; never asks the store, which knows older keys while session and message exist.

use super::outcome::{IdScope, PostResult};
use crate::auth;
use std::collections::{HashMap, VecDeque};
use tcp_chat_protocol::{RequestId, Seq};
use tcp_chat_state::Digest;

/// The largest number of keys; beyond it the oldest is forgotten.
const KEYS: usize = 4096;

/// The keys that were answered most recently.
#[derive(Debug, Default)]
pub(super) struct RecentKeys {
    of: HashMap<RequestId, KeptAnswer>,
    oldest_first: VecDeque<RequestId>,
}

/// The answer to a key.
#[derive(Debug)]
struct KeptAnswer {
    seq: Seq,
    text: Digest,
    /// `None`: only the store knew the key, and the store has no bodies.
    body: Option<Digest>,
}

impl RecentKeys {
    /// The result of a post whose id was answered before. `None`: the id is not known here.
    pub(super) fn lookup(&self, id: &RequestId, scope: IdScope, json: &str) -> Option<PostResult> {
        let before = self.of.get(id)?;
        let is_same = match (scope, before.body) {
            (IdScope::Body(body), Some(known)) => body == known,
            (IdScope::Body(_), None) => auth::sha256(json.as_bytes()) == before.text,
            (IdScope::Occasion | IdScope::Nothing, _) => true,
        };
        Some(if is_same { PostResult::Again(before.seq) } else { PostResult::Reused })
    }

    /// Notes the result of a post under its id.
    pub(super) fn note(&mut self, id: &RequestId, scope: IdScope, json: &str, result: &PostResult) {
        let (seq, is_first) = match result {
            PostResult::Kept(seq) => (*seq, true),
            PostResult::Again(seq) => (*seq, false),
            PostResult::Reused | PostResult::Refused(_) => return,
        };
        let body = match scope {
            IdScope::Body(body) => is_first.then_some(body),
            IdScope::Occasion => None,
            IdScope::Nothing => return,
        };
        if self.of.contains_key(id) {
            return;
        }
        if self.oldest_first.len() >= KEYS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.of.remove(&oldest);
        }
        self.of.insert(id.clone(), KeptAnswer { seq, text: auth::sha256(json.as_bytes()), body });
        self.oldest_first.push_back(id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: IdScope = IdScope::Body(Digest([1; 32]));
    const OTHER: IdScope = IdScope::Body(Digest([2; 32]));

    #[test]
    fn the_last_keys_are_remembered_with_what_they_named() {
        let mut answered = RecentKeys::default();
        let id = |n: usize| RequestId::Number(n as u64);
        let told =
            |answered: &RecentKeys, n, scope, json| format!("{:?}", answered.lookup(&id(n), scope, json));
        let refused = tcp_chat_protocol::Refusal::new(tcp_chat_protocol::ErrorKind::Internal, "no");
        answered.note(&id(0), BODY, "a", &PostResult::Refused(refused));
        answered.note(&id(0), BODY, "a", &PostResult::Reused);
        answered.note(&id(0), IdScope::Nothing, "a", &PostResult::Kept(1));
        assert_eq!(told(&answered, 0, BODY, "a"), "None", "nothing was kept under a key");
        for n in 0..KEYS {
            answered.note(&id(n), BODY, "a", &PostResult::Kept(n as u64 + 1));
        }
        assert_eq!(told(&answered, 0, BODY, "a"), "Some(Again(1))");
        assert_eq!(told(&answered, 0, OTHER, "a"), "Some(Reused)", "whatever is told of it");
        assert_eq!(told(&answered, 0, IdScope::Occasion, "b"), "Some(Again(1))");
        answered.note(&id(0), BODY, "a", &PostResult::Again(1));
        answered.note(&id(KEYS), BODY, "a", &PostResult::Again(5000));
        assert_eq!(told(&answered, 0, BODY, "a"), "None", "the oldest made room");
        // The store knew only the text: each body may be the one that was posted first.
        for body in [BODY, OTHER] {
            assert_eq!(told(&answered, KEYS, body, "a"), "Some(Again(5000))");
            assert_eq!(told(&answered, KEYS, body, "b"), "Some(Reused)");
        }
        assert_eq!((answered.of.len(), answered.oldest_first.len()), (KEYS, KEYS));
    }
}
