//! Owns an upper bound of the encoded length of what a turn gets from a command, so that a gathered turn fits one entry of a
//! log. Called when a turn is gathered. Never encodes: a sum of lengths costs a message nothing.

use crate::edge::{Ask, Command};
use tcp_chat_protocol::request::{Conversation, Place, Target};
use tcp_chat_protocol::{Action, Banned, Name, RequestId};
use tcp_chat_state::{Access, Intent, Rules};

/// A request without its texts: the numbers of its source, its id, its kind, and what the store has of an earlier message.
const REQUEST_BYTES: usize = 96;
/// A moderation action without its names: a reason or topic, and what the store has of a message.
const ACTION_BYTES: usize = 2 * 1024;
/// The evidence of a LOGIN: a password hash, or a certificate's key and name.
const EVIDENCE_BYTES: usize = 1024;
/// A certificate that was made for an ENROL.
const CREDENTIAL_BYTES: usize = 16 * 1024;
/// The two names that the store has of a direct message.
const STORED_NAMES_BYTES: usize = 8 * 1024;
/// Any other request, without its name.
const OTHER_BYTES: usize = 256;
/// A policy without its rooms.
const RULES_BYTES: usize = 512;
/// The number of a session.
const SESSION_BYTES: usize = 10;
/// The length of a text, in front of it.
const LENGTH_BYTES: usize = 5;

/// The longest encoded form of a command.
pub(super) fn most_bytes(command: &Command) -> usize {
    let (id, ask) = match command {
        // These become no intent, and seal the messages before them at most.
        Command::Read(_) | Command::Refused(_) | Command::Ask(_, Ask::Ping | Ask::Query(_)) => return 1,
        Command::Open(_) | Command::Lost => return REQUEST_BYTES,
        Command::Ask(id, ask) => (id, ask),
    };
    let id = match id {
        Some(RequestId::Text(text)) => text.len(),
        Some(RequestId::Number(_)) | None => 0,
    };
    REQUEST_BYTES
        + id
        + match ask {
            Ask::Say(to, json) => json.len() + target(to),
            Ask::Login(ask) => {
                let rooms = ask.login.rooms.as_deref().map_or(0, names);
                let name = ask.login.name.as_ref().map_or(0, Name::most_compact_bytes);
                rooms + name + ask.login.log.as_ref().map_or(0, String::len) + OTHER_BYTES + EVIDENCE_BYTES
            }
            Ask::Enrol(_) => CREDENTIAL_BYTES,
            Ask::Action(of) => ACTION_BYTES + action(of),
            Ask::Join(room) => OTHER_BYTES + room.most_compact_bytes(),
            Ask::Leave(room) => OTHER_BYTES + place(room),
            Ask::Mark(of) => OTHER_BYTES + conversation(&of.of),
            Ask::Query(_) | Ask::Ping | Ask::Quit => OTHER_BYTES,
        }
}

/// The same for an operator's command. It has names and a reason, or the hash of a code.
pub(super) fn most_bytes_of_operator(rules: Option<&Rules>) -> usize {
    ACTION_BYTES + STORED_NAMES_BYTES + rules.map_or(0, most_bytes_of_rules)
}

/// The same for the intents with which a turn begins.
pub(super) fn most_bytes_of_intents(intents: &[Intent]) -> usize {
    let of = |intent: &Intent| match intent {
        Intent::EvictBanned { sessions, who, reason } => {
            sessions.len() * SESSION_BYTES + who.len() + reason.len() + REQUEST_BYTES
        }
        Intent::Start(rules) | Intent::Policy(rules) => most_bytes_of_rules(rules),
        _ => REQUEST_BYTES,
    };
    intents.iter().map(of).sum()
}

fn most_bytes_of_rules(rules: &Rules) -> usize {
    let hash = match &rules.access {
        Access::Password(hash) => hash.len(),
        Access::Open | Access::Accounts => 0,
    };
    RULES_BYTES + hash + names(&rules.default_rooms) + names(&rules.posted_rooms)
}

fn target(to: &Target) -> usize {
    match to {
        Target::Room(of) | Target::User(of) => place(of),
        Target::Default => 0,
    }
}

fn place(Place(of): &Place) -> usize {
    of.as_ref().map_or(0, Name::most_compact_bytes)
}

fn conversation(of: &Conversation) -> usize {
    match of {
        Conversation::Room(of) | Conversation::With(of) => place(of),
    }
}

/// The names of an action.
fn action(of: &Action) -> usize {
    let room = |of: &Option<Place>| of.as_ref().map_or(0, place);
    match of {
        Action::Kick(of) | Action::Mute(of) | Action::Unmute(of) => {
            of.target.most_compact_bytes() + room(&of.room)
        }
        Action::Ban(of) | Action::Unban(of) => match &of.target {
            Banned::User(user) => user.most_compact_bytes() + room(&of.room),
            Banned::Certificate(_) | Banned::Address(_) => room(&of.room),
        },
        Action::Room { room, .. } | Action::Topic { room, .. } | Action::RemoveRoom(room) => place(room),
        Action::Redact(of) => conversation(&of.of) + STORED_NAMES_BYTES,
        Action::RedactNumber { .. } => STORED_NAMES_BYTES,
        Action::Grant { user, room: of, .. } => user.most_compact_bytes() + room(of),
    }
}

fn names(names: &[Name]) -> usize {
    names.iter().map(|name| name.most_compact_bytes() + LENGTH_BYTES).sum()
}
