//! Owns the list of known differences. Each entry says how the harness masks the difference, where its cause is, and
//! which step of issue 16 removes it. Used by the proof and by the fuzz target. Never compares anything itself.

/// A cause by which two states differ although they applied the same turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The snapshot does not have the connected sessions: after a restart all sessions are away. Masked: the connections
    /// resume at once. Cause: `Chat::restore`. Step 5: connections belong to the edge, "here or away" to the state.
    AllAreAway,
}

impl Known {
    /// All entries. A repair removes its entry.
    pub(crate) const ALL: [Self; 1] = [Self::AllAreAway];
}

/// A day, in milliseconds.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;
