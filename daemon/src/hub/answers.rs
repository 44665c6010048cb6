//! Owns what operators and the daemon itself ask the hub: taken into a turn, and answered when that turn is
//! kept, or after a while if it cannot be kept. Called by the turn. Never waits for whoever asked.

use super::{Control, Health, Hub};
use crate::metrics::HubNow;
use std::time::Duration;
use tcp_chat_protocol::Refusal;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_state::{Done, Intent, RoomTwin, UserCommandError};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

/// How long an operator waits for a turn that cannot be kept. Shorter than the control socket waits for the hub.
pub(super) const KEPT_TIMEOUT: Duration = Duration::from_secs(5);

/// When an answer is sent, at the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// When its turn is over.
    Turn,
    /// When its turn is kept, and the removal of a user or a room is complete. If it is not kept until then: at that
    /// moment.
    Kept(Instant),
}

impl After {
    /// What was refused has nothing to wait for.
    fn done<T, E>(done: &Result<T, E>) -> Self {
        if done.is_ok() { Self::Kept(Instant::now() + KEPT_TIMEOUT) } else { Self::Turn }
    }
}

/// Sends an answer, with the reason why its turn is not kept yet, if it is not. A receiver that is gone does not matter.
type Sending = Box<dyn FnOnce(&Hub, Option<&str>) + Send>;

/// An answer to an operator or to the daemon itself that waits.
pub(super) struct Answer {
    after: After,
    /// Its turn is kept: one that fails later does not matter.
    is_kept: bool,
    send: Sending,
}

#[cfg(test)]
impl Answer {
    /// It has waited for long enough.
    pub(super) fn is_due_now(&mut self) {
        if let After::Kept(until) = &mut self.after {
            *until = Instant::now();
        }
    }
}

/// Where the answer to an operator goes.
pub(super) enum OperatorReply {
    Action(oneshot::Sender<Result<ActReply, String>>),
    User(oneshot::Sender<Result<usize, UserCommandError>>),
}

impl Hub {
    pub(super) fn control(&mut self, control: Control) {
        match control {
            Control::Health(to) => self.reply(After::Turn, to, |hub, _| hub.health()),
            Control::Measure(to) => self.reply(After::Turn, to, |hub, _| hub.measure()),
            Control::Shutdown => self.edge.shutdown(),
            Control::Say(msg, to) => {
                self.edge.say_to_all(&msg);
                self.reply(After::Turn, to, |_, _| ());
            }
            Control::Action(uid, action, to) => match self.edge.takes_action(&action) {
                Err(refusal) => {
                    let done = Err(refusal.msg.into_owned());
                    self.reply(After::Turn, to, |_, _| done);
                }
                Ok(()) => {
                    let past = self.past_of_action(&action);
                    self.operate(Intent::Operate(uid, action, past), OperatorReply::Action(to));
                }
            },
            Control::Listing(at, from, to) => {
                self.reply(After::Turn, to, move |hub, _| hub.chat.list(at, &from, &hub.edge));
            }
            Control::User(uid, wish, to) => match self.edge.takes_wish() {
                Err(why) => self.reply(After::Turn, to, |_, _| Err(why)),
                Ok(()) => self.operate(Intent::Grant(uid, wish), OperatorReply::User(to)),
            },
            Control::Users(to) => self.reply(After::Turn, to, |hub, _| hub.chat.registered_users()),
            Control::Rules(rules, to) => {
                self.edge.propose(Intent::Policy(rules));
                self.reply(After::Turn, to, |hub, _| hub.tell_twins());
            }
        }
    }

    /// Proposes what an operator wants. The answer comes when it was applied.
    fn operate(&mut self, intent: Intent, reply: OperatorReply) {
        let at = self.edge.propose(intent);
        self.operators.push_back((at, reply));
    }

    /// What an operator wanted was applied.
    pub(super) fn reply_to_operator(&mut self, reply: OperatorReply, result: Result<Done, Refusal>) {
        match (reply, result) {
            (OperatorReply::Action(to), result) => {
                let done = match result {
                    Ok(Done::Acted(reply)) => Ok(*reply),
                    Ok(_) => return,
                    Err(refusal) => Err(refusal.msg.into_owned()),
                };
                self.reply(After::done(&done), to, |_, not_kept| match not_kept {
                    Some(why) => {
                        done.and_then(|_| Err(UserCommandError::NotKeptYet(why.to_owned()).to_string()))
                    }
                    None => done,
                });
            }
            (OperatorReply::User(to), Ok(Done::Granted(done))) => {
                let done = *done;
                self.reply(After::done(&done), to, |_, not_kept| match not_kept {
                    Some(why) => done.and_then(|_| Err(UserCommandError::NotKeptYet(why.to_owned()))),
                    None => done,
                });
            }
            // The receiver is told that the hub gave no answer.
            (OperatorReply::User(_), _) => {}
        }
    }

    /// Sends `to` what `answer` says, when it is time.
    fn reply<T: Send + 'static>(
        &mut self,
        after: After,
        to: oneshot::Sender<T>,
        answer: impl FnOnce(&Self, Option<&str>) -> T + Send + 'static,
    ) {
        let send = Box::new(move |hub: &Self, not_kept: Option<&str>| drop(to.send(answer(hub, not_kept))));
        self.answers.push(Answer { after, is_kept: false, send });
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

    /// Sends the answers of turns that are over. An answer that depends on a removal waits for its end, and one whose turn
    /// is held waits for that, but not too long.
    pub(super) fn answer(&mut self) {
        for mut answer in std::mem::take(&mut self.answers) {
            let why = self.failing.as_ref().filter(|_| !answer.is_kept).map(|(why, _)| why.clone());
            answer.is_kept = why.is_none();
            let waits = match answer.after {
                After::Turn => false,
                After::Kept(_) if answer.is_kept => self.chat.is_removing(),
                After::Kept(until) => Instant::now() < until,
            };
            if waits {
                self.answers.push(answer);
            } else {
                (answer.send)(self, why.as_deref());
            }
        }
    }

    /// When an answer is due although its turn is not kept.
    pub(super) fn next_answer(&self) -> Option<Instant> {
        let due = |answer: &Answer| match answer.after {
            After::Kept(until) if !answer.is_kept => Some(until),
            _ => None,
        };
        self.answers.iter().filter_map(due).min()
    }

    fn health(&self) -> Health {
        Health {
            connections: self.edge.connection_count(),
            counts: self.chat.counts(),
            store_failing: self.failing.as_ref().map(|(why, _)| why.clone()),
            history: self.store.history_bytes(),
        }
    }

    /// What is there to be measured, now.
    fn measure(&self) -> HubNow {
        let counts = self.chat.counts();
        let bytes = self.outboxes.values().map(|outbox| outbox.bytes());
        let (all, most) = bytes.fold((0, 0), |(all, most), bytes| (all + bytes, bytes.max(most)));
        HubNow {
            connections: self.edge.connection_count(),
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
