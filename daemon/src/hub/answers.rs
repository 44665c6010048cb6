//! Owns the commands of operators and of the daemon itself: a turn takes them, and they are answered once that turn is
//! kept, or after a time limit if it cannot be kept. Called by the turn. Never waits for the caller.

use super::encoded::most_bytes_of_operator;
use super::inbox::POLICY_BYTES;
use super::{Control, Health, Hub, PolicyRefused};
use crate::metrics::{ClusterNow, HubNow};
use crate::order::{Order, Readiness};
use std::time::Duration;
use tcp_chat_protocol::Refusal;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_state::{Done, Intent, RoomTwin, Rules, UserCommand, UserCommandError};
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
    /// The same for an erasure with this number, which may take minutes.
    Erased(i64, Instant),
}

impl After {
    /// A refused command has nothing to wait for.
    fn done<T, E>(done: &Result<T, E>) -> Self {
        if done.is_ok() { Self::Kept(Instant::now() + KEPT_TIMEOUT) } else { Self::Turn }
    }

    /// The end of an erasure that has begun.
    fn erased<E>(done: &Result<usize, E>) -> Self {
        let number = done.as_ref().ok().and_then(|number| i64::try_from(*number).ok());
        number.map_or(Self::Turn, |number| Self::Erased(number, Instant::now() + KEPT_TIMEOUT))
    }
}

/// Sends an answer, with the reason why its turn is not kept yet, if so. A closed receiver is ignored.
type Sending = Box<dyn FnOnce(&Hub, Option<&str>) + Send>;

/// A waiting answer to an operator or to the daemon itself.
pub(super) struct Answer {
    after: After,
    /// Its turn is kept: one that fails later does not matter.
    is_kept: bool,
    send: Sending,
}

#[cfg(test)]
impl Answer {
    /// It has waited for the time limit.
    pub(super) fn make_due(&mut self) {
        if let After::Kept(until) = &mut self.after {
            *until = Instant::now();
        }
    }
}

/// The receiver of the answer to an operator.
pub(super) enum OperatorReply {
    Action(oneshot::Sender<Result<ActReply, String>>),
    Said(oneshot::Sender<Result<(), String>>),
    User(oneshot::Sender<Result<usize, UserCommandError>>),
    Erasure(oneshot::Sender<Result<usize, UserCommandError>>),
    Rules(oneshot::Sender<Result<Vec<RoomTwin>, PolicyRefused>>),
}

impl Hub {
    pub(super) fn control(&mut self, control: Control) {
        match control {
            Control::Health(to) => self.reply(After::Turn, to, |hub, _| hub.health()),
            Control::Measure(to) => self.reply(After::Turn, to, |hub, _| hub.measure()),
            Control::Shutdown => self.edge.shutdown(&self.state),
            Control::Say(msg, to) if self.order.is_log() => match self.edge.check_user_command() {
                Err(why) => self.reply(After::Turn, to, move |_, _| Err(why.to_string())),
                Ok(()) => self.operate(Intent::Notice(msg.into()), OperatorReply::Said(to)),
            },
            Control::Say(msg, to) => {
                self.edge.say_to_all(&self.state, &msg);
                self.reply(After::Turn, to, |_, _| Ok(()));
            }
            Control::Action(uid, action, to) => match self.edge.check_action(&action) {
                Err(refusal) => {
                    let done = Err(refusal.msg.into_owned());
                    self.reply(After::Turn, to, |_, _| done);
                }
                Ok(()) => {
                    let past = self.past_of_action(&action);
                    self.operate(Intent::OperatorAction(uid, action, past), OperatorReply::Action(to));
                }
            },
            Control::Listing(at, from, to) => {
                self.reply(After::Turn, to, move |hub, _| hub.state.list(at, &from, &hub.edge));
            }
            Control::User(uid, wish, to) => match self.edge.check_user_command() {
                Err(why) => self.reply(After::Turn, to, |_, _| Err(why)),
                Ok(()) => {
                    let reply = match wish {
                        UserCommand::Erase(..) => OperatorReply::Erasure(to),
                        _ => OperatorReply::User(to),
                    };
                    self.operate(Intent::ChangeUser(uid, wish), reply);
                }
            },
            Control::Erased(id, to) => {
                self.reply(After::Turn, to, move |hub, _| hub.store.erased_messages(id))
            }
            Control::Users(to) => self.reply(After::Turn, to, |hub, _| hub.state.registered_users()),
            Control::CheckRules(rules, to) => {
                let checked = self.check_rules(&rules);
                self.reply(After::Turn, to, move |_, _| checked);
            }
            Control::Rules(rules, to) => match self.check_rules(&rules) {
                Err(why) => self.reply(After::Turn, to, move |_, _| Err(why)),
                Ok(()) => {
                    self.set_own_policy((*rules).clone());
                    self.operate(Intent::Policy(rules), OperatorReply::Rules(to));
                }
            },
        }
    }

