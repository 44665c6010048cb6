//! Owns what the model of the store gives back: the snapshot of a start, the messages that a proposer looks for, the steps of
//! an erasure, and the lines of a gap. The tests of the edge call it. Never changes the model.

use super::Disk;
use tcp_chat_protocol::event::{data_of, seq_of, write_with_id};
use tcp_chat_protocol::{MsgEvent, Name, RequestId, Seq};
use tcp_chat_state::*;

impl Disk {
    pub(in super::super) fn found(&self) -> Snapshot {
        Snapshot {
            conversations: self
                .conversations
                .iter()
                .map(|(id, (kind, head))| StoredConversation {
                    id: *id,
                    kind: kind.clone(),
                    head: *head,
                    topic: self.topics.get(id).cloned(),
                })
                .collect(),
            sessions: self
                .sessions
                .values()
                .map(|(row, rooms)| StoredSession { row: row.clone(), rooms: rooms.clone() })
                .collect(),
            lost: self.lost.iter().copied().collect(),
            ended_sessions: self.ended_sessions.values().cloned().collect(),
            work: self.work.clone().into_iter().collect(),
            opened: self.opened.iter().map(|(room, by)| (*room, *by)).collect(),
            default_rooms: self.default_rooms.clone(),
            permissions: self.permissions.clone(),
            users: self.users.values().cloned().collect(),
            certificates: self.certificates.values().cloned().collect(),
            marks: self
                .marks
                .iter()
                .map(|((user, conversation), seq)| StoredMark {
                    user: *user,
                    conversation: *conversation,
                    seq: *seq,
                })
                .collect(),
            erasures: self.erasures.values().cloned().collect(),
            removed: self.removed.values().cloned().collect(),
            sent: self.window(),
            head: self.head,
            oldest: self.oldest,
            last_conversation: self.last.0,
            last_session: self.last.1,
            last_join: self.last.2,
            log: self.log.clone(),
            rules: self.rules.clone(),
        }
    }

    /// The ids of the newest messages.
    fn window(&self) -> Vec<Sent> {
        let mut window: Vec<_> = self
            .sent
            .iter()
            .map(|((session, id), (conversation, seq))| Sent {
                session: *session,
                id: id.clone(),
                conversation: *conversation,
                seq: *seq,
            })
            .filter(|sent| sent.seq > self.head.saturating_sub(WINDOW))
            .filter(|sent| self.sessions.contains_key(&sent.session))
            .collect();
        window.sort_unstable_by_key(|sent| sent.seq);
        window
    }

    /// The message that the session has sent under this id, if it still exists.
    pub(in super::super) fn sent(&self, session: SessionId, id: &RequestId) -> Option<(ConversationId, Seq)> {
        let found @ (_, seq) = *self.sent.get(&(session, id.clone()))?;
        self.chunk_of(seq).map(|_| found)
    }

    /// Where the chunk is that has a message.
    pub(super) fn chunk_of(&self, seq: Seq) -> Option<usize> {
        let at = self.chunks.partition_point(|chunk| chunk.last < seq);
        self.chunks.get(at).filter(|chunk| chunk.first <= seq).map(|_| at)
    }

    fn message(&self, seq: Seq) -> Option<StoredMessage> {
        let chunk = &self.chunks[self.chunk_of(seq)?];
        Some(StoredMessage {
            conversation: chunk.conversation,
            author: chunk.authors.get(usize::try_from(seq - chunk.first).expect("a small number")).copied(),
            ts: chunk.ts,
            is_redacted: self.redacted.contains(&seq),
            direct: self.names(chunk, seq),
        })
    }

    /// The names of a direct message.
    fn names(&self, chunk: &Chunk, seq: Seq) -> Option<Box<(Name, Name)>> {
        let (kind, _) = self.conversations.get(&chunk.conversation)?;
        if !matches!(kind, ConversationKind::Direct(..)) {
            return None;
        }
        let line = chunk.lines.split_inclusive(|b| *b == b'\n').find(|line| seq_of(line) == Some(seq))?;
        let message: MsgEvent<'_> = serde_json::from_slice(data_of(line)?).expect("a message");
        Some(Box::new((message.user.parse().expect("a name"), message.to?.parse().expect("a name"))))
    }

    /// The next step of an erasure: two chunks.
    pub(in super::super) fn erasure_step(&self, erasure: &Erasure) -> ErasureStep {
        let Erasure { id, stage, below, until, .. } = *erasure;
        let (mut recent, mut down_to) = (Vec::new(), 0);
        if stage == ErasureStage::Messages {
            let chunks: Vec<_> = self.chunks.iter().rev().filter(|chunk| chunk.first < below).collect();
            down_to = chunks.get(1).filter(|_| chunks.len() > 2).map_or(0, |chunk| chunk.first);
            let is_first = below > until;
            for chunk in chunks.iter().take(2).filter(|_| is_first) {
                for seq in (chunk.first..=chunk.last).rev() {
                    let message = self.message(seq).expect("a message");
                    let author = message.author.filter(|author| erasure.user == Some(*author));
                    if author.is_some() && !message.is_redacted {
                        let StoredMessage { conversation, direct, .. } = message;
                        recent.push(RecentMessage { seq, conversation, direct });
                    }
                }
            }
        }
        ErasureStep { id, stage, down_to, recent }
    }

    /// What a proposer finds here.
    pub(in super::super) fn past(&self, sought: Option<Sought>) -> Past {
        let found = sought.and_then(|sought| match sought {
            Sought::Sent(session, id) => {
                self.sent(session, &id).map(|(conversation, seq)| Past::Kept(conversation, seq))
            }
            Sought::Message(seq) => self.message(seq).map(Past::Message),
        });
        found.unwrap_or(Past::Absent)
    }

    /// The lines of a gap, in order; the session's own ones with their ids.
    pub(in super::super) fn gap(&self, session: SessionId, ranges: &[Range]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for chunk in &self.chunks {
            for line in chunk.lines.split_inclusive(|b| *b == b'\n') {
                let seq = seq_of(line).expect("a number");
                let wanted =
                    |r: &Range| r.conversation == chunk.conversation && r.first <= seq && seq <= r.last;
                if ranges.iter().any(wanted) {
                    let own = self.sent.iter().find(|((s, _), (_, q))| *s == session && *q == seq);
                    let mut out = Vec::new();
                    match own {
                        Some(((_, id), _)) => write_with_id(line, id, &mut out),
                        None => out.extend_from_slice(line),
                    }
                    lines.push(out);
                }
            }
        }
        lines
    }
}
