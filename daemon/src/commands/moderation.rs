//! Owns the commands that moderate in a running daemon, and those that list what is in it: each is one request of the
//! control socket. Called by `commands`. Never decides anything.

use super::args::Command;
use super::order_args::{Access, Ban, Grant, Kick, List, Mute, Penalty, Room, Unban, Unmute};
use super::{Failure, control, exit};
use crate::admin::{Fields, Request};
use std::path::Path;

/// The fields of each list, in the order of their columns.
const USERS: [&str; 5] = ["user", "state", "address", "role", "rooms"];
const ROOMS: [&str; 6] = ["room", "members", "here", "head", "private", "owners"];
const PENALTIES: [&str; 5] = ["whom", "room", "until", "by", "reason"];
const GRANTS: [&str; 3] = ["user", "role", "room"];
const AUDIT: [&str; 8] = ["at", "by", "did", "whom", "room", "what", "until", "reason"];

/// Asks a running daemon; `None`: the command is none of these.
pub(super) fn ask(command: &Command, socket: Option<&Path>) -> Option<Result<(), Failure>> {
    Some(match command.clone() {
        Command::Who { json } => control::list(socket, &Request::Who, json, &USERS),
        Command::Rooms { json } => control::list(socket, &Request::Rooms, json, &ROOMS),
        Command::Audit { limit, json } => control::list(socket, &Request::Audit { limit }, json, &AUDIT),
        Command::Drain => control::tell(socket, &Request::Drain),
        Command::Log { level } => control::tell(socket, &Request::Log { level }),
        Command::Say { text } => {
            let msg = text.join(" ");
            match msg.is_empty() {
                true => Err(Failure::new(exit::USAGE, "there is nothing to say: the text is empty")),
                false => control::tell(socket, &Request::Say { msg }),
            }
        }
        Command::Mute(Mute { list: Some(List::List { json }), .. }) => {
            control::list(socket, &Request::Mutes, json, &PENALTIES)
        }
        Command::Ban(Ban { list: Some(List::List { json }), .. }) => {
            control::list(socket, &Request::Bans, json, &PENALTIES)
        }
        Command::Grant(Grant { list: Some(List::List { json }), .. }) => {
            control::list(socket, &Request::Grants, json, &GRANTS)
        }
        other => {
            let (command, json, fields) = action(other)?;
            // With the sentence and the exit code of a refusal by the daemon, which would say the same.
            let action = fields.action(command).map_err(|why| Failure::new(exit::INTERNAL, why));
            action.and_then(|action| control::act(socket, &Request::Action(Box::new(action)), json))
        }
    })
}

/// The action that a command asks for: its name on the control socket, whether the answer is printed as JSON, its fields.
fn action(command: Command) -> Option<(&'static str, bool, Fields)> {
    let none = Fields::default;
    Some(match command {
        Command::Kick(Kick { user, reason, place }) => {
            ("kick", place.json, Fields { user: Some(user), reason, room: place.room, ..none() })
        }
        Command::Mute(Mute { user, penalty: Penalty { for_s, reason }, place, .. }) => {
            ("mute", place.json, Fields { user, for_s, reason, room: place.room, ..none() })
        }
        Command::Unmute(Unmute { user, place }) => {
            ("unmute", place.json, Fields { user: Some(user), room: place.room, ..none() })
        }
        Command::Ban(Ban { whom, penalty: Penalty { for_s, reason }, place, .. }) => {
            ("ban", place.json, Fields { whom, for_s, reason, room: place.room, ..none() })
        }
        Command::Unban(Unban { whom, place }) => {
            ("unban", place.json, Fields { whom: Some(whom), room: place.room, ..none() })
        }
        Command::Room(Room::Set { room, access, json }) => {
            let private = Some(access == Access::Private);
            ("room", json, Fields { room: Some(room), private, ..none() })
        }
        Command::Room(Room::Remove { room, json }) => {
            ("room remove", json, Fields { room: Some(room), ..none() })
        }
        Command::Grant(Grant { user, role, place, .. }) => {
            let role = role.and_then(|role| role.0);
            ("grant", place.json, Fields { user, role, room: place.room, ..none() })
        }
        _ => return None,
    })
}
