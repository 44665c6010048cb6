//! Owns one connection to the stream: it publishes entries in order, hands on what it hears, and asks the leader. Called by
//! the task. Never waits for an acknowledgement, and never keeps anything for the next connection. While it waits for the order or for
//! the client library to take something, it goes on taking in what comes: otherwise a flood would fill the library's queues.

use super::api::{self, Api, ApiError};
use super::checks::{Answer, InTurn, ask_the_leader};
use super::connect::Subjects;
use super::task::Trouble;
use crate::order::stream::{FromStream, ToStream};
use crate::order::{Cause, OrderGone, Stopped, TaskEnd};
use async_nats::{Client, Message, PublishError, Subscriber};
use futures_util::{StreamExt, stream};
use std::pin::Pin;
use std::time::Duration;
use tcp_chat_turn_log::{ASK_BYTES, Ask, ENTRY_BYTES, Record};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How many records the leader is asked for at a time.
const AT_A_TIME: usize = 64;
/// No beat is longer.
const BEAT_BYTES: usize = 512;
/// The stream must be missing for so many questions in a row: a server that starts does not know it yet.
const MISSING: u32 = 5;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was lost.
    Lost,
    /// The order wants another server.
    Left,
    /// The order no longer listens.
    OrderGone,
}

impl From<OrderGone> for End {
    fn from(_: OrderGone) -> Self {
        Self::OrderGone
    }
}

/// A message on its way into the client library.
type Publishing = Pin<Box<dyn Future<Output = Result<(), PublishError>> + Send>>;

/// A connection.
pub(super) struct Session<'a> {
    pub(super) api: Api,
    pub(super) lost: CancellationToken,
    pub(super) number: u64,
    /// Is there another server?
    pub(super) has_others: bool,
    pub(super) ends: &'a mut TaskEnd,
    pub(super) missing: &'a mut u32,
    /// What was asked for, and not answered to the end.
    pub(super) unanswered: &'a mut Option<Ask>,
    /// How many requests for records were sent.
    pub(super) reads: u64,
}

