//! Owns the queue of held turns: it adds, merges and removes turns, and counts their memory. Called by the parent
//! module alone. Never writes to the store.

use super::{Effect, HeldTurn, Hold, Read, TOGETHER_BYTES};
use tcp_chat_protocol::RequestId;
use tcp_chat_state::{ConnectionId, Range, SessionChange, SessionRow, Writes};

impl Hold {
    /// Removes the oldest turn: it is kept.
    pub(super) fn take_oldest(&mut self) -> Option<HeldTurn> {
        let turn = self.turns.pop_front()?;
        let (number, next) = (self.first, self.first + 1);
        self.first = next;
        self.rows.retain(|_, of| *of != number);
        self.weight -= turn.weight;
        self.effects -= turn.effects.len();
        self.told -= turn.effects.iter().map(bytes_of).sum::<usize>();
        turn.effects.iter().filter_map(resent).for_each(|resent| {
            self.resent.remove(&resent);
        });
        let next = self.turns.iter().find_map(|turn| turn.chunks.first());
        self.kept = next.map(|(_, first)| first.saturating_sub(1));
        Some(turn)
    }

    pub(super) fn add(&mut self, mut writes: Writes, effects: Vec<Effect>) {
        self.replace_rows(&mut writes.sessions);
        let weight = writes.weight();
        let fits = |last: &&mut HeldTurn| {
            let is_short = last.weight + weight <= TOGETHER_BYTES || writes.is_empty();
            is_short && !last.writes.stand_alone() && !writes.stand_alone()
        };
        let last = match self.turns.back_mut().filter(fits) {
            Some(last) => last,
            None => {
                self.turns.push_back(HeldTurn::default());
                let Some(last) = self.turns.back_mut() else { return };
                last
            }
        };
        self.weight += weight;
        self.effects += effects.len();
        self.told += effects.iter().map(bytes_of).sum::<usize>();
        self.resent.extend(effects.iter().filter_map(resent));
        last.weight += weight;
        let before = last.chunks.len();
        last.chunks.extend(writes.chunks.iter().map(|chunk| (chunk.conversation, chunk.first)));
        last.effects.extend(effects.into_iter().map(|effect| effect.behind(before)));
        let puts = |change: &SessionChange| match change {
            SessionChange::Put(row) => Some(row.id),
            _ => None,
        };
        let put: Vec<_> = writes.sessions.iter().filter_map(puts).collect();
        last.writes.append(writes);
        let number = self.first + self.turns.len() as u64 - 1;
        self.rows.extend(put.into_iter().map(|session| (session, number)));
    }

    /// Replaces a held row of a session by its newer one, so that a session that logs in and quits is held once. Only
    /// the connection and the colour of the row change, and no held write depends on these.
    fn replace_rows(&mut self, changes: &mut Vec<SessionChange>) {
        changes.retain(|change| match change {
            SessionChange::Put(row) => !self.replace_row(row),
            SessionChange::End(session) => {
                self.rows.remove(session);
                true
            }
            _ => true,
        });
    }

    /// False: no row of the session is held.
    fn replace_row(&mut self, row: &SessionRow) -> bool {
        let at = self.rows.get(&row.id).and_then(|number| number.checked_sub(self.first));
        let turn = at.and_then(|at| self.turns.get_mut(usize::try_from(at).ok()?));
        let mut rows = turn.into_iter().flat_map(|turn| turn.writes.sessions.iter_mut().rev());
        let held = rows.find_map(|change| match change {
            SessionChange::Put(held) if held.id == row.id => Some(held),
            _ => None,
        });
        held.map(|held| held.clone_from(row)).is_some()
    }
}

/// The resend, if the effect is the answer to one.
pub(super) fn resent(effect: &Effect) -> Option<(ConnectionId, RequestId)> {
    match effect {
        Effect::Read(to, Read::Again(resent)) => Some((*to, resent.id.clone())),
        _ => None,
    }
}

/// The memory of a waiting effect, in bytes, about.
pub(super) fn bytes_of(effect: &Effect) -> usize {
    /// Any id.
    const EFFECT: usize = 128;
    EFFECT
        + match effect {
            Effect::IfKept(_, _, line) => line.len(),
            Effect::Read(_, Read::Again(resent)) => resent.json.len(),
            Effect::Read(_, Read::Gap(_, ranges)) => ranges.len() * size_of::<Range>(),
            Effect::Chunk { own, .. } => own.len() * 64,
            Effect::Told { line, .. } => line.len(),
            _ => 0,
        }
}
