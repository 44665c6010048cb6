//! The stream of the simulated world ([`super::world`]) and the network between it and the nodes. The network loses, doubles
//! and delays parcels, and keeps the order within a connection.

use super::super::*;
use super::world::World;
use crate::order::stream::{Check, Checked};
use std::sync::Arc;
use tcp_chat_turn_log::{LogTime, Record};

/// The random numbers of a run, from its seed.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// What the network carries: an entry to the stream, or a word to a node.
#[derive(Debug, Clone)]
pub(super) enum Parcel {
    Publish(Arc<[u8]>),
    Word(usize, FromStream),
}

impl World {
    /// Someone without the key publishes where the stream does: to these nodes.
    pub(super) fn tell(&mut self, nodes: std::ops::Range<usize>, record: &Record) {
        for node in nodes {
            if let Some(link) = self.nodes[node].link {
                self.nodes[node].waiting.insert(0, FromStream::Heard(link, record.clone()));
            }
        }
    }

    /// A node hears this beat.
    pub(super) fn beat(&mut self, node: usize, bytes: &Arc<[u8]>) {
        self.nodes[node].waiting.push(FromStream::Beat(bytes.clone()));
    }

    pub(super) fn send(&mut self, parcel: Parcel) {
        let copies =
            u64::from(self.dice.below(100) >= self.loss) + u64::from(self.dice.below(100) < self.loss);
        for _ in 0..copies {
            // A connection keeps the order, but what a paused server has taken comes late.
            let arrives = if self.dice.below(100) < self.loss / 2 {
                self.now + Duration::from_millis(self.dice.below(3_000))
            } else {
                self.last = self.last.max(self.now + Duration::from_millis(self.dice.below(15)));
                self.last
            };
            self.sent += 1;
            self.on_the_way.insert((arrives, self.sent), parcel.clone());
        }
    }

    pub(super) fn arrive(&mut self) {
        let later = self.on_the_way.split_off(&(self.now, u64::MAX));
        for parcel in std::mem::replace(&mut self.on_the_way, later).into_values() {
            match parcel {
                Parcel::Publish(bytes) => {
                    let sequence = self.records.len() as u64 + 1;
                    let stamp = LogTime(1_000 + self.ahead + u64::try_from(self.now.as_millis()).unwrap());
                    self.records.push(Record { sequence, stamp, bytes });
                    let record = self.records.last().unwrap().clone();
                    if self.lie > 0 {
                        let stamp = LogTime(stamp.0 + self.lie);
                        self.tell(0..self.nodes.len(), &Record { stamp, ..record.clone() });
                    }
                    for node in 0..self.nodes.len() {
                        if let Some(link) = self.nodes[node].link {
                            self.send(Parcel::Word(node, FromStream::Heard(link, record.clone())));
                        }
                    }
                }
                Parcel::Word(node, word) => self.nodes[node].waiting.push(word),
            }
        }
    }

    pub(super) fn answer(&mut self, node: usize, link: u64, word: ToStream) {
        let last = self.records.len() as u64;
        let record = |sequence: u64| self.records[usize::try_from(sequence).unwrap() - 1].clone();
        match word {
            ToStream::Publish(bytes) => self.send(Parcel::Publish(bytes)),
            ToStream::Read(ask) => {
                let positions = ask.first.max(self.first)..=ask.last.min(last);
                let found: Vec<_> = positions.take(self.answers).map(record).collect();
                for record in found {
                    self.send(Parcel::Word(node, FromStream::Record(link, record)));
                }
                self.send(Parcel::Word(node, FromStream::Answered(link, ask)));
            }
            ToStream::Check(check) => {
                let has = |position: &&u64| (self.first..=last).contains(*position);
                let there = check.positions.iter().filter(has).take(self.told);
                let records = there.map(|position| record(*position)).collect();
                self.asked = self.asked.max(check.positions.len());
                let first = self.first;
                let check = Check { connection: link, ..check };
                self.send(Parcel::Word(node, FromStream::Checked(Checked { check, first, last, records })));
            }
            ToStream::Elsewhere(left) => {
                assert_eq!(left, link);
                let node = &mut self.nodes[node];
                node.leaves.push(self.now);
                node.link = None;
                node.order.take_word(FromStream::Disconnected, self.now);
            }
            ToStream::Beat(bytes) => {
                self.beats.insert(node, bytes.clone());
                let beat = Beat::open(&self.nodes[node].order.key, &bytes).unwrap();
                if beat.answers.is_some() {
                    self.answer = Some(bytes.clone());
                }
                for node in 0..self.nodes.len() {
                    if self.nodes[node].link.is_some() {
                        self.send(Parcel::Word(node, FromStream::Beat(bytes.clone())));
                    }
                }
            }
        }
    }
}
