//! Owns the sentences for the operator when the order ends the process: what is wrong, and what to do. Decides nothing.

use crate::order::{Cause, Stopped};
use tcp_chat_turn_log::{Halt, Truncated};

/// How a node gets the state of the others.
const JOIN_AGAIN: &str = "Move its store away (the file of history.path, and those beside it whose names begin so) and start \
                          the daemon: it takes a copy of another node's store";

/// What follows if the store of another node helps.
const COPY: &str =
    "The next start (of systemd, or by hand) sets this store aside and takes a copy of another node's store";

fn stopped(cause: Cause, reason: String) -> Stopped {
    Stopped { cause, reason: reason.into() }
}

/// A halt that does not end by itself.
pub(super) fn halted(halt: &Halt) -> Stopped {
    match halt {
        Halt::Forgot(_) | Halt::Shorter { .. } | Halt::Doubt(_) => stopped(
            Cause::LogForgot,
            format!(
                "{halt}. The stream has lost entries that this node acknowledged, and its store may be the only one that \
                 has them. Keep the store. Compare the nodes with `tcp-chatd cluster status`, and make the most advanced \
                 store the new beginning with `tcp-chatd cluster reseed`. If another node was made the beginning already: \
                 {JOIN_AGAIN}"
            ),
        ),
        Halt::Diverged => stopped(Cause::Diverged, format!("{halt}. {COPY}")),
        Halt::OtherBase(_) => {
            stopped(Cause::OtherGeneration, format!("{halt}, which this node does not have. {COPY}"))
        }
        Halt::TooOld(_) => stopped(Cause::TooOld, format!("{halt}. Install the version of the other nodes")),
        Halt::Gap { .. } => lost_place(),
    }
}

/// Another node's store is the beginning of a new generation.
pub(super) fn other_generation(number: u64) -> Stopped {
    stopped(
        Cause::OtherGeneration,
        format!(
            "generation {number} began with the store of another node (`tcp-chatd cluster reseed`). {COPY}"
        ),
    )
}

/// The stream no longer has what comes next.
pub(super) fn truncated(truncated: &Truncated) -> Stopped {
    stopped(
        Cause::AwayTooLong,
        format!(
            "{truncated}. This node was away for longer than the stream keeps records (log_keep, log_bytes). {COPY}"
        ),
    )
}

/// Another process with the name of this node has started later.
pub(super) fn replaced(name: &str) -> Stopped {
    stopped(
        Cause::Replaced,
        format!(
            "another process with the name {name:?} has started in this cluster and replaced this one. Each node needs its \
             own name (cluster.name) and its own store; a store must not be copied"
        ),
    )
}

/// Another process with the name of this node runs.
pub(super) fn name_is_used(name: &str) -> Stopped {
    stopped(
        Cause::NameInUse,
        format!(
            "another process with the name {name:?} runs in this cluster. Each node needs its own name (cluster.name) and \
             its own store; a store must not be copied"
        ),
    )
}

/// Another name gives the number of this node.
pub(super) fn same_number(name: &str, other: &str) -> Stopped {
    stopped(
        Cause::NameInUse,
        format!(
            "the names {name:?} and {other:?} cannot be in one cluster: their numbers are the same. Change cluster.name"
        ),
    )
}

/// The others follow rules that this version does not know.
pub(super) fn unfit(behaviour: u16) -> Stopped {
    stopped(
        Cause::TooOld,
        format!(
            "this version cannot follow behaviour {behaviour}, which the cluster has. Install the version of the other nodes"
        ),
    )
}

/// The log has no first entry.
pub(super) fn no_genesis() -> Stopped {
    stopped(
        Cause::NoCluster,
        "the stream is empty: no cluster was begun in it, or it was made again and has lost everything. Run `tcp-chatd \
         cluster init` on the node that has the history; after a loss, `tcp-chatd cluster reseed`"
            .to_owned(),
    )
}

/// A new generation was to begin with this store, and the log does not have it.
pub(super) fn half_reseeded() -> Stopped {
    stopped(
        Cause::NoCluster,
        "`tcp-chatd cluster reseed` was not completed: the log does not have the generation that was to begin with this \
         store. Run `tcp-chatd cluster reseed` again"
            .to_owned(),
    )
}

/// A fault of this program.
pub(super) fn lost_place() -> Stopped {
    stopped(
        Cause::LostPlace,
        "the order has lost its place in the log, which is a fault of this program. Start the daemon again"
            .to_owned(),
    )
}

/// Another fault of this program.
pub(in crate::order) fn task_gone() -> Stopped {
    stopped(
        Cause::TaskGone,
        "the task that talks with NATS has ended, which is a fault of this program: the log has the reason before this line. \
         Start the daemon again"
            .to_owned(),
    )
}
