//! Owns the arguments of the moderation commands. Part of `args`. Never runs a command.

use clap::{Args, Subcommand, ValueEnum};
use tcp_chat_protocol::request::{MOST_SECONDS, REASON_BYTES};
use tcp_chat_protocol::{Role, Seq, text};

/// The room of the action, and the form of the output.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Scope {
    /// The room; without it, the whole server
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// How long a mute or a ban lasts, and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Penalty {
    /// How long, such as 30m or 7d; without it, until it is taken back
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds)]
    pub for_s: Option<u64>,
    /// The reason, which the user is told
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    pub reason: String,
}

/// All entries, instead.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum List {
    /// Print all entries instead
    List {
        /// Print JSON, one object per line
        #[arg(long)]
        json: bool,
    },
}

/// `kick`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Kick {
    /// The user
    pub user: String,
    /// The reason, which the user is told
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    pub reason: String,
    #[command(flatten)]
    pub place: Scope,
}

/// `mute`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Mute {
    #[command(subcommand)]
    pub list: Option<List>,
    /// The user
    #[arg(required = true)]
    pub user: Option<String>,
    #[command(flatten)]
    pub penalty: Penalty,
    #[command(flatten)]
    pub place: Scope,
}

/// `unmute`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Unmute {
    /// The user
    pub user: String,
    #[command(flatten)]
    pub place: Scope,
}

/// `ban`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Ban {
    #[command(subcommand)]
    pub list: Option<List>,
    /// A user, an address or range (192.0.2.7, 192.0.2.0/24, 2001:db8::/48; of IPv6 at least a /64), or the
    /// SHA-256 of a client certificate's public key as `user list` shows it. If a name looks like one of
    /// these, write user:NAME
    #[arg(required = true)]
    pub whom: Option<String>,
    #[command(flatten)]
    pub penalty: Penalty,
    #[command(flatten)]
    pub place: Scope,
}

/// `unban`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Unban {
    /// What was banned, written as in `ban`
    pub whom: String,
    #[command(flatten)]
    pub place: Scope,
}

/// `room`
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Room {
    /// Make a room private (only users with a granted role in it can see it) or public. A private room is
    /// opened if it does not exist
    Set {
        /// The room
        room: String,
        /// Who can see it
        access: Access,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Set what a room is for: up to 400 characters, which all members see
    Topic {
        /// The room
        room: String,
        /// The topic; without it, the room has none any more
        text: Vec<String>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a room for good: its members are removed from it and told, and its messages are deleted.
    /// A room of rooms.default or http.rooms cannot be removed
    Remove {
        /// The room
        room: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Who can see a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Access {
    /// Users with a granted role in it.
    Private,
    /// Everyone.
    Public,
}

/// `redact`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(allow_missing_positional = true)]
pub struct Redact {
    /// The room; without it, the message is found by its number alone, also among direct messages
    pub room: Option<String>,
    /// The number of the message (its `seq`), of which the server has only one: `export` shows it
    pub seq: Seq,
    /// The reason, which all who read the room are told
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    pub reason: String,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// `grant`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Grant {
    #[command(subcommand)]
    pub list: Option<List>,
    /// The user
    #[arg(required = true)]
    pub user: Option<String>,
    /// owner, moderator, member, read-only, or none
    #[arg(required = true, value_parser = role)]
    pub role: Option<RoleOrNone>,
    #[command(flatten)]
    pub place: Scope,
}

/// A role, or none in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleOrNone(pub Option<Role>);

fn role(text: &str) -> Result<RoleOrNone, String> {
    match text {
        "none" => Ok(RoleOrNone(None)),
        role => role.parse().map(|role| RoleOrNone(Some(role))).map_err(|e| format!("{e}, or none")),
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    let wanted = "write a number with a unit, such as 30m or 7d";
    let duration = humantime::parse_duration(text).map_err(|_| wanted.to_owned())?;
    match duration.as_secs() {
        0 => Err("at least one second".to_owned()),
        seconds if seconds > MOST_SECONDS => {
            let days = MOST_SECONDS / (24 * 3600);
            Err(format!("at most {days}d; without it, until it is taken back"))
        }
        seconds => Ok(seconds),
    }
}

fn reason(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Ok(String::new()),
        false => text::check(text, REASON_BYTES).map(|()| text.to_owned()).map_err(|why| why.to_string()),
    }
}