    /// May this policy be proposed now? Without a log always: it counts at once, and a store that fails gets it later.
    fn check_rules(&self, rules: &Rules) -> Result<(), PolicyRefused> {
        if !self.order.is_log() {
            return Ok(());
        }
        let bytes = most_bytes_of_operator(Some(rules));
        if bytes > POLICY_BYTES {
            return Err(PolicyRefused::TooLong(bytes));
        }
        match self.readiness(self.began.elapsed()) {
            _ if self.failing.is_some() => Err(PolicyRefused::StoreFails),
            Readiness::Unavailable => Err(PolicyRefused::Unavailable),
            Readiness::Ready | Readiness::Busy => Ok(()),
        }
    }

    /// Proposes an operator's command. The answer comes after it was applied.
    fn operate(&mut self, intent: Intent, reply: OperatorReply) {
        let at = self.edge.propose(intent);
        self.operators.push_back((at, reply));
    }

    /// An operator's command was never ordered, and never will be.
    pub(super) fn refuse_operator(&mut self, reply: OperatorReply) {
        match reply {
            OperatorReply::Action(to) => {
                let why = UserCommandError::Unavailable.to_string();
                self.reply(After::Turn, to, |_, _| Err(why));
            }
            OperatorReply::Said(to) => {
                let why = UserCommandError::Unavailable.to_string();
                self.reply(After::Turn, to, |_, _| Err(why));
            }
            OperatorReply::User(to) | OperatorReply::Erasure(to) => {
                self.reply(After::Turn, to, |_, _| Err(UserCommandError::Unavailable));
            }
            OperatorReply::Rules(to) => self.reply(After::Turn, to, |_, _| Err(PolicyRefused::Unavailable)),
        }
    }

    /// An operator's command was applied.
    pub(super) fn reply_to_operator(&mut self, reply: OperatorReply, result: Result<Done, Box<Refusal>>) {
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
            (OperatorReply::User(to), Ok(Done::UserChanged(done))) => {
                let done = *done;
                self.reply_to_user_command(After::done(&done), to, done);
            }
            (OperatorReply::Erasure(to), Ok(Done::UserChanged(done))) => {
                let done = *done;
                self.reply_to_user_command(After::erased(&done), to, done);
            }
            (OperatorReply::Said(to), _) => self.reply(After::Turn, to, |_, _| Ok(())),
            (OperatorReply::Rules(to), _) => self.reply(After::Turn, to, |hub, _| Ok(hub.tell_twins())),
            // The receiver is told that the hub gave no answer.
            (OperatorReply::User(_) | OperatorReply::Erasure(_), _) => {}
        }
    }

    fn reply_to_user_command(
        &mut self,
        after: After,
        to: oneshot::Sender<Result<usize, UserCommandError>>,
        done: Result<usize, UserCommandError>,
    ) {
        self.reply(after, to, |_, not_kept| match not_kept {
            Some(why) => done.and_then(|_| Err(UserCommandError::NotKeptYet(why.to_owned()))),
            None => done,
        });
    }

    /// Sends `to` the result of `answer`, at its time.
    fn reply<T: Send + 'static>(
        &mut self,
        after: After,
        to: oneshot::Sender<T>,
        answer: impl FnOnce(&Self, Option<&str>) -> T + Send + 'static,
    ) {
        let send = Box::new(move |hub: &Self, not_kept: Option<&str>| drop(to.send(answer(hub, not_kept))));
        self.answers.push(Answer { after, is_kept: false, send });
    }

    /// Logs which rooms look like a configured one.
    pub(super) fn tell_twins(&self) -> Vec<RoomTwin> {
        let twins = self.state.room_twins();
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

    /// Sends the answers of ended turns. An answer that depends on a removal waits for its end. An answer of a held
    /// turn waits for the store, up to a time limit.
    pub(super) fn answer(&mut self) {
        for mut answer in std::mem::take(&mut self.answers) {
            let why = self.failing.as_ref().filter(|_| !answer.is_kept).map(|(why, _)| why.clone());
            answer.is_kept = why.is_none();
            let waits = match answer.after {
                After::Turn => false,
                After::Kept(_) if answer.is_kept => self.state.is_removing(),
                After::Erased(id, _) if answer.is_kept => self.state.is_erasing(id),
                After::Kept(until) | After::Erased(_, until) => Instant::now() < until,
            };
            if waits {
                self.answers.push(answer);
            } else {
                (answer.send)(self, why.as_deref());
            }
        }
    }

    /// The moment when an answer is due although its turn is not kept.
    pub(super) fn next_answer(&self) -> Option<Instant> {
        let due = |answer: &Answer| match answer.after {
            After::Kept(until) | After::Erased(_, until) if !answer.is_kept => Some(until),
            _ => None,
        };
        self.answers.iter().filter_map(due).min()
    }

    pub(super) fn health(&self) -> Health {
        Health {
            connections: self.edge.connection_count(),
            counts: self.state.counts(),
            store_failing: self.failing.as_ref().map(|(why, _)| why.clone()),
            history: self.store.history_bytes(),
            erasing_left: self.state.erasing_left(),
            order: self.order.report(self.began.elapsed()),
        }
    }

    /// The present values of the gauges.
    fn measure(&self) -> HubNow {
        let counts = self.state.counts();
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
            cluster: self.order.report(self.began.elapsed()).map(|report| ClusterNow {
                state: report.state as u8,
                members: report.members.len(),
                in_flight: report.in_flight,
                applied: report.applied,
                end: report.end,
                is_ready: report.why_not_ready().is_none(),
            }),
        }
    }
}
