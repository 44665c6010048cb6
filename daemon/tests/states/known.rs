//! Owns the list of known differences. Each entry says how the harness masks the difference, where its cause is, and
//! which step of issue 16 removes it. Used by the proof and by the fuzz target. Never compares anything itself.

/// A cause by which two states differ although they applied the same turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// PING, WHO, ROOMS, HISTORY, SEARCH and invalid lines seal the turn, so they decide the numbers of messages.
    /// Masked: the encoded form contains them. Cause: `Chat::seal`, called in `ask` and `answer` of `chat/mod.rs`.
    /// Step 6: seal marks stand in the turn.
    QueriesSeal,
    /// Rate limits refuse inside the state, and the snapshot does not have the buckets: a restart fills them. Masked:
    /// there is no rate limit. Cause: `chat/pass.rs`. Step 5: rate limits belong to the edge.
    Rates,
    /// Several errors in a row close a connection, and its later requests are not heard. The snapshot does not have the
    /// counts. Masked: no connection is closed for errors. Cause: `Chat::answer` in `chat/mod.rs`. Step 5.
    Strikes,
    /// One network may have half of the sessions and of the rooms. The snapshot does not have the network of a session.
    /// Masked: there is no such limit, and the networks are not compared. Cause: the empty `Shares` in
    /// `Chat::restore`, `chat/restore.rs`. Step 5.
    Networks,
    /// If the store cannot be written, the state refuses requests and takes back the turn. Masked: every store can be
    /// written. Cause: `Chat::keeping` and `Chat::not_kept` in `chat/turn.rs`. Step 6: such a node waits.
    DiskDecides,
    /// The snapshot does not have the connected sessions: after a restart all sessions are away. Masked: the connections
    /// resume at once, and a turn that bans addresses completes its slow work, so that no connection is refused then.
    /// Cause: `Chat::restore`. Step 5: connections belong to the edge, "here or away" to the state.
    AllAreAway,
    /// The snapshot does not say which first message between two users has no answer yet. After a restart the answer
    /// gives back nothing of the limit on strangers. Masked: it is not compared. Cause: `Conversation::unanswered` in
    /// `chat/rooms.rs`. Step 5: that limit belongs to the edge.
    Unanswered,
}

impl Known {
    /// All entries. A repair removes its entry.
    pub(crate) const ALL: [Self; 7] = [
        Self::QueriesSeal,
        Self::Rates,
        Self::Strikes,
        Self::Networks,
        Self::DiskDecides,
        Self::AllAreAway,
        Self::Unanswered,
    ];

    /// Does this difference mask the fact at that path?
    pub(crate) fn hides(self, path: &str) -> bool {
        match self {
            Self::Networks => path.ends_with("/network"),
            Self::Unanswered => path.ends_with("/unanswered"),
            _ => false,
        }
    }
}

/// A day, in milliseconds.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;
