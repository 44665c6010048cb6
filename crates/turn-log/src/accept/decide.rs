//! Owns the decision whether a record is the next entry. The reader calls it for each record, and applies the entry later. It
//! notes what the author of the record claims. Never changes what was applied.

use super::Reader;
use crate::body::{self, Hello, Raise};
use crate::chain::{Compared, Mark};
use crate::entry::{Generation, Header, Kind, Sealed};
use crate::event::{Entry, Event, Halt};
use crate::feed::Record;
use crate::members::Void;
use crate::standing::Standing;

/// Why a record does not count now.
pub(super) enum Skip {
    Void(Void),
    Halt(Halt),
    /// It was only heard, and its author disagrees.
    Unsure,
}

impl From<Void> for Skip {
    fn from(void: Void) -> Self {
        Self::Void(void)
    }
}

impl From<Halt> for Skip {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl Reader {
    /// Does this record count? `is_heard`: the stream itself did not give it.
    pub(super) fn decide(&mut self, record: &Record, is_heard: bool) -> Result<Entry, Skip> {
        let sealed = Sealed::parse(&record.bytes).map_err(Void::Malformed)?;
        let header = *sealed.header();
        let is_new = header.kind == Kind::Genesis && self.is_later(header.generation);
        let is_present = !self.saved.has_ended && Some(header.generation) == self.saved.generation;
        if !is_new && !is_present {
            return Err(Void::Generation.into());
        }
        let body = self.key.open(&sealed).map_err(Void::Forged)?;
        // Also where the entry does not count: after the log forgot, two nodes can each find the other's epoch closed.
        let compared = self.compare(record.sequence, &header)?;
        if is_heard && matches!(compared, Compared::OtherLog | Compared::OtherState) {
            return Err(Skip::Unsure);
        }
        if compared == Compared::OtherLog {
            self.count_voice(&header, compared)?;
        }
        let members = &self.saved.members;
        let unreadable = Void::Body(header.kind);
        let event = match header.kind {
            Kind::Genesis if is_new => {
                let hello: Hello = body::decode(&body).ok_or(unreadable)?;
                self.check_genesis(&header, &hello)?;
                Event::Genesis(hello)
            }
            Kind::Genesis => return Err(Void::Repeated.into()),
            Kind::NodeUp => {
                let hello = body::decode(&body).ok_or(unreadable)?;
                members.check_start(&header, &hello)?;
                Event::Up(hello)
            }
            Kind::Turn => {
                members.check(&header)?;
                Event::Turn(body)
            }
            Kind::NodeGone => {
                members.check(&header)?;
                let gone = body::decode(&body).ok_or(unreadable)?;
                Event::Gone { gone, closed: members.closes(gone) }
            }
            Kind::Raise => {
                members.check(&header)?;
                let Raise { to } = body::decode(&body).ok_or(unreadable)?;
                let raised = members.can_raise(to);
                if raised && !self.behaviours.contain(to) {
                    return Err(Halt::TooOld(to).into());
                }
                Event::Raise { to, raised }
            }
        };
        if header.kind != Kind::Genesis {
            self.count_voice(&header, compared)?;
        }
        let time = self.saved.time.advance(record.stamp);
        Ok(Entry { sequence: record.sequence, time, header, event, mark: Mark::of(&record.bytes) })
    }

    /// Would this generation replace the present one?
    fn is_later(&self, generation: Generation) -> bool {
        self.saved.generation.is_none_or(|present| generation.number > present.number)
    }

    fn check_genesis(&self, header: &Header, hello: &Hello) -> Result<(), Skip> {
        if !hello.behaviours.contain(header.behaviour) {
            return Err(Void::Unfit(header.behaviour).into());
        }
        if header.claim.digest != self.claim().digest {
            return Err(Halt::OtherBase(header.generation).into());
        }
        if !self.behaviours.contain(header.behaviour) {
            return Err(Halt::TooOld(header.behaviour).into());
        }
        Ok(())
    }

    /// Compares what the proposer had applied with what this node had applied there.
    fn compare(&self, sequence: u64, header: &Header) -> Result<Compared, Halt> {
        if header.kind == Kind::Genesis {
            return Ok(Compared::TooOld);
        }
        // A claim of more than stands before the entry is one of a longer log: nothing is remembered there.
        let compared = self.recent.compare(&header.claim);
        // One doubt for each epoch of the other node: after it was settled, the node is outvoted or in the majority.
        let is_known = self.voices.is_of_another_log(header.node, header.epoch);
        if compared == Compared::OtherLog && !is_known && sequence > self.settled {
            return Err(Halt::Doubt(sequence));
        }
        Ok(compared)
    }

    /// Counts the voice of the proposer.
    fn count_voice(&mut self, header: &Header, compared: Compared) -> Result<(), Halt> {
        self.voices.note(header.node, header.epoch, compared);
        match self.standing() {
            Standing::Agrees | Standing::Suspect => Ok(()),
            Standing::Diverged => Err(Halt::Diverged),
            Standing::OtherLog => Err(Halt::Forgot(self.claim().applied)),
        }
    }
}
