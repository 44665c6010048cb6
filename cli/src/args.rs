//! Owns the command line: the options and their help. The man page and the completions are made from it. Never
//! combines options with other sources: `settings` does.

mod values;

pub use values::{duration, from_one, switch};

use crate::tui::Notify;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  tcp-chat-cli -                                    the first time: paste the line with your code
  tcp-chat-cli tcps://chat.example:3000/lobby#PIN   join with the line of an invitation
  tcp-chat-cli chat.example                         join again: the client knows the pin now
  tcp-chat-cli --ca certs/ca.pem                    join the server on this machine
  tcp-chat-cli send --room ops 'deployed'           one message; exit 0 after it is stored
  make 2>&1 | tcp-chat-cli send --room ops --split  the output of a command
  tcp-chat-cli tail --room ops --json | jq .msg     messages as they arrive
  tcp-chat-cli wait --match 'done|failed' --timeout 10m
  tcp-chat-cli doctor chat.example                  why is there no connection?
  tcp-chat-cli web                                  the chat on a page in your browser

Exit codes: 0 done; 1 other; 2 usage; 3 no connection; 4 the certificate was refused;
5 login refused; 6 the request was refused; 7 timed out.

Files: $XDG_CONFIG_HOME/tcp-chat/config.toml has defaults for all options, and profiles of the
servers that you joined. $XDG_STATE_HOME/tcp-chat has the sessions, so that the next start continues
where the client was.";

/// The heading of the chat options in the help.
const CHAT: &str = "Options of the chat";

/// clap wraps its lines.
const LINES: &str = "\
Without a command, on a terminal: the full-screen chat (F1 or /help shows its keys). Otherwise, and \
with --line, the client sends lines from standard input, and prints messages. If standard input is a \
terminal, or with --commands, a line that begins with / is a command (/help lists them), and // begins \
a line with one slash. From a pipe or a file every line is text. Empty lines are skipped. The client \
names everything else that it does not send, and then its exit code is not 0.";

/// The terminal and script client of tcp-chatd.
#[derive(Debug, Clone, Parser)]
#[command(name = "tcp-chat-cli", version, about, after_help = EXAMPLES, after_long_help = format!("{LINES}\n\n{EXAMPLES}"))]
#[command(max_term_width = 100)]
pub struct Cli {
    /// HOST, HOST:PORT, several of them with commas for the nodes of one chat, or the tcps:// line of an
    /// invitation; - reads that line from standard input. Use -
    /// for a line with a code: other users of this machine can see command lines
    /// [default: localhost:3000]
    #[arg(value_name = "SERVER", env = "TCP_CHAT_SERVER")]
    pub server: Option<String>,

    /// The options.
    #[command(flatten)]
    pub options: Options,

    /// What to do; without it, chat.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The definition of the command line for clap: an empty variable counts as not set.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command().mut_args(without_empty)
}

fn without_empty(arg: clap::Arg) -> clap::Arg {
    let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(clap::builder::Resettable::Reset) } else { arg }
}

/// The options, which may be before or behind the command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Options {
    /// Trust servers whose certificate is signed by a CA in this PEM file
    #[arg(long, global = true, value_name = "FILE", env = "TCP_CHAT_CA")]
    pub ca: Option<PathBuf>,

    /// Trust the server whose CA has this SHA-256 (64 hexadecimal digits)
    #[arg(long, global = true, value_name = "SHA256", env = "TCP_CHAT_PIN")]
    pub pin: Option<String>,

    /// Your name in the chat [default: the login name]
    #[arg(long, global = true, value_name = "NAME", env = "TCP_CHAT_NAME")]
    pub name: Option<String>,

    /// red, green, yellow, blue, fuchsia, cyan or #rrggbb
    #[arg(long, global = true, value_name = "COLOR", env = "TCP_CHAT_COLOR")]
    pub color: Option<String>,

    /// The room to enter; can be repeated; messages go to the first one [default: the server's]
    #[arg(long, global = true, value_name = "ROOM", env = "TCP_CHAT_ROOM", value_delimiter = ',')]
    pub room: Vec<String>,

    /// Print one JSON object per line, with the fields of the protocol
    #[arg(long, global = true, env = "TCP_CHAT_JSON", action = ArgAction::SetTrue, value_parser = switch)]
    pub json: bool,

    /// Give up after this time (90s, 2m) from the start; temporary failures are tried again until then
    #[arg(long, global = true, value_name = "DURATION", env = "TCP_CHAT_TIMEOUT", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// The client certificate, if the server asks for one (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "TCP_CHAT_CERT")]
    pub cert: Option<PathBuf>,

    /// The key of the client certificate (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "TCP_CHAT_KEY")]
    pub key: Option<PathBuf>,

    /// Read the password from this file's first line (or set TCP_CHAT_PASSWORD)
    #[arg(long, global = true, value_name = "FILE", env = "TCP_CHAT_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,

    /// Use plain lines instead of the full screen, also on a terminal
    #[arg(long, global = true, help_heading = CHAT, env = "TCP_CHAT_LINE", action = ArgAction::SetTrue, value_parser = switch)]
    pub line: bool,

    /// Read lines that begin with / as commands, also if standard input is not a terminal
    #[arg(long, global = true, help_heading = CHAT, env = "TCP_CHAT_COMMANDS", action = ArgAction::SetTrue, value_parser = switch)]
    pub commands: bool,

    /// How the full screen announces a mention [default: bell]
    #[arg(long, global = true, help_heading = CHAT, value_name = "HOW", env = "TCP_CHAT_NOTIFY", value_enum)]
    pub notify: Option<Notify>,

    /// Leave the mouse to the terminal
    #[arg(long, global = true, help_heading = CHAT, env = "TCP_CHAT_NO_MOUSE", action = ArgAction::SetTrue, value_parser = switch)]
    pub no_mouse: bool,

    /// No colours (NO_COLOR does the same)
    #[arg(long, global = true, env = "TCP_CHAT_NO_COLOR", action = ArgAction::SetTrue, value_parser = switch)]
    pub no_color: bool,

    /// Report progress on standard error
    #[arg(short, long, global = true, env = "TCP_CHAT_VERBOSE", action = ArgAction::SetTrue, value_parser = switch)]
    pub verbose: bool,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Send one message; exit 0 only after it is stored
    Send(Send),
    /// Print messages as they arrive
    Tail(Tail),
    /// Print messages from the store, oldest first
    History(History),
    /// Print messages that contain words, newest first
    Search(Search),
    /// Wait until a message matches; exit 7 when --timeout runs out
    Wait(Wait),
    /// List the members of the room (--room), or all users of the server
    Who,
    /// List the rooms of the server
    Rooms,
    /// Try to connect and log in, and explain what fails, step by step
    Doctor(Doctor),
    /// Chat on a page in the browser, over the connection that this program verifies
    Web(Web),
}

