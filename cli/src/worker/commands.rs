//! Owns the `/commands` of line mode, and how they show members and rooms. The worker calls it for each line. Never reads the
//! input.

use super::{Next, Worker};
use crate::exit::{Exit, Failure};
use crate::neutralise::line as clean;
use crate::style::{Style, count};
use crate::suggest::nearest;
use tcp_chat_client::protocol::Name;
use tcp_chat_client::protocol::reply::{Member, MemberState};
use tcp_chat_client::protocol::request::{self, Place, Redact, check_topic};
use tcp_chat_client::{Action, Error};

/// The commands with their arguments and meaning; `/help` and the man page show them.
pub const COMMANDS: [(&str, &str, &str); 10] = [
    ("join", "ROOM", "enter a room, and write to it from now on"),
    ("leave", "[ROOM]", "leave a room"),
    ("room", "ROOM", "write to another room that you are in"),
    ("msg", "USER TEXT", "send a direct message to a user"),
    ("who", "[ROOM|*]", "the members of the room; * is everyone"),
    ("rooms", "", "the rooms of the server"),
    ("topic", "TEXT|-", "set what the room is for; - removes it"),
    ("redact", "SEQ [WHY]", "remove the text of a message of the room"),
    ("help", "", "this help"),
    ("quit", "", "quit, like the end of the input"),
];

impl Worker {
    /// Executes a line: a command, or a message.
    pub(super) async fn line(&mut self, line: &str) -> Result<Next, Error> {
        let Some(command) = line.strip_prefix('/') else {
            self.send(None, line).await;
            return Ok(Next::Line);
        };
        if command.starts_with('/') {
            self.send(None, command).await;
            return Ok(Next::Line);
        }
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        if matches!(word, "join" | "room" | "leave") {
            // Until it is done.
            self.misses_room = self.at;
        }
        match (word, rest) {
            ("quit", _) => return Ok(Next::Quit),
            ("help", _) => {
                for (name, args, does) in COMMANDS {
                    self.tell(format!("{:<17}{does}", format!("/{name} {args}"))).await;
                }
                self.tell(format!("{:<17}a message that begins with a slash", "//TEXT")).await;
            }
            ("join", room) if !room.is_empty() => {
                let joined = self.session.join(room).await?;
                let count = joined.member_count;
                self.tell(format!("* you are in #{}; {count} members", clean(&joined.room))).await;
                self.room = Some(joined.room);
                self.misses_room = None;
            }
            ("room", room) if !room.is_empty() => {
                let rooms = self.session.login().rooms;
                match rooms.into_iter().find(|r| r == room) {
                    Some(room) => {
                        self.tell(format!("* you speak to #{}", clean(&room))).await;
                        self.room = Some(room);
                        self.misses_room = None;
                    }
                    None => {
                        let text = format!("you are not in #{}: /join it first", clean(room));
                        self.fail(Failure::new(Exit::Refused, text)).await;
                    }
                }
            }
            ("leave", room) => {
                let room = if room.is_empty() { self.room.clone() } else { Some(room.to_owned()) };
                let Some(room) = room else {
                    self.fail(Failure::new(Exit::Refused, "you are in no room")).await;
                    return Ok(Next::Line);
                };
                let left = self.session.leave(&room).await?;
                self.tell(format!("* you have left #{}", clean(&left.room))).await;
                self.room = self.session.login().rooms.first().cloned();
                self.misses_room = None;
            }
            ("msg", rest) => match rest.split_once(char::is_whitespace) {
                Some((user, text)) if !text.trim().is_empty() => {
                    self.send(Some(user), text.trim_start()).await
                }
                _ => self.fail(Failure::usage("/msg USER TEXT")).await,
            },
            ("who", room) => {
                let room = match room {
                    "" => self.room.clone(),
                    "*" => None,
                    room => Some(room.to_owned()),
                };
                let who = self.session.who(room.as_deref()).await?;
                for member in &who.members {
                    self.answer(member_line(&self.style, member)).await;
                }
                let more = who.member_count.saturating_sub(who.members.len());
                if more > 0 {
                    self.tell(format!("* and {more} more")).await;
                }
            }
            ("rooms", _) => {
                for room in self.session.rooms().await? {
                    self.answer(room_line(&room)).await;
                }
            }
            ("topic" | "redact", rest) if !rest.is_empty() => self.act(word, rest).await?,
            ("topic", _) => self.fail(Failure::usage("/topic TEXT|-")).await,
            ("redact", _) => self.fail(Failure::usage("/redact SEQ [WHY]")).await,
            ("join" | "room", _) => self.fail(Failure::usage(format!("/{word} ROOM"))).await,
            _ => {
                let how = match nearest(word, COMMANDS.iter().map(|(name, ..)| *name)) {
                    Some(meant) => format!("did you mean /{meant}?"),
                    None => "/help lists what there is".to_owned(),
                };
                self.fail(Failure::usage(format!("there is no /{}: {how}", clean(word)))).await;
            }
        }
        Ok(Next::Line)
    }

    /// Sets the topic of the current room, or removes the text of one of its messages.
    async fn act(&mut self, word: &str, rest: &str) -> Result<(), Error> {
        let Some(room) = self.room.as_deref().and_then(|room| Name::parse_kept(room).ok()) else {
            self.fail(Failure::new(Exit::Refused, "you are in no room")).await;
            return Ok(());
        };
        let room = Place(Some(room));
        let action = if word == "topic" {
            let topic = if rest == "-" { String::new() } else { rest.to_owned() };
            if let Err(why) = check_topic(&topic) {
                self.fail(Failure::usage(why)).await;
                return Ok(());
            }
            Action::Topic { room, topic }
        } else {
            let (seq, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let Ok(seq) = seq.parse() else {
                self.fail(Failure::usage(
                    "/redact SEQ [WHY]: `history --json` shows the seq of each message",
                ))
                .await;
                return Ok(());
            };
            let reason = reason.trim_start().to_owned();
            Action::Redact(Redact { of: request::Conversation::Room(room), seq, reason })
        };
        self.session.act(&action).await?;
        let done = match action {
            Action::Redact(redact) => format!("* the text of message {} is removed for all", redact.seq),
            _ => "* the topic is set".to_owned(),
        };
        self.tell(done).await;
        Ok(())
    }
}

/// A member as a line: `ana here`, `ana here, owner`.
#[must_use]
pub fn member_line(style: &Style, member: &Member) -> String {
    let state = match member.state {
        MemberState::Here => "here",
        MemberState::Away => "away",
        MemberState::Other => "unknown",
    };
    let role = member.role.map_or(String::new(), |role| format!(", {role}"));
    format!("{} {state}{role}", style.name(&member.user, &member.color))
}

/// A room as a line: `lobby 3 members, newest message 17: On call: bo`.
#[must_use]
pub fn room_line(room: &tcp_chat_client::protocol::reply::RoomInfo) -> String {
    let newest = match room.head {
        0 => "no messages".to_owned(),
        head => format!("newest message {head}"),
    };
    let topic = room.topic.as_ref().map_or(String::new(), |topic| format!(": {}", clean(topic)));
    format!("{} {}, {newest}{topic}", clean(&room.room), count(room.members, "member"))
}
