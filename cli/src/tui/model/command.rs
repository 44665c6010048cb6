//! Owns the meaning of an input: a text, or a command that begins with `/`. Pure. Never runs a command.

use super::moderation;
use crate::suggest::nearest;
use tcp_chat_client::Action;
use tcp_chat_client::protocol::Seq;

/// The commands with their arguments and meaning; `/help`, the man page and `docs/CLIENT.md` show them.
pub const COMMANDS: [(&str, &str, &str); 22] = [
    ("join", "ROOM", "enter a room"),
    ("leave", "[ROOM]", "leave a room, or close direct messages"),
    ("room", "ROOM", "show another conversation (also #room or @user)"),
    ("msg", "USER [TEXT]", "direct messages with a user"),
    ("who", "[ROOM|*]", "the members of the room; * is everyone"),
    ("rooms", "", "the rooms of the server"),
    ("search", "WORDS", "search the messages: words, \"phrases\", prefix*"),
    ("topic", "[TEXT|-]", "show or set what the room is for; - removes it"),
    ("redact", "[USER|N] [WHY]", "remove your newest message here, or another one"),
    ("kick", "USER [WHY]", "remove a user from this room (moderators)"),
    ("mute", "USER [TIME] [WHY]", "stop a user from writing here, for 10m, 2h, 7d"),
    ("unmute", "USER", "let a user write again"),
    ("ban", "USER [TIME] [WHY]", "keep a user out of this room"),
    ("unban", "USER", "let a user in again"),
    ("role", "USER ROLE", "owner, moderator, member, read-only or none"),
    ("private", "on|off", "on: only users with a role here see this room"),
    ("unread", "", "go to the first unread message"),
    ("notify", "bell|osc9|off", "how to announce a mention"),
    ("mouse", "on|off", "off: the terminal selects text itself"),
    ("connect", "", "log in again after the session has ended"),
    ("help", "", "keys and commands"),
    ("quit", "", "end the session and quit"),
];

/// The form of a notification for a mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Notify {
    /// The terminal's bell.
    #[default]
    Bell,
    /// A desktop notification, sent by the terminal (OSC 9).
    Osc9,
    /// None.
    Off,
}

impl std::str::FromStr for Notify {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bell" => Ok(Self::Bell),
            "osc9" => Ok(Self::Osc9),
            "off" => Ok(Self::Off),
            _ => Err("write bell, osc9 or off".into()),
        }
    }
}

/// A parsed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserCommand {
    Say(String),
    Join(String),
    Leave(Option<String>),
    Room(String),
    Msg(String, Option<String>),
    Who(Option<String>),
    Everyone,
    Rooms,
    Search(String),
    /// The topic of the room; `None`: shows it.
    Topic(Option<String>),
    /// Removes the text of a message, with the reason.
    Redact(Which, String),
    /// A moderation action; the room is added later.
    Action(Action),
    Unread,
    Notify(Notify),
    Mouse(bool),
    Connect,
    Help,
    Quit,
}

/// The message that a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The user's own newest one.
    Own,
    /// The newest one of another user.
    Of(String),
    /// That of this number.
    Seq(Seq),
}

