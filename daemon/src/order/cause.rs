//! Owns the reasons why an order ends its process, and what helps against each. Plain data: `log` and the task of the stream
//! give a reason, the life of the process acts on it.

/// Why the process must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// What has happened.
    pub cause: Cause,
    /// The sentence for the operator: what is wrong, and what to do.
    pub reason: Box<str>,
}

/// What has happened to the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The stream has lost entries that this node acknowledged.
    LogForgot,
    /// The state of this node differs from that of the others.
    Diverged,
    /// The log goes on from a state that this node does not have.
    OtherGeneration,
    /// The stream no longer has what comes next.
    AwayTooLong,
    /// The others follow rules that this version does not know.
    TooOld,
    /// Another process with the name of this node has started later.
    Replaced,
    /// Another process has the name or the number of this node.
    NameInUse,
    /// The log has no first entry.
    NoCluster,
    /// A fault of this program: the order does not know what the state has.
    LostPlace,
    /// A fault of this program: the task that talks with NATS is gone.
    TaskGone,
    /// The stream does not exist, or is made in another way.
    StreamUnusable,
}

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// A copy of another node's store in the place of this one: the next start fetches it.
    Copy,
    /// The next start, as it is.
    Restart,
    /// An operator must act first.
    Operator,
}

impl Cause {
    /// The word in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogForgot => "log_forgot",
            Self::Diverged => "diverged",
            Self::OtherGeneration => "other_generation",
            Self::AwayTooLong => "away_too_long",
            Self::TooOld => "too_old",
            Self::Replaced => "replaced",
            Self::NameInUse => "name_in_use",
            Self::NoCluster => "no_cluster",
            Self::LostPlace => "lost_place",
            Self::TaskGone => "task_gone",
            Self::StreamUnusable => "stream_unusable",
        }
    }

    /// What helps against it.
    #[must_use]
    pub fn remedy(self) -> Remedy {
        match self {
            Self::Diverged | Self::OtherGeneration | Self::AwayTooLong => Remedy::Copy,
            Self::LostPlace | Self::TaskGone => Remedy::Restart,
            Self::LogForgot
            | Self::TooOld
            | Self::Replaced
            | Self::NameInUse
            | Self::NoCluster
            | Self::StreamUnusable => Remedy::Operator,
        }
    }
}
