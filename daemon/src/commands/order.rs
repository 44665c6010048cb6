//! Owns the commands that keep order in a running daemon, and those that look at it: each is one
//! request of the control socket. Called by `commands`. Never decides anything.

use super::args::Command;
use super::order_args::{Access, Ban, Grant, Kick, List, Mute, Room, Unban, Unmute};
use super::{Failure, control, exit};
use crate::admin::Request;
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
        Command::Kick(Kick { user, reason, place }) => {
            control::act(socket, &Request::Kick { user, room: place.room, reason }, place.json)
        }
        Command::Mute(Mute { list: Some(List::List { json }), .. }) => {
            control::list(socket, &Request::Mutes, json, &PENALTIES)
        }
        Command::Mute(Mute { user, penalty, place, .. }) => named(user).and_then(|user| {
            let (room, for_s, reason) = (place.room, penalty.for_s, penalty.reason);
            control::act(socket, &Request::Mute { user, room, for_s, reason }, place.json)
        }),
        Command::Unmute(Unmute { user, place }) => {
            control::act(socket, &Request::Unmute { user, room: place.room }, place.json)
        }
        Command::Ban(Ban { list: Some(List::List { json }), .. }) => {
            control::list(socket, &Request::Bans, json, &PENALTIES)
        }
        Command::Ban(Ban { whom, penalty, place, .. }) => named(whom).and_then(|whom| {
            let (room, for_s, reason) = (place.room, penalty.for_s, penalty.reason);
            control::act(socket, &Request::Ban { whom, room, for_s, reason }, place.json)
        }),
        Command::Unban(Unban { whom, place }) => {
            control::act(socket, &Request::Unban { whom, room: place.room }, place.json)
        }
        Command::Room(Room::Set { room, access, json }) => {
            control::act(socket, &Request::Room { room, private: access == Access::Private }, json)
        }
        Command::Room(Room::Remove { room, json }) => {
            control::act(socket, &Request::RoomRemove { room }, json)
        }
        Command::Grant(Grant { list: Some(List::List { json }), .. }) => {
            control::list(socket, &Request::Grants, json, &GRANTS)
        }
        Command::Grant(Grant { user, role, place, .. }) => named(user).and_then(|user| {
            let role = role.and_then(|role| role.0);
            control::act(socket, &Request::Grant { user, role, room: place.room }, place.json)
        }),
        _ => return None,
    })
}

/// clap has made sure that it is there.
fn named(what: Option<String>) -> Result<String, Failure> {
    what.ok_or_else(|| Failure::new(exit::USAGE, "whom? see --help"))
}