/// `send`
#[derive(Debug, Clone, Args)]
pub struct Send {
    /// The message; without it, all of standard input
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub text: Option<String>,

    /// Send it to this user instead of a room
    #[arg(long, value_name = "USER")]
    pub to: Option<String>,

    /// Send standard input as several messages while it arrives, cut at line ends if possible
    #[arg(long)]
    pub split: bool,

    /// The id of the message (1 to 64 bytes). Sent again with the same id, from the same account on this
    /// machine and under the same name, the message is stored once. (It is sent again if the server lost
    /// it in the restore of a backup.) The name stays in use for the server's sessions.ttl (2 minutes):
    /// give such jobs their own --name
    #[arg(long, value_name = "ID", conflicts_with = "split")]
    pub id: Option<String>,
}

/// `tail`
#[derive(Debug, Clone, Args)]
pub struct Tail {
    /// Begin after this message number, from the store
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,

    /// End after this many messages
    #[arg(long, value_name = "N", value_parser = from_one)]
    pub count: Option<u64>,

    /// Begin where the last `tail --resume` with this server and name ended
    #[arg(long, conflicts_with = "after")]
    pub resume: bool,
}

/// `history`
#[derive(Debug, Clone, Args)]
pub struct History {
    /// Only messages before this number
    #[arg(long, value_name = "SEQ")]
    pub before: Option<u64>,

    /// Only messages after this number
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,

    /// The largest number of messages
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = from_one)]
    pub limit: u64,

    /// Print all messages that you may read, or all between --after and --before
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,

    /// Print the direct messages with this user instead of a room's messages
    #[arg(long, value_name = "USER")]
    pub with: Option<String>,
}

/// `search`
#[derive(Debug, Clone, Args)]
pub struct Search {
    /// Words, "phrases", prefix*
    #[arg(value_name = "QUERY", required = true, num_args = 1..)]
    pub query: Vec<String>,

    /// Only messages of this user
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Only messages before this number
    #[arg(long, value_name = "SEQ")]
    pub before: Option<u64>,

    /// Only messages after this number
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,

    /// The largest number of messages
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = from_one)]
    pub limit: u64,
}

/// `wait`
#[derive(Debug, Clone, Args)]
pub struct Wait {
    /// A regular expression that must match a part of the message's text
    #[arg(long = "match", value_name = "REGEX")]
    pub pattern: String,

    /// First search the messages after this number, from the store
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
}

/// `doctor`
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// The server, as before the command
    #[arg(value_name = "SERVER", id = "doctor-server")]
    pub server: Option<String>,
}

/// `web`
#[derive(Debug, Clone, Args)]
pub struct Web {
    /// The server that the page offers, as before the command; another one can be chosen on the page
    #[arg(value_name = "SERVER", id = "page-server")]
    pub server: Option<String>,

    /// Print the page's address instead of opening the browser. It works once, within 60 seconds, in a browser of
    /// this user on this machine
    #[arg(long)]
    pub no_open: bool,

    /// Serve the page at this port of 127.0.0.1 [default: the last one, or any]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// End when no tab of the page has been open for this time
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub idle: Duration,

    /// Go on when no tab of the page is open
    #[arg(long, conflicts_with = "idle")]
    pub keep: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_server_before_the_command_and_options_behind_it() {
        let cli = Cli::try_parse_from(["x", "host", "send", "--room", "ops", "hi"]).unwrap();
        assert_eq!(cli.server.as_deref(), Some("host"));
        assert_eq!(cli.options.room, ["ops"]);
        let cli = Cli::try_parse_from(["x", "--json", "send", "hi"]).unwrap();
        assert_eq!(cli.server, None);
        assert!(matches!(cli.command, Some(Command::Send(s)) if s.text.as_deref() == Some("hi")));
    }
}
