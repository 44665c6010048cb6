//! Owns the list of differences that are known today, and how each is kept out of the comparison. Used by the proof and
//! by the fuzz target. Issue 16 empties it: step 5 takes the edge out of the state, step 6 makes a turn a value.

/// Something that makes two states differ that were given the same turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// PING, WHO, ROOMS, HISTORY, SEARCH and lines that are no request seal the turn, so they decide which number a
    /// message gets. They change nothing else, and will not be in the log. While this is known, the encoded form has
    /// them. Cause: `Chat::seal` in `chat/mod.rs` (`ask`, `answer`). Step 6 puts seal marks into the turn.
    QueriesSeal,
    /// Rate limits decide inside of the state, by what is not in the snapshot: a restart fills every bucket. While this
    /// is known, there is no rate. Cause: `pass_rate`, `pass_stored`, `pass_act`, `pass_stranger` in `chat/pass.rs`.
    /// Step 5 moves them to the edge.
    Rates,
    /// Refusals in a row close a connection, and what it asks later in the turn is not heard. The counts are not in
    /// the snapshot. While this is known, nobody is closed for errors. Cause: `Chat::answer` in `chat/mod.rs`. Step 5.
    Strikes,
    /// Half of the sessions and of the rooms are one network's at most: which network a session came from is not in
    /// the snapshot. While this is known, there is no such limit, and the networks are not compared. Cause:
    /// `Chat::restore` in `chat/restore.rs` makes empty `Shares`. Step 5.
    Networks,
    /// Whether a message was sent before, the state asks the store in the middle of a turn: a store that cannot be
    /// read makes it refuse. While this is known, every store can be read. Cause: `Chat::sent_before` in
    /// `chat/talk.rs`, trait `Past` in `chat/command.rs`. Step 6: a bounded window in the state.
    PastAsksTheStore,
    /// A store that cannot be written makes the state refuse and take back. While this is known, every store can be
    /// written. Cause: `keeping` and `Chat::not_kept` in `chat/turn.rs`. Step 6: a node that cannot write waits.
    DiskDecides,
    /// When a session that is away ends is not in the snapshot: after a restart its time counts anew. While this is
    /// known, no session ends by itself, and the moment is not compared. Cause: `Chat::restore` in `chat/restore.rs`,
    /// `Chat::expire` in `chat/turn.rs`. Step 6: `Expire(session)` is an input.
    EndsAnew,
    /// Sessions end by the clock of the process, all else by the system's clock; the log has one moment. While this
    /// is known, both clocks agree. Shown together with [`Known::EndsAnew`]. Cause: `Now::mono` in `chat/command.rs`.
    /// Step 6.
    TwoClocks,
    /// Which sessions are connected is not in the snapshot: restoring makes all of them away. While this is known, the
    /// connections come back at once. Cause: `Chat::restore`. Step 5: the edge knows connections; whether a session
    /// is here is state.
    AllAreAway,
    /// How much slow work (sweeps, endings) a turn takes on depends on how fast this machine is: 1 ms of it. While
    /// this is known, all states take on the same. Cause: `Hub::steps` in `hub/mod.rs`. Step 6: the number of steps
    /// stands in the turn.
    SlicesByTime,
    /// Slow work that has begun is not in the snapshot: a room that was being removed is there again after a restart,
    /// without those who were out already. While this is known, each turn ends what it began. Cause: `Sweeps` is not in
    /// `Found` (`chat/restore.rs`). Step 6.
    SweepsForgotten,
    /// Retention runs on each node by itself, and takes empty rooms along. While this is known, it is part of the turn.
    /// Cause: `Hub::tidy_once` in `hub/chores.rs`, `Chat::forgets` in `chat/doors.rs`. Step 6: `Retain` is an input.
    LocalRetention,
    /// The oldest number after a restart is that of the first row that the store has, not what retention said last.
    /// While this is known, it is not compared, and is carried over a restart. Cause: `tidy::first` in
    /// `store/found.rs`.
    OldestFromRows,
    /// What is known of the ids that a session has used is not in the snapshot. It only decides whether the store is
    /// asked. While this is known, it is not compared. Cause: `UsedIds::UNKNOWN` in `chat/restore.rs`. Step 6.
    UsedIds,
    /// Who wrote first and has no answer yet is not in the snapshot: after a restart the answer gives nothing back of
    /// the limit on strangers. While this is known, it is not compared. Cause: `Conversation::unanswered` in
    /// `chat/rooms.rs`. Step 5: the limit is the edge's.
    Unanswered,
    /// In whose share a mute or ban counts is decided by the role of its author when it was written; a restart
    /// decides it anew, by the role of today. While this is known, shares are not compared. Cause:
    /// `Book::restore` calls `is_written` in `chat/book.rs`. Step 6: the share stands in the snapshot.
    SharesDecidedAnew,
    /// The rooms of a session come back in the order of their ids, not in the order in which it entered them. The reply
    /// to a LOGIN that resumes lists them so. While this is known, the order is not compared. Cause: `ORDER BY session,
    /// room` in `store/found.rs`. Step 6.
    RoomOrder,
    /// Certificates that ended more than 90 days ago, and users who were removed ten years ago, are forgotten only at
    /// a start. `cert revoke` and logins with such a certificate then end otherwise. While this is known, so much time
    /// does not pass. Cause: `Chat::forget_expired` in `chat/registry.rs`, called by `Chat::restore` alone. Step 6: it
    /// is part of `Retain`.
    ForgottenAtStart,
}

impl Known {
    /// All of them. A difference that is gone is taken out, and its script with it.
    pub(crate) const ALL: [Self; 18] = [
        Self::QueriesSeal,
        Self::Rates,
        Self::Strikes,
        Self::Networks,
        Self::PastAsksTheStore,
        Self::DiskDecides,
        Self::EndsAnew,
        Self::TwoClocks,
        Self::AllAreAway,
        Self::SlicesByTime,
        Self::SweepsForgotten,
        Self::LocalRetention,
        Self::OldestFromRows,
        Self::UsedIds,
        Self::Unanswered,
        Self::SharesDecidedAnew,
        Self::RoomOrder,
        Self::ForgottenAtStart,
    ];

    /// Does this difference keep the fact out of the comparison?
    pub(crate) fn hides(self, path: &str) -> bool {
        match self {
            Self::Networks => path.ends_with("/network"),
            Self::EndsAnew => path.ends_with("/ends"),
            Self::OldestFromRows => path == "oldest",
            Self::UsedIds => path.ends_with("/ids"),
            Self::Unanswered => path.ends_with("/unanswered"),
            Self::SharesDecidedAnew => path.starts_with("author/"),
            Self::RoomOrder => path.ends_with("/order"),
            _ => false,
        }
    }
}

/// A day, in milliseconds.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;
