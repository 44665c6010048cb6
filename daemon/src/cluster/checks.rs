//! Owns the questions to the leader of the stream: one at a time, and how much of the answer is held. The session calls it.
//! Never repeats a question: the order asks again.

use super::api::{Api, ApiError};
use super::task::Trouble;
use crate::order::stream::{Check, Checked};
use futures_util::{Stream, StreamExt, stream};
use tcp_chat_turn_log::{ASK_BYTES, Record};

/// How many records the leader is asked for at a time. It sends them as text, a third longer than they are.
const AT_A_TIME: usize = 8;

/// The answer to a question, if there is one.
pub(super) type Answer = Result<Checked, Trouble>;

/// The question that is asked, and the last one that came meanwhile.
#[derive(Debug, Default)]
pub(super) struct InTurn {
    asked: Option<Check>,
    waits: Option<Check>,
}

impl InTurn {
    /// Takes a question. Returns it, if it is to be asked now.
    pub(super) fn ask(&mut self, check: Check) -> Option<Check> {
        if self.asked.is_none() {
            self.asked = Some(check.clone());
            return Some(check);
        }
        // The one that is asked already needs no repetition.
        self.waits = Some(check).filter(|check| self.asked.as_ref() != Some(check));
        None
    }

    /// The question was answered, or given up. Returns the next one.
    pub(super) fn ended(&mut self) -> Option<Check> {
        self.asked = self.waits.take();
        self.asked.clone()
    }
}

/// Asks where the stream begins and ends, and for the records at the positions: the first of them, up to [`ASK_BYTES`].
pub(super) async fn ask_the_leader(api: Api, check: Check) -> Answer {
    let info = api.info().await?;
    if let Some(fault) = info.config.fault(&api.stream) {
        return Err(Trouble::Fault(fault));
    }
    if !info.has_quorum() {
        return Err(Trouble::NoQuorum);
    }
    let (first, last) = (info.state.first_seq, info.state.last_seq);
    let there = check.positions.iter().copied().filter(|position| (first..=last).contains(position));
    let there: Vec<u64> = there.collect();
    let records = few(stream::iter(there).map(|position| api.get(position)).buffered(AT_A_TIME)).await?;
    Ok(Checked { check, first, last, records })
}

/// The first records of an answer. An error counts only if nothing came before it.
async fn few(answers: impl Stream<Item = Result<Option<Record>, ApiError>>) -> Result<Vec<Record>, ApiError> {
    let mut answers = std::pin::pin!(answers);
    let (mut records, mut bytes) = (Vec::new(), 0);
    while bytes < ASK_BYTES
        && let Some(answer) = answers.next().await
    {
        match answer {
            Ok(record) => {
                bytes += record.as_ref().map_or(0, |record| record.bytes.len());
                records.extend(record);
            }
            Err(error) if records.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_turn_log::LogTime;

    #[test]
    fn one_question_is_asked_at_a_time_and_the_last_one_next() {
        let check = |applied| Check { applied, ..Check::default() };
        let mut turn = InTurn::default();
        assert_eq!(turn.ask(check(1)), Some(check(1)));
        for applied in [1, 2, 3] {
            assert_eq!(turn.ask(check(applied)), None);
        }
        assert_eq!(turn.ended(), Some(check(3)));
        assert_eq!(turn.ask(check(3)), None, "it is asked already");
        assert_eq!(turn.ended(), None);
        assert_eq!(turn.ask(check(3)), Some(check(3)));
    }

    #[tokio::test]
    async fn an_answer_ends_at_its_bound_and_before_what_cannot_be_read() {
        let record = |sequence| Record { sequence, stamp: LogTime(1), bytes: vec![0; ASK_BYTES / 3].into() };
        let long = stream::iter((1..100).map(|sequence| Ok(Some(record(sequence)))));
        assert_eq!(few(long).await.unwrap().len(), 3);
        let cut = [Ok(None), Ok(Some(record(2))), Err(ApiError::NotFound), Ok(Some(record(4)))];
        assert_eq!(few(stream::iter(cut)).await.unwrap().len(), 1);
        let nothing = few(stream::iter([Err(ApiError::NotFound)])).await;
        assert!(matches!(nothing, Err(ApiError::NotFound)));
    }
}
