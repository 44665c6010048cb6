//! Owns the fields of each moderation action of an operator. There is one description of them: the arguments of the command
//! line are the fields of the JSON object on the control socket. Plain data. Never checks whether a name is valid:
//! [`super::ActionRequest::action`] does.

use super::action::check_reason;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use tcp_chat_protocol::request::MOST_SECONDS;
use tcp_chat_protocol::{Role, Seq};

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
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kick {
    /// The user
    pub user: String,
    /// The reason, which the user is told
    #[arg(long, value_name = "TEXT", value_parser = check_reason)]
    pub reason: Option<String>,
    /// The room; without it, the whole server
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// `mute`
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// Prints all entries instead.
    #[command(subcommand)]
    #[serde(skip)]
    pub list: Option<List>,
    /// The user
    #[arg(required = true)]
    pub user: Option<String>,
    /// How long, such as 30m or 7d; without it, until it is taken back
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds)]
    pub for_s: Option<u64>,
    /// The reason, which the user is told
    #[arg(long, value_name = "TEXT", value_parser = check_reason)]
    pub reason: Option<String>,
    /// The room; without it, the whole server
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// `unmute`
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unmute {
    /// The user
    pub user: String,
    /// The room; without it, the whole server
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// `ban`
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// Prints all entries instead.
    #[command(subcommand)]
    #[serde(skip)]
    pub list: Option<List>,
    /// A user, an address or range (192.0.2.7, 192.0.2.0/24, 2001:db8::/48; of IPv6 at least a /64), or the
    /// SHA-256 of a client certificate's public key as `user list` shows it. If a name looks like one of
    /// these, write user:NAME
    #[arg(required = true)]
    pub whom: Option<String>,
    /// How long, such as 30m or 7d; without it, until it is taken back
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds)]
    pub for_s: Option<u64>,
    /// The reason, which the user is told
    #[arg(long, value_name = "TEXT", value_parser = check_reason)]
    pub reason: Option<String>,
    /// The room; without it, the whole server
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// `unban`
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unban {
    /// What was banned, written as in `ban`
    pub whom: String,
    /// The room; without it, the whole server
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// `redact`
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(allow_missing_positional = true)]
#[serde(deny_unknown_fields)]
pub struct Redact {
    /// The room; without it, the message is found by its number alone, also among direct messages
    pub room: Option<String>,
    /// The number of the message (its `seq`), of which the server has only one: `export` shows it
    pub seq: Seq,
    /// The reason, which all who read the room are told
    #[arg(long, value_name = "TEXT", value_parser = check_reason)]
    pub reason: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// `grant`
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Prints all entries instead.
    #[command(subcommand)]
    #[serde(skip)]
    pub list: Option<List>,
    /// The user
    #[arg(required = true)]
    pub user: Option<String>,
    /// owner, moderator, member, read-only, or none
    #[arg(required = true, value_parser = role)]
    pub role: Option<RoleOrNone>,
    /// The room; without it, the whole server
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// A role, or none in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