impl Session<'_> {
    /// Serves the order until the connection is lost.
    pub(super) async fn run(&mut self) -> End {
        let lost = self.lost.clone();
        let ended = tokio::select! {
            biased;
            () = lost.cancelled() => Ok(()),
            ended = self.serve() => ended,
        };
        match ended {
            Ok(()) => End::Lost,
            Err(end) => end,
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        let (client, stream) = (self.api.client.clone(), self.api.stream.clone());
        let room = self.ends.order.room().await?;
        let inbox = client.new_inbox();
        let heard = subscribe(&client, stream.read()).await?;
        let beats = subscribe(&client, stream.beat()).await?;
        let answers = subscribe(&client, format!("{inbox}.*")).await?;
        // The server knows the subscriptions before the order asks for the end of the stream.
        client.flush().await.map_err(|_| End::Lost)?;
        let (mut heard, mut beats, mut answers) = (heard, beats, answers);
        // The connection before was lost over this answer. Someone may have given a record headers that the client cannot read,
        // which ends the connection each time. The leader gives records without their headers.
        let with_care = self.unanswered.take();
        room.send(FromStream::Connected(self.number));
        let mut publishing: Option<Publishing> = None;
        let (mut checks, mut in_turn): (JoinSet<Answer>, _) = (JoinSet::new(), InTurn::default());
        let mut careful: JoinSet<(Ask, Vec<Record>)> = JoinSet::new();
        loop {
            tokio::select! {
                message = heard.next() => self.hand_on(message, FromStream::Heard)?,
                message = answers.next() => {
                    if let Some(subject) = message.as_ref().filter(|m| m.status.is_some()).map(|m| &m.subject) {
                        // The end of an earlier answer is not that of the present one.
                        if **subject == self.reply(&inbox)
                            && let Some(ask) = self.unanswered.take()
                        {
                            self.ends.order.offer(FromStream::Answered(self.number, ask))?;
                        }
                        continue;
                    }
                    self.hand_on(message, FromStream::Record)?;
                }
                message = beats.next() => {
                    let Some(message) = message else { return Ok(()) };
                    if message.payload.len() <= BEAT_BYTES {
                        self.ends.order.offer(FromStream::Beat(message.payload[..].into()))?;
                    }
                }
                published = ended(&mut publishing) => {
                    publishing = None;
                    published.map_err(|_| End::Lost)?;
                }
                word = self.ends.words.recv(), if publishing.is_none() => {
                    let Some(word) = word else { return Err(End::OrderGone) };
                    if self.has_others && word == ToStream::Elsewhere(self.number) {
                        return Err(End::Left);
                    }
                    if let (ToStream::Read(ask), Some(until)) = (&word, with_care)
                        && ask.first <= until.last
                    {
                        if careful.is_empty() {
                            careful.spawn(read_of_the_leader(self.api.clone(), *ask));
                        }
                        continue;
                    }
                    if let ToStream::Check(check) = word {
                        if check.connection == self.number && let Some(check) = in_turn.ask(check) {
                            checks.spawn(ask_the_leader(self.api.clone(), check));
                        }
                        continue;
                    }
                    publishing = self.obey(&inbox, word);
                }
                Some(answer) = careful.join_next() => {
                    let Ok((ask, records)) = answer else { continue };
                    for record in records {
                        self.ends.order.offer(FromStream::Record(self.number, record))?;
                    }
                    self.ends.order.offer(FromStream::Answered(self.number, ask))?;
                }
                Some(answer) = checks.join_next() => {
                    if let Some(check) = in_turn.ended() {
                        checks.spawn(ask_the_leader(self.api.clone(), check));
                    }
                    if let Ok(answer) = answer {
                        self.answer(answer).await?;
                    }
                }
            }
        }
    }

    /// Where the answer to the last request for records comes.
    fn reply(&self, inbox: &str) -> String {
        format!("{inbox}.{}", self.reads)
    }

    /// Hands a record on to the order.
    fn hand_on(&self, message: Option<Message>, word: fn(u64, Record) -> FromStream) -> Result<(), End> {
        let Some(message) = message else { return Err(End::Lost) };
        // A longer one is in no stream that a node accepts.
        if let Some(record) = api::record(&message).filter(|record| record.bytes.len() <= ENTRY_BYTES) {
            self.ends.order.offer(word(self.number, record))?;
        }
        Ok(())
    }

    /// Does what the order wants. Returns what is to be published for it.
    fn obey(&mut self, inbox: &str, word: ToStream) -> Option<Publishing> {
        let Api { client, stream } = self.api.clone();
        match word {
            ToStream::Publish(bytes) => {
                Some(Box::pin(async move { client.publish(stream.log(), bytes.to_vec().into()).await }))
            }
            ToStream::Beat(bytes) => {
                Some(Box::pin(async move { client.publish(stream.beat(), bytes.to_vec().into()).await }))
            }
            ToStream::Read(ask) => {
                *self.unanswered = Some(ask);
                self.reads += 1;
                let (subject, body) = self.api.read(ask);
                let reply = self.reply(inbox);
                Some(Box::pin(async move { client.publish_with_reply(subject, reply, body.into()).await }))
            }
            ToStream::Check(_) | ToStream::Elsewhere(_) => None,
        }
    }

    async fn answer(&mut self, answer: Answer) -> Result<(), End> {
        if !matches!(answer, Err(Trouble::Api(ApiError::NotFound))) {
            *self.missing = 0;
        }
        match answer {
            Ok(checked) => self.ends.order.offer(FromStream::Checked(checked))?,
            Err(Trouble::Api(ApiError::NotFound)) if *self.missing < MISSING => *self.missing += 1,
            Err(trouble) => {
                if let Some(stopped) = trouble.stops(&self.api.stream) {
                    self.ends.order.send(FromStream::Stopped(stopped)).await?;
                } else {
                    debug!(
                        event = "stream_silent",
                        reason = trouble.to_string(),
                        "the leader of the stream gave no answer"
                    );
                }
            }
        }
        Ok(())
    }
}

/// The end of what is being published. Never, if that is nothing.
async fn ended(publishing: &mut Option<Publishing>) -> Result<(), PublishError> {
    match publishing {
        Some(publishing) => publishing.await,
        None => std::future::pending().await,
    }
}

async fn subscribe(client: &Client, subject: String) -> Result<Subscriber, End> {
    client.subscribe(subject).await.map_err(|_| End::Lost)
}

/// Reads records without their headers, as far as the leader gives them, and up to [`ASK_BYTES`].
async fn read_of_the_leader(api: Api, ask: Ask) -> (Ask, Vec<Record>) {
    let positions = stream::iter(ask.first..=ask.last);
    let mut answers = positions.map(|position| api.get(position)).buffered(AT_A_TIME);
    let (mut records, mut bytes) = (Vec::new(), 0);
    while bytes < ASK_BYTES
        && let Some(Ok(Some(record))) = answers.next().await
    {
        bytes += record.bytes.len();
        records.push(record);
    }
    drop(answers);
    (ask, records)
}

/// A stream that cannot be used.
pub(super) fn unusable(reason: String) -> Stopped {
    Stopped { cause: Cause::StreamUnusable, reason: reason.into() }
}

/// How long the task waits before the next connection, by the number of failures in a row.
pub(super) fn pause(failures: u32) -> Duration {
    Duration::from_millis(100 << failures.min(4))
}
