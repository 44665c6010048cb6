//! Owns the beats: the messages that each node sends to the others all the time, so that they notice its silence. The order makes
//! and reads them. Never decides which node is gone, and never enters the log.
//!
//! A beat is sealed as an entry of generation 0. A log never has this generation, so a beat that is published to the stream is
//! void on every node. A program without the key can only repeat beats. The number shows the repetition of a single one. A process that
//! asks whether another one has its name counts only the answer to its own question, which nobody can have recorded before. A
//! version drops a beat of a form that it does not know, as if the node were silent: a new form needs a new behaviour.

use std::sync::Arc;
use tcp_chat_turn_log::{Claim, Generation, Header, Key, Kind, NodeId, Sealed};

/// Tells two processes with the name of one node apart: random bits, drawn at the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u128);

/// A node that lives, or wants to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beat {
    /// The node.
    pub(super) node: NodeId,
    /// Its process.
    pub(super) process: Process,
    /// The tag of the generation that it has read.
    pub(super) generation: u64,
    /// Its living epoch. `None`: it wants to start, and asks whether another process has its name.
    pub(super) epoch: Option<u64>,
    /// The policy of its configuration differs from that of the log. Only a living node says so.
    pub(super) differs: bool,
    /// The process whose question this beat answers.
    pub(super) answers: Option<Process>,
    /// Ascends with each beat of a process, from 1.
    pub(super) number: u64,
}

impl Beat {
    /// The bytes to send. `None`: the cipher failed, and the next beat may succeed.
    pub(super) fn seal(&self, key: &Key) -> Option<Arc<[u8]>> {
        let header = Header {
            kind: Kind::Turn,
            behaviour: 0,
            generation: Generation { number: 0, tag: self.generation },
            node: self.node,
            epoch: self.epoch.unwrap_or(1),
            n: self.number,
            claim: Claim::default(),
        };
        let mut body = self.process.0.to_be_bytes().to_vec();
        body.push(match (self.epoch, self.differs) {
            (None, _) => 0,
            (Some(_), false) => 1,
            (Some(_), true) => 2,
        });
        body.extend(self.answers.map(|process| process.0.to_be_bytes()).iter().flatten());
        key.seal(&header, &body).ok().map(Into::into)
    }

    /// Reads the bytes of [`Self::seal`]. `None`: no holder of the key made them, or they are no beat.
    pub(super) fn open(key: &Key, bytes: &[u8]) -> Option<Self> {
        let sealed = Sealed::parse(bytes).ok()?;
        let header = *sealed.header();
        if header.kind != Kind::Turn || header.generation.number != 0 {
            return None;
        }
        let body = key.open(&sealed).ok()?;
        let (process, rest) = body.split_first_chunk()?;
        let (lives, rest) = rest.split_first()?;
        let (epoch, differs) = match lives {
            0 => (None, false),
            1 => (Some(header.epoch), false),
            2 => (Some(header.epoch), true),
            _ => return None,
        };
        let answers = match rest {
            [] => None,
            asker => Some(Process(u128::from_be_bytes(asker.try_into().ok()?))),
        };
        let (process, generation) = (Process(u128::from_be_bytes(*process)), header.generation.tag);
        Some(Self { node: header.node, process, generation, epoch, differs, answers, number: header.n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_turn_log::KEY_BYTES;

    #[test]
    fn a_beat_is_read_only_with_the_key() {
        let (key, other) = (Key::new(&[1; KEY_BYTES]).unwrap(), Key::new(&[2; KEY_BYTES]).unwrap());
        for (epoch, differs, answers) in [
            (None, false, None),
            (Some(7), false, None),
            (Some(7), true, None),
            (Some(7), true, Some(Process(8))),
        ] {
            let (node, process) = (NodeId(3), Process(9));
            let beat = Beat { node, process, generation: 4, epoch, differs, answers, number: 2 };
            let bytes = beat.seal(&key).unwrap();
            assert_eq!(Beat::open(&key, &bytes), Some(beat));
            assert_eq!(Beat::open(&other, &bytes), None);
        }
    }
}
