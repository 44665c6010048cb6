//! Owns which conversations have messages, so that retention finds the emptied ones without a scan of all. Called by
//! the turn, by retention and by a start. Never decides what happens to an emptied one.

use super::Conversations;
use crate::ConversationId;
use tcp_chat_protocol::Seq;

impl Conversations {
    /// The conversation has messages from now on: it had none before, or retention has removed all of them.
    pub(crate) fn note_messages(&mut self, id: ConversationId, head: Seq) {
        let Some(conversation) = self.all.get_mut(&id) else { return };
        let before = std::mem::replace(&mut conversation.kept_from, head);
        self.kept.remove(&(before, id));
        self.kept.insert((head, id));
    }

    /// Removes and returns the conversations that have no message at `oldest` or above, in the order of their ids. It
    /// looks at no more conversations than chunks are removed.
    pub(crate) fn take_emptied(&mut self, oldest: Seq) -> Vec<ConversationId> {
        let mut emptied = Vec::new();
        while let Some((from, id)) = self.kept.pop_first() {
            if from >= oldest {
                self.kept.insert((from, id));
                break;
            }
            let Some(conversation) = self.all.get_mut(&id) else { continue };
            if conversation.head >= oldest {
                conversation.kept_from = conversation.head;
                self.kept.insert((conversation.head, id));
            } else {
                conversation.kept_from = 0;
                emptied.push(id);
            }
        }
        emptied.sort_unstable();
        emptied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserId;

    #[test]
    fn a_conversation_that_retention_empties_is_found_once() {
        let mut all = Conversations::default();
        let ids: Vec<_> = (1..=4).map(|n| all.open_direct(UserId(n), UserId(9))).collect();
        let says = |all: &mut Conversations, at: usize, seq, oldest: Seq| {
            let before = all.get(ids[at]).unwrap().head;
            all.set_head(ids[at], seq);
            if before < oldest.max(1) {
                all.note_messages(ids[at], seq);
            }
        };
        for (at, seq) in [(0, 1), (2, 2), (1, 3), (0, 4)] {
            says(&mut all, at, seq, 0);
        }
        assert_eq!(all.take_emptied(2), [], "the first one has said more since");
        assert_eq!(all.take_emptied(4), [ids[1], ids[2]]);
        assert_eq!(all.take_emptied(4), []);
        says(&mut all, 2, 5, 4);
        assert_eq!(all.take_emptied(5), [ids[0]]);
        says(&mut all, 3, 6, 5);
        says(&mut all, 3, 7, 5);
        assert_eq!(all.take_emptied(7), [ids[2]]);
        assert_eq!(all.take_emptied(8), [ids[3]]);
        assert!(all.kept.is_empty());
    }
}