/// Parses an input.
///
/// # Errors
/// A sentence with the right form.
pub(crate) fn read(input: &str) -> Result<UserCommand, String> {
    let Some(command) = input.strip_prefix('/') else { return Ok(UserCommand::Say(input.to_owned())) };
    if command.starts_with('/') {
        return Ok(UserCommand::Say(command.to_owned()));
    }
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let room = |rest: &str| rest.strip_prefix('#').unwrap_or(rest).to_owned();
    let some = |rest: &str| (!rest.is_empty()).then(|| rest.to_owned());
    let word = word.to_lowercase();
    if let Some(action) = moderation::read(&word, rest) {
        return action.map(UserCommand::Action);
    }
    let read = match (word.as_str(), rest) {
        ("join" | "j", rest) if !rest.is_empty() => UserCommand::Join(room(rest)),
        ("leave" | "part" | "close", rest) => UserCommand::Leave(some(rest)),
        ("room" | "r", rest) if !rest.is_empty() => UserCommand::Room(rest.to_owned()),
        ("msg" | "m" | "query", rest) if !rest.is_empty() => {
            let (user, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            UserCommand::Msg(user.strip_prefix('@').unwrap_or(user).to_owned(), some(text.trim_start()))
        }
        ("who", "*") => UserCommand::Everyone,
        ("who", rest) => UserCommand::Who(some(&room(rest))),
        ("rooms", _) => UserCommand::Rooms,
        ("search" | "s", rest) if !rest.is_empty() => UserCommand::Search(rest.to_owned()),
        ("topic", "") => UserCommand::Topic(None),
        ("topic", "-") => UserCommand::Topic(Some(String::new())),
        ("topic", text) => UserCommand::Topic(Some(text.to_owned())),
        ("redact", "") => UserCommand::Redact(Which::Own, String::new()),
        ("redact", rest) => {
            let (which, why) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let which = match which.parse() {
                Ok(seq) => Which::Seq(seq),
                Err(_) => Which::Of(which.strip_prefix('@').unwrap_or(which).to_owned()),
            };
            UserCommand::Redact(which, why.trim_start().to_owned())
        }
        ("unread", _) => UserCommand::Unread,
        ("notify", rest) => UserCommand::Notify(rest.parse().map_err(|e| format!("/notify: {e}"))?),
        ("mouse", "on") => UserCommand::Mouse(true),
        ("mouse", "off") => UserCommand::Mouse(false),
        ("connect", _) => UserCommand::Connect,
        ("help" | "h" | "?", _) => UserCommand::Help,
        ("quit" | "q" | "exit", _) => UserCommand::Quit,
        (word, _) => {
            return Err(match COMMANDS.iter().find(|(name, ..)| *name == word) {
                Some((name, args, _)) => format!("/{name} {args}"),
                None => match nearest(word, COMMANDS.iter().map(|(name, ..)| *name)) {
                    Some(meant) => format!("there is no /{word}: did you mean /{meant}?"),
                    None => {
                        format!("there is no /{word}: /help lists what there is; // begins a text with /")
                    }
                },
            });
        }
    };
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs() {
        let own = str::to_owned;
        for (input, command) in [
            ("hi /there", UserCommand::Say(own("hi /there"))),
            ("//etc", UserCommand::Say(own("/etc"))),
            ("/join #ops", UserCommand::Join(own("ops"))),
            ("/msg @bo one\ntwo", UserCommand::Msg(own("bo"), Some(own("one\ntwo")))),
            ("/msg bo", UserCommand::Msg(own("bo"), None)),
            ("/who", UserCommand::Who(None)),
            ("/who *", UserCommand::Everyone),
            ("/leave", UserCommand::Leave(None)),
            ("/topic On call: bo", UserCommand::Topic(Some(own("On call: bo")))),
            ("/topic -", UserCommand::Topic(Some(String::new()))),
            ("/redact", UserCommand::Redact(Which::Own, String::new())),
            ("/redact 17  oops", UserCommand::Redact(Which::Seq(17), own("oops"))),
            ("/redact @bo not nice", UserCommand::Redact(Which::Of(own("bo")), own("not nice"))),
            ("/NOTIFY osc9", UserCommand::Notify(Notify::Osc9)),
            ("/search \"a b\" c*", UserCommand::Search(own("\"a b\" c*"))),
        ] {
            assert_eq!(read(input), Ok(command), "{input}");
        }
        assert_eq!(read("/join"), Err(own("/join ROOM")));
        assert_eq!(read("/mouse maybe"), Err(own("/mouse on|off")));
        assert_eq!(read("/jion ops"), Err(own("there is no /jion: did you mean /join?")));
        assert!(read("/etc/passwd").unwrap_err().contains("// begins a text"));
    }

    #[test]
    fn every_command_of_the_help_is_there() {
        for (name, args, _) in COMMANDS {
            let args = match args {
                "on|off" => "on",
                "USER ROLE" => "x owner",
                "bell|osc9|off" => "off",
                _ => "x",
            };
            assert!(read(&format!("/{name} {args}")).is_ok(), "{name}");
        }
    }
}
