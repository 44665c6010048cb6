//! Owns the commands that take moderation actions or list data in a running daemon: each is one request of the
//! control socket. Called by `commands`. Never decides whether an action is permitted.

use super::args::Command;
use super::moderation_args::{Access, Ban, Grant, Kick, List, Mute, Penalty, Redact, Room, Unban, Unmute};
use super::{Failure, control, exit};
use crate::admin::{ActionFields, AdminRequest};
use std::path::Path;

/// The fields of each list, in the order of its columns.
const USERS: [&str; 5] = ["user", "state", "address", "role", "rooms"];
const ROOMS: [&str; 6] = ["room", "members", "here", "head", "private", "owners"];
const PENALTIES: [&str; 5] = ["whom", "room", "until", "by", "reason"];
const GRANTS: [&str; 3] = ["user", "role", "room"];
const AUDIT: [&str; 8] = ["at", "by", "did", "whom", "room", "what", "until", "reason"];

/// Asks a running daemon. `None`: the command is not one of these.
pub(super) fn ask(command: &Command, socket: Option<&Path>) -> Option<Result<(), Failure>> {
    Some(match command.clone() {
        Command::Who { json } => control::list(socket, &AdminRequest::Who, json, &USERS),
        Command::Rooms { json } => control::list(socket, &AdminRequest::Rooms, json, &ROOMS),
        Command::Audit { limit, json } => control::list(socket, &AdminRequest::Audit { limit }, json, &AUDIT),
        Command::Drain => control::send(socket, &AdminRequest::Drain),
        Command::Log { level } => control::send(socket, &AdminRequest::Log { level }),
        Command::Say { text } => {
            let msg = text.join(" ");
            match msg.is_empty() {
                true => Err(Failure::new(exit::USAGE, "the text is empty")),
                false => control::send(socket, &AdminRequest::Say { msg }),
            }
        }
        Command::Mute(Mute { list: Some(List::List { json }), .. }) => {
            control::list(socket, &AdminRequest::Mutes, json, &PENALTIES)
        }
        Command::Ban(Ban { list: Some(List::List { json }), .. }) => {
            control::list(socket, &AdminRequest::Bans, json, &PENALTIES)
        }
        Command::Grant(Grant { list: Some(List::List { json }), .. }) => {
            control::list(socket, &AdminRequest::Grants, json, &GRANTS)
        }
        other => {
            let (command, json, fields) = action(other)?;
            // The daemon would refuse with the same sentence and exit code.
            let action = fields.action(command).map_err(|why| Failure::new(exit::INTERNAL, why));
            action.and_then(|action| {
                control::send_and_print(socket, &AdminRequest::Action(Box::new(action)), json)
            })
        }
    })
}

/// The action of a command: its name on the control socket, whether the reply is printed as JSON, and its fields.
fn action(command: Command) -> Option<(&'static str, bool, ActionFields)> {
    let none = ActionFields::default;
    Some(match command {
        Command::Kick(Kick { user, reason, place }) => {
            ("kick", place.json, ActionFields { user: Some(user), reason, room: place.room, ..none() })
        }
        Command::Mute(Mute { user, penalty: Penalty { for_s, reason }, place, .. }) => {
            ("mute", place.json, ActionFields { user, for_s, reason, room: place.room, ..none() })
        }
        Command::Unmute(Unmute { user, place }) => {
            ("unmute", place.json, ActionFields { user: Some(user), room: place.room, ..none() })
        }
        Command::Ban(Ban { whom, penalty: Penalty { for_s, reason }, place, .. }) => {
            ("ban", place.json, ActionFields { whom, for_s, reason, room: place.room, ..none() })
        }
        Command::Unban(Unban { whom, place }) => {
            ("unban", place.json, ActionFields { whom: Some(whom), room: place.room, ..none() })
        }
        Command::Room(Room::Set { room, access, json }) => {
            let private = Some(access == Access::Private);
            ("room", json, ActionFields { room: Some(room), private, ..none() })
        }
        Command::Room(Room::Topic { room, text, json }) => {
            let topic = Some(text.join(" "));
            ("room", json, ActionFields { room: Some(room), topic, ..none() })
        }
        Command::Redact(Redact { room, seq, reason, json }) => {
            ("redact", json, ActionFields { room, seq: Some(seq), reason, ..none() })
        }
        Command::Room(Room::Remove { room, json }) => {
            ("room remove", json, ActionFields { room: Some(room), ..none() })
        }
        Command::Grant(Grant { user, role, place, .. }) => {
            let role = role.and_then(|role| role.0);
            ("grant", place.json, ActionFields { user, role, room: place.room, ..none() })
        }
        _ => return None,
    })
}
