//! Owns the list of known differences. Each entry says how the harness masks the difference, where its cause is, and
//! which step of issue 16 removes it. Used by the proof and by the fuzz target. Never compares anything itself.

/// A cause by which two states differ although they applied the same turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The state asks the store in the middle of a turn whether a message was sent before. If the store cannot be read,
    /// the state refuses. If the message is removed already, the state takes the id as new; the moment of removal
    /// is different in each store. Masked: every store can be read, and the harness remembers all ids. Cause:
    /// `Chat::sent_before` in `chat/talk.rs`, trait `Past` in `chat/command.rs`. Step 6: the state has a bounded window
    /// of ids.
    PastAsksTheStore,
    /// If the store cannot be written, the state refuses requests and takes back the turn. Masked: every store can be
    /// written. Cause: `Chat::keeping` and `Chat::not_kept` in `chat/turn.rs`. Step 6: such a node waits.
    DiskDecides,
    /// The snapshot does not have the connected sessions: after a restart all sessions are away. Masked: the connections
    /// resume at once. Cause: `Chat::restore`. Step 5: connections belong to the edge, "here or away" to the state.
    AllAreAway,
    /// The amount of slow work (sweeps) in a turn depends on the speed of the machine: 1 ms of it. Masked: all states do
    /// the same amount. Cause: `Hub::steps` in `hub/turn.rs`. Step 6: the amount stands in the turn.
    SlicesByTime,
    /// Each node runs retention by itself, and retention removes empty rooms. Masked: retention is part of the turn.
    /// Cause: `Hub::tidy_once` in `hub/chores.rs`, `Chat::forgets` in `chat/doors.rs`. Step 6: `Retain` is an input.
    LocalRetention,
    /// The snapshot does not have the greatest id that a session has used. It only decides whether the state asks the
    /// store. Masked: it is not compared. Cause: `UsedIds::UNKNOWN` in `chat/restore.rs`. Step 6.
    UsedIds,
}

impl Known {
    /// All entries. A repair removes its entry.
    pub(crate) const ALL: [Self; 6] = [
        Self::PastAsksTheStore,
        Self::DiskDecides,
        Self::AllAreAway,
        Self::SlicesByTime,
        Self::LocalRetention,
        Self::UsedIds,
    ];

    /// Does this difference mask the fact at that path?
    pub(crate) fn hides(self, path: &str) -> bool {
        match self {
            Self::UsedIds => path.ends_with("/ids"),
            _ => false,
        }
    }
}

/// A day, in milliseconds.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;
