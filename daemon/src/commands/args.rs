//! Owns the definition of the command line. `--help`, the man page and the completions are made from it. Called by
//! `commands` and the build. Never runs a command.

use super::export::Export;
use crate::admin::{Ban, Grant, Kick, Mute, Redact, Unban, Unmute};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Version, commit where it is known, TLS libraries; the build script knows the last two.
const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), env!("TCP_CHAT_BUILT_FROM"), "\nTLS: ", env!("TCP_CHAT_TLS"));

const EXAMPLES: &str = "\
Examples:
  tcp-chatd                               run in the foreground
  tcp-chatd --config chat.toml check      find problems before a start or a reload
  tcp-chatd --set listen.address=0.0.0.0:3000
                                          run, and accept connections from other hosts
  tcp-chatd invite --room ops             print a line with which a colleague can join
  tcp-chatd user add ana                  register ana and print a join line
  tcp-chatd password > password.hash      make the file for auth.password_file
  tcp-chatd export --since 7d >week.ndjson
                                          save the messages of the last week
  tcp-chatd status                        show the state of the running daemon
  tcp-chatd ban 192.0.2.0/24 --for 1d     refuse connections from there for a day

Settings come from the configuration file: --config, or ./config.toml, or
/etc/tcp-chatd/config.toml, or none. The environment (TCP_CHATD__SECTION__KEY, and PORT) overrides
the file, and --set overrides both. `tcp-chatd config --reference` prints all settings with their
defaults.

Exit codes: 0 done, 64 usage, 69 no daemon is running, 70 internal or refused, 74 store or disk,
75 a temporary problem (address, clock), 77 permission, 78 configuration or certificates.";

/// A chat daemon over TLS for a private network.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "tcp-chatd", version, long_version = VERSION, after_help = EXAMPLES)]
pub struct Args {
    /// The configuration file, instead of searching for one
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A setting that overrides file and environment; can be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// What to do; the default is `run`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run in the foreground (the default)
    Run,
    /// Read configuration, certificates and store as a start would, and print every problem
    Check,
    /// Print the settings in effect, and where each value comes from
    Config {
        /// Print the commented reference of all settings instead
        #[arg(long)]
        reference: bool,
    },
    /// Manage the certificates
    #[command(subcommand)]
    Cert(Cert),
    /// Read a password from standard input and print its Argon2id hash
    Password,
    /// Print a line with which a colleague can join
    Invite {
        /// The room to enter
        #[arg(long)]
        room: Option<String>,
        /// Print a QR code of the line below it (and of the page's address, if the page is on), also where standard
        /// output is not a terminal
        #[arg(long)]
        qr: bool,
    },
    /// Print the state of the running daemon
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the running daemon read its configuration again
    Reload,
    /// Copy the store of the running daemon
    Backup {
        /// The file to write
        file: PathBuf,
    },
    /// Print messages as JSON lines, oldest first, with all direct messages; the daemon may be running
    Export(Export),
    /// Send a notice to all connected users, in a cluster to those of all nodes
    Say {
        /// The text
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// List users: connected, or away with a session that can be resumed
    Who {
        /// Print JSON, one object per line
        #[arg(long)]
        json: bool,
    },
    /// List the rooms
    Rooms {
        /// Print JSON, one object per line
        #[arg(long)]
        json: bool,
    },
    /// End a user's sessions, or remove the user from a room
    Kick(Kick),
    /// Stop a user from writing, for a time or until `unmute`
    Mute(Mute),
    /// Let a muted user write again
    Unmute(Unmute),
    /// Ban a user, an address, a range of addresses, or a client certificate
    Ban(Ban),
    /// End a ban
    Unban(Unban),
    /// Change or remove a room
    #[command(subcommand)]
    Room(Room),
    /// Remove the text of a message in a room for all readers; its place, author and time stay
    Redact(Redact),
    /// Make a user owner, moderator, member or read-only, on the server or in a room
    Grant(Grant),
    /// Print the audit log: moderation actions and their authors, the newest last
    Audit {
        /// The number of lines
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = count)]
        limit: usize,
        /// Print JSON, one object per line
        #[arg(long)]
        json: bool,
    },
    /// Stop the daemon in order, as SIGTERM does: all clients are told, and nothing is lost
    Drain,
    /// Log at another level until the next reload, such as debug or info,tcp_chatd::net=debug
    Log {
        /// The level
        level: String,
    },
    /// Manage registered users
    #[command(subcommand)]
    User(User),
    /// Manage this node of a cluster of several daemons
    #[command(subcommand)]
    Cluster(Cluster),
}

/// A cluster of several daemons. `docs/CLUSTER.md` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Cluster {
    /// Begin a cluster with the store of this daemon, which must not run: make the stream on NATS, the key file if there is
    /// none, and the first entry of the log
    Init,
    /// Put a copy of another node's store in the place of an unused store. A start does the same by itself
    Join,
    /// Make the store of this node, whose daemon must not run, that of a daemon without a cluster
    Leave,
    /// Print the state of this node, the nodes that live, and the stream
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// After NATS has lost the log: begin it again with the store of this node. No daemon of the cluster may run. Choose the
    /// node whose store is the most advanced (`applied` of `cluster status`)
    Reseed,
    /// Check the key file, the NATS servers and the stream
    Check,
}

/// A room.
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

/// Registered users.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum User {
    /// Register NAME and print a join line, which works once within a day
    Add {
        /// The user
        name: String,
        /// With the line the user fetches a certificate, instead of setting a password
        #[arg(long)]
        cert: bool,
        /// The room to enter
        #[arg(long)]
        room: Option<String>,
    },
    /// Remove the registered user NAME: end the sessions, revoke the certificates, and print the rooms that
    /// have no owner now
    Remove {
        /// The user
        name: String,
    },
    /// Erase the user NAME for good, registered or not: replace its name by a neutral one and remove its texts in all
    /// rooms and direct messages, in the search index and in the audit log. Returns when all is done; the daemon goes on
    /// if this command is interrupted or the daemon restarts, and a second call waits for the rest. Backups that were
    /// made before keep all of it
    Erase {
        /// The user
        name: String,
        /// Also if NAME is banned or muted: the bans and mutes of the name end with it
        #[arg(long)]
        lift: bool,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// List registered users
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete NAME's password, end the sessions, and print a new join line
    Password {
        /// The user
        name: String,
        /// With the line the user fetches one more certificate; password and sessions stay
        #[arg(long)]
        cert: bool,
        /// The room to enter
        #[arg(long)]
        room: Option<String>,
    },
}

/// The certificates.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Cert {
    /// Print names, expiry and SHA-256 of the certificates
    Show,
    /// Issue a client certificate for NAME from the daemon's own CA: NAME.pem and NAME.key
    Issue {
        /// The user
        name: String,
        /// The folder for the two files
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
        /// Print both to standard output instead
        #[arg(long, conflicts_with = "out")]
        print: bool,
    },
    /// Issue a new certificate for the daemon now, from the same CA
    Renew,
    /// Revoke a client certificate, and end its user's sessions
    Revoke {
        /// Its file, the SHA-256 of its public key as `user list` shows it, or a user: then all known
        /// certificates of that user
        #[arg(value_name = "FILE|SHA256|NAME")]
        which: String,
    },
}

/// The command line as clap knows it: for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "write a whole number".to_owned())
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as SECTION.KEY=VALUE, such as listen.address=127.0.0.1:4000".to_owned()),
    }
}
