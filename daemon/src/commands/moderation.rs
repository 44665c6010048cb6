//! Owns the commands that take moderation actions or list data in a running daemon: each is one request of the
//! control socket. Called by `commands`. Never decides whether an action is permitted.

use super::args::{Access, Command, Room};
use super::{Failure, control, exit};
use crate::admin::{ActionRequest, AdminRequest, Ban, Grant, List, Mute, Unban};
use std::path::Path;
use tcp_chat_protocol::Banned;

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
            let (json, asked) = action(other)?;
            // The daemon would refuse with the same sentence and exit code.
            let action = asked.action().map_err(|why| Failure::new(exit::INTERNAL, why));
            action.and_then(|_| control::send_and_print(socket, &AdminRequest::Action(asked), json))
        }
    })
}

/// Whether the reply of an action is printed as JSON, and the action.
fn action(command: Command) -> Option<(bool, ActionRequest)> {
    Some(match command {
        Command::Kick(kick) => (kick.json, ActionRequest::Kick(kick)),
        Command::Mute(mute) => (mute.json, ActionRequest::Mute(mute)),
        Command::Unmute(unmute) => (unmute.json, ActionRequest::Unmute(unmute)),
        Command::Ban(ban) => (ban.json, ActionRequest::Ban(Ban { whom: ban.whom.map(with_kind), ..ban })),
        Command::Unban(unban) => {
            (unban.json, ActionRequest::Unban(Unban { whom: with_kind(unban.whom), ..unban }))
        }
        Command::Room(Room::Set { room, access, json }) => {
            let private = Some(access == Access::Private);
            (json, ActionRequest::Room { room, private, topic: None })
        }
        Command::Room(Room::Topic { room, text, json }) => {
            (json, ActionRequest::Room { room, private: None, topic: Some(text.join(" ")) })
        }
        Command::Room(Room::Remove { room, json }) => (json, ActionRequest::RemoveRoom { room }),
        Command::Redact(redact) => (redact.json, ActionRequest::Redact(redact)),
        Command::Grant(grant) => (grant.json, ActionRequest::Grant(grant)),
        _ => return None,
    })
}

/// The target of a ban with its kind, such as `address:192.0.2.0/24`. The daemon explains a text that is none.
fn with_kind(whom: String) -> String {
    whom.parse::<Banned>().map_or(whom, |banned| banned.to_string())
}
