//! Owns what operators and the daemon itself ask the hub: taken into a turn, and answered when that turn is
//! kept. Called by the turn. Never waits for whoever asked.

use super::{Control, Health, Hub};
use crate::chat::{NotGranted, Page, Registered, RoomTwin};
use crate::metrics::HubNow;
use tcp_chat_protocol::reply::ActReply;
use tokio::sync::oneshot;
use tracing::warn;

/// An operator's question, answered when its turn is kept.
pub(super) enum Answer {
    Health(oneshot::Sender<Health>),
    Measured(oneshot::Sender<HubNow>),
    Done(oneshot::Sender<()>),
    Acted(oneshot::Sender<Result<ActReply, String>>, Result<ActReply, String>),
    Seen(oneshot::Sender<Page>, Page),
    User(oneshot::Sender<Result<usize, NotGranted>>, Result<usize, NotGranted>),
    Users(oneshot::Sender<Registered>),
    Ruled(oneshot::Sender<Vec<RoomTwin>>, Vec<RoomTwin>),
}

impl Hub {
    pub(super) fn control(&mut self, control: Control) {
        match control {
            Control::Health(answer) => self.answers.push(Answer::Health(answer)),
            Control::Measure(answer) => self.answers.push(Answer::Measured(answer)),
            Control::Shutdown => self.chat.shutdown(),
            Control::Say(msg, answer) => {
                self.chat.say_to_all(&msg);
                self.answers.push(Answer::Done(answer));
            }
            Control::Action(uid, action, answer) => {
                let done = self.chat.operate(uid, &action).map_err(|refusal| refusal.msg.into_owned());
                self.answers.push(Answer::Acted(answer, done));
            }
            Control::Look(at, from, answer) => {
                self.answers.push(Answer::Seen(answer, self.chat.look(at, &from)));
            }
            Control::User(uid, wish, answer) => {
                let done = self.chat.grant(uid, wish);
                self.answers.push(Answer::User(answer, done));
            }
            Control::Users(answer) => self.answers.push(Answer::Users(answer)),
            Control::Rules(rules, answer) => {
                self.chat.set_rules(*rules);
                self.answers.push(Answer::Ruled(answer, self.tell_twins()));
            }
        }
    }

    /// Says which rooms look like a configured one.
    pub(super) fn tell_twins(&self) -> Vec<RoomTwin> {
        let twins = self.chat.room_twins();
        for RoomTwin { room, twin, .. } in &twins {
            warn!(
                event = "room_twin",
                room = room.as_str(),
                twin = twin.as_str(),
                "a room looks like a configured one: users take one for the other"
            );
        }
        twins
    }

    /// Whoever asked and has gone away since is no matter.
    pub(super) fn answer(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let health = Health {
            counts: self.chat.counts(),
            store_failing: self.failing.as_ref().map(|(why, _)| why.clone()),
            history: self.store.history_bytes(),
        };
        for answer in std::mem::take(&mut self.answers) {
            match answer {
                // All of the user, or of the room, goes first.
                Answer::User(to, Ok(touched)) if self.chat.is_removing() => {
                    self.answers.push(Answer::User(to, Ok(touched)));
                }
                Answer::Acted(to, Ok(done)) if self.chat.is_removing() => {
                    self.answers.push(Answer::Acted(to, Ok(done)));
                }
                Answer::Health(to) => drop(to.send(health.clone())),
                Answer::Measured(to) => drop(to.send(self.measure())),
                Answer::Done(to) => drop(to.send(())),
                Answer::Acted(to, done) => {
                    let done = match (done, &self.failing) {
                        (Ok(_), Some((why, _))) => {
                            Err(format!("it is done, but not kept: the store cannot be written ({why})"))
                        }
                        (done, _) => done,
                    };
                    drop(to.send(done));
                }
                Answer::Seen(to, seen) => drop(to.send(seen)),
                Answer::User(to, done) => {
                    let failing = health.store_failing.clone();
                    drop(to.send(failing.map_or(done, |why| Err(NotGranted::NotKept(why)))));
                }
                Answer::Ruled(to, twins) => drop(to.send(twins)),
                Answer::Users(to) => drop(to.send(self.chat.registered_users())),
            }
        }
    }

    /// What is there to be measured, now.
    fn measure(&self) -> HubNow {
        let counts = self.chat.counts();
        let bytes = self.outboxes.values().map(|outbox| outbox.bytes());
        let (all, most) = bytes.fold((0, 0), |(all, most), bytes| (all + bytes, bytes.max(most)));
        HubNow {
            connections: counts.connections,
            sessions: counts.sessions,
            away: counts.away,
            rooms: counts.rooms,
            users: counts.users,
            head: counts.head,
            outbox_bytes: all,
            outbox_bytes_max: most,
            store_failing: self.failing.is_some(),
        }
    }
}
