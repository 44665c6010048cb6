//! Owns the outcome of a post, and the refusals that tell what is known of it. Used by [`super::session`] and
//! [`super::webhook`]. Pure. Never says that a message is not kept unless that is certain.

use crate::store::Resend;
use tcp_chat_protocol::{ErrorKind, Refusal, Seq};
use tcp_chat_state::Digest;

/// When a sender should post again whose message was not kept, or may not be, in milliseconds.
const AGAIN_MS: u64 = 2_000;

/// The result of a post.
#[derive(Debug)]
pub(super) enum PostResult {
    /// It is kept under this seq.
    Kept(Seq),
    /// It was kept before, under this seq.
    Again(Seq),
    /// Its id belongs to another message: this one is not kept.
    Reused,
    /// It is not kept, with the reason.
    Refused(Refusal),
}

/// The thing that the id of a post identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdScope {
    /// One body, known by its digest: another body under the same id is refused. If only the store knows the id,
    /// the texts are compared.
    Body(Digest),
    /// An occasion, whose text may differ between resends: it is posted once.
    Occasion,
    /// Nothing: the id is random, so it is never sent again.
    Nothing,
}

/// The process ends.
pub(super) fn stopping() -> Refusal {
    Refusal::new(ErrorKind::Internal, "the server is going down")
}

/// The login was not ordered, or its connection was closed before the answer: nothing of the post was sent.
pub(super) fn not_logged_in() -> Refusal {
    let msg = "the server cannot take posts at the moment: this message was not kept; post it again";
    let mut refusal = Refusal::new(ErrorKind::Unavailable, msg);
    refusal.retry_after_ms = Some(AGAIN_MS);
    refusal
}

/// Whether the message is kept is unknown.
pub(super) fn unknown(scope: IdScope) -> Refusal {
    let msg = match scope {
        IdScope::Body(_) => {
            "it is unknown whether the message is kept: post it again with the same Idempotency-Key, and it is kept once"
        }
        IdScope::Occasion => "it is unknown whether the message is kept: post it again, and it is kept once",
        IdScope::Nothing => {
            "it is unknown whether the message is kept: posted again it may be kept twice; with an Idempotency-Key it would \
             be kept once"
        }
    };
    let mut refusal = Refusal::new(ErrorKind::Timeout, msg);
    refusal.retry_after_ms = Some(AGAIN_MS);
    refusal
}

/// The result for a refusal. After a lost answer an earlier attempt may be kept, or wait for the store: nothing is said
/// then of what is kept.
pub(super) fn refused(why: Refusal, may_be_own: bool, scope: IdScope) -> PostResult {
    PostResult::Refused(if may_be_own { unknown(scope) } else { why })
}

/// The result for a message that was kept before. After a lost answer the post may be the first one, so it is not
/// reported as a resend.
pub(super) fn kept_before(seq: Seq, may_be_own: bool) -> PostResult {
    if may_be_own { PostResult::Kept(seq) } else { PostResult::Again(seq) }
}

/// The result of a post whose id was used before. `None`: the earlier message is removed, and its id is free.
pub(super) fn compare(found: &Resend, seq: Seq, may_be_own: bool) -> Option<PostResult> {
    match found {
        Resend::Same(_) => Some(kept_before(seq, may_be_own)),
        Resend::Other => Some(PostResult::Reused),
        Resend::Gone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_lost_answer_no_refusal_says_that_the_message_is_not_kept() {
        let why = || Refusal::new(ErrorKind::Internal, "the message was not kept");
        let told = |may_be_own, scope| match refused(why(), may_be_own, scope) {
            PostResult::Refused(why) => why,
            other => panic!("{other:?}"),
        };
        let body = IdScope::Body(Digest([1; 32]));
        assert_eq!(told(false, body).kind, ErrorKind::Internal);
        for (scope, says) in [
            (body, "same Idempotency-Key"),
            (IdScope::Occasion, "kept once"),
            (IdScope::Nothing, "kept twice"),
        ] {
            let told = told(true, scope);
            assert_eq!((told.kind, told.retry_after_ms), (ErrorKind::Timeout, Some(AGAIN_MS)));
            assert!(told.msg.contains(says), "{}", told.msg);
        }
        assert_eq!(not_logged_in().kind, ErrorKind::Unavailable, "nothing was sent");
    }

    #[test]
    fn a_removed_message_is_not_answered_as_kept() {
        let result = |found: &Resend, ours| format!("{:?}", compare(found, 7, ours));
        let same = Resend::Same(Vec::new());
        assert_eq!(result(&same, false), "Some(Again(7))");
        assert_eq!(result(&same, true), "Some(Kept(7))", "the first post is never reported as a resend");
        for ours in [false, true] {
            assert_eq!(result(&Resend::Other, ours), "Some(Reused)");
            assert_eq!(result(&Resend::Gone, ours), "None", "the post is a new message");
        }
    }
}
