//! Owns how the stream of a cluster must be made, and what is wrong with one. The commands make and check it through
//! [`Admin`]; the task checks it before it tells where the stream ends. A start never makes a stream: an empty NATS would
//! be an empty chat.

use super::api::{Api, ApiError, Info};
use super::connect::{ConnectFailed, Nats, Subjects};
use crate::settings::{ClusterNode, StreamName};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tcp_chat_turn_log::ENTRY_BYTES;

/// The shortest window in which NATS drops doubled messages. The order needs none: it counts each entry once.
const DUPLICATES: Duration = Duration::from_millis(100);
/// A message comes back within this time.
const OWN_WORD: Duration = Duration::from_millis(300);
/// How many servers keep each record: two can fail one after the other, one at a time without a pause.
const REPLICAS: u32 = 3;

/// How long the stream keeps records: the settings `log_keep` and `log_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// For this long.
    pub age: Duration,
    /// At most this many bytes on each server.
    pub bytes: u64,
}

/// The configuration of a stream, as JetStream writes it. What is not here must have its default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) name: String,
    subjects: Vec<String>,
    retention: String,
    storage: String,
    discard: String,
    pub(super) num_replicas: u32,
    /// In nanoseconds.
    max_age: u64,
    max_bytes: i64,
    max_msgs: i64,
    max_msgs_per_subject: i64,
    max_msg_size: i64,
    /// In nanoseconds.
    duplicate_window: u64,
    deny_delete: bool,
    deny_purge: bool,
    allow_direct: bool,
    sealed: bool,
    republish: Option<Republish>,
    /// The sequence of the first record. 0: the first one.
    #[serde(skip_serializing_if = "is_zero")]
    first_seq: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where each record is published again once it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Republish {
    src: String,
    dest: String,
    headers_only: bool,
}

/// What is wrong with a stream, or could be better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The cluster cannot use it.
    Fault(String),
    /// It works, but an operator should know.
    Advice(String),
}

/// Why the stream cannot be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// NATS cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectFailed),
    /// JetStream does not answer as it should.
    #[error("stream {0}: {1}")]
    Api(StreamName, #[source] ApiError),
    /// The stream exists, and has records.
    #[error(
        "stream {0} exists already, with records up to {1}: it belongs to a cluster. Choose another name (cluster.stream)"
    )]
    Used(StreamName, u64),
    /// The stream exists, and is made in another way.
    #[error("stream {0} exists already, but {1}")]
    Other(StreamName, String),
}

impl From<&ClusterNode> for Kept {
    fn from(node: &ClusterNode) -> Self {
        Self { age: node.log_keep, bytes: node.log_bytes }
    }
}

impl Config {
    /// A stream as a cluster needs it.
    fn new(stream: &StreamName, replicas: u32, kept: Kept) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            name: stream.to_string(),
            subjects: vec![stream.log()],
            retention: "limits".into(),
            storage: "file".into(),
            discard: "old".into(),
            num_replicas: replicas,
            max_age: nanos(kept.age),
            max_bytes: i64::try_from(kept.bytes).unwrap_or(i64::MAX),
            max_msgs: -1,
            max_msgs_per_subject: -1,
            max_msg_size: i64::try_from(ENTRY_BYTES).unwrap_or(i64::MAX),
            duplicate_window: nanos(DUPLICATES),
            deny_delete: true,
            deny_purge: true,
            allow_direct: true,
            sealed: false,
            republish: Some(Republish { src: stream.log(), dest: stream.read(), headers_only: false }),
            first_seq: 0,
        }
    }

    /// Why a cluster cannot use this stream. `None`: it can.
    pub(super) fn fault(&self, stream: &StreamName) -> Option<String> {
        let needed = Self::new(stream, REPLICAS, Kept { age: Duration::ZERO, bytes: 0 });
        let differs = |what: &str, has: &str, needs: &str| {
            (has != needs).then(|| format!("its {what} is {has:?} and must be {needs:?}"))
        };
        let flag = |what: &str, is: bool, must: bool| (is != must).then(|| format!("{what} must be {must}"));
        let republish = (self.republish != needed.republish)
            .then(|| format!("it must republish {} to {}, with the body", stream.log(), stream.read()));
        let is_short = (0..needed.max_msg_size).contains(&self.max_msg_size);
        differs("subjects", &self.subjects.join(", "), &stream.log())
            .or_else(|| differs("retention", &self.retention, &needed.retention))
            .or_else(|| differs("storage", &self.storage, &needed.storage))
            .or_else(|| differs("discard", &self.discard, &needed.discard))
            .or_else(|| flag("deny_delete", self.deny_delete, true))
            .or_else(|| flag("deny_purge", self.deny_purge, true))
            .or_else(|| flag("allow_direct", self.allow_direct, true))
            .or_else(|| flag("sealed", self.sealed, false))
            .or(republish)
            .or_else(|| is_short.then(|| format!("its max_msg_size must be {ENTRY_BYTES} bytes or more")))
    }

    /// What works, but an operator should know.
    fn advice(&self, stream: &StreamName, kept: Kept) -> Vec<String> {
        let wanted = Self::new(stream, REPLICAS, kept);
        let mut advice = Vec::new();
        if self.num_replicas < REPLICAS {
            advice.push(format!(
                "one server keeps it ({} replicas): if that server fails, nothing is ordered",
                self.num_replicas
            ));
        }
        if self.max_age != wanted.max_age {
            advice.push(format!(
                "its max_age is {} s, and log_keep {} s",
                self.max_age / 1_000_000_000,
                kept.age.as_secs()
            ));
        }
        if self.max_bytes != wanted.max_bytes {
            advice.push(format!("its max_bytes is {}, and log_bytes {}", self.max_bytes, kept.bytes));
        }
        if self.max_msgs > 0 || self.max_msgs_per_subject > 0 {
            advice.push("it has a limit of messages, and may end before log_keep".to_owned());
        }
        advice
    }
}

/// A connection of a command, to make and check the stream.
#[derive(Debug)]
pub struct Admin {
    pub(super) api: Api,
}

impl Admin {
    /// Connects to NATS.
    ///
    /// # Errors
    /// No server was reached, or the one that was reached is too old.
    pub async fn connect(nats: &Nats) -> Result<Self, StreamError> {
        let (client, _) = nats.connect().await?;
        Ok(Self { api: Api { client, stream: nats.stream.clone() } })
    }

    /// Makes the stream, on three servers, or on one if NATS is alone. An empty stream of the same form is taken as it is.
    ///
    /// # Errors
    /// It exists and has records or another form, or JetStream refuses it.
    pub async fn create(&self, kept: Kept) -> Result<(), StreamError> {
        self.create_at(kept, 0).await
    }

    /// As [`Self::create`], with a first sequence.
    pub(super) async fn create_at(&self, kept: Kept, first_seq: u64) -> Result<(), StreamError> {
        let stream = &self.api.stream;
        match self.api.info().await {
            Ok(info) if info.state.last_seq > 0 => {
                return Err(StreamError::Used(stream.clone(), info.state.last_seq));
            }
            Ok(info) => {
                let fault = info.config.fault(stream);
                return fault.map_or(Ok(()), |fault| Err(StreamError::Other(stream.clone(), fault)));
            }
            Err(ApiError::NotFound) => {}
            Err(error) => return Err(self.failed(error)),
        }
        let is_cluster = self.api.client.server_info().cluster.is_some_and(|name| !name.is_empty());
        let replicas = if is_cluster { REPLICAS } else { 1 };
        let config = Config { first_seq, ..Config::new(stream, replicas, kept) };
        let made = self.api.create(&config).await.map_err(|e| self.failed(e))?;
        let fault = made.config.fault(stream);
        fault.map_or(Ok(()), |fault| Err(StreamError::Other(stream.clone(), fault)))
    }

    /// Checks the stream. The first line says which stream it is.
    ///
    /// # Errors
    /// It does not exist, or NATS does not answer.
    pub async fn check(&self, kept: Kept) -> Result<(String, Vec<Finding>), StreamError> {
        let stream = &self.api.stream;
        let info: Info = self.api.info().await.map_err(|e| self.failed(e))?;
        let mut findings: Vec<_> = info.config.fault(stream).map(Finding::Fault).into_iter().collect();
        findings.extend(info.fault().map(|why| Finding::Fault(why.into())));
        findings.extend(info.config.advice(stream, kept).into_iter().map(Finding::Advice));
        if self.hears_itself().await {
            findings.push(Finding::Advice(format!(
                "this login can publish to {}, where only the stream should: take this right away (docs/CLUSTER.md, \"The least \
                 rights\")",
                stream.read()
            )));
        }
        let leader = info.leader().map(|leader| format!(", led by {leader}")).unwrap_or_default();
        let state = info.state;
        let line = format!(
            "stream {stream}: {} records, {} to {}, {} bytes, {} replicas{leader}",
            state.messages, state.first_seq, state.last_seq, state.bytes, info.config.num_replicas
        );
        Ok((line, findings))
    }

    /// Can this login publish where the stream publishes? Without headers it is no record, and no node takes it.
    async fn hears_itself(&self) -> bool {
        let client = &self.api.client;
        let Ok(mut heard) = client.subscribe(self.api.stream.read()).await else { return false };
        let Some(word) = super::copies::random().map(|random| format!("check {random:016x}")) else {
            return false;
        };
        if client.publish(self.api.stream.read(), word.clone().into()).await.is_err()
            || client.flush().await.is_err()
        {
            return false;
        }
        let hears = async {
            while let Some(message) = heard.next().await {
                if message.payload == word.as_bytes() {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(OWN_WORD, hears).await.unwrap_or(false)
    }

    /// Do all servers of the stream have everything?
    pub async fn is_whole(&self) -> bool {
        self.api.info().await.is_ok_and(|info| info.is_whole())
    }

    pub(super) fn failed(&self, error: ApiError) -> StreamError {
        StreamError::Api(self.api.stream.clone(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_property_that_the_order_relies_on_is_checked() {
        let stream: StreamName = "A".parse().unwrap();
        let good = Config::new(&stream, 3, Kept { age: Duration::from_secs(9), bytes: 9 });
        assert_eq!(good.fault(&stream), None);
        let wrong: [fn(&mut Config); 10] = [
            |c| c.subjects.push("other".into()),
            |c| c.retention = "workqueue".into(),
            |c| c.storage = "memory".into(),
            |c| c.discard = "new".into(),
            |c| c.deny_delete = false,
            |c| c.deny_purge = false,
            |c| c.allow_direct = false,
            |c| c.sealed = true,
            |c| c.republish = None,
            |c| c.max_msg_size = 1024,
        ];
        for (index, change) in wrong.iter().enumerate() {
            let mut config = good.clone();
            change(&mut config);
            assert!(config.fault(&stream).is_some(), "{index}");
        }
    }

    #[test]
    fn an_operator_is_told_what_may_end_the_log_too_early() {
        let stream: StreamName = "A".parse().unwrap();
        let kept = Kept { age: Duration::from_secs(9), bytes: 9 };
        let good = Config::new(&stream, REPLICAS, kept);
        assert!(good.advice(&stream, kept).is_empty());
        type Change = fn(&mut Config);
        let told: [(Change, &str); 5] = [
            (|c| c.num_replicas = 1, "one server keeps it (1 replicas)"),
            (|c| c.max_age = 8_000_000_000, "its max_age is 8 s, and log_keep 9 s"),
            (|c| c.max_bytes = 8, "its max_bytes is 8, and log_bytes 9"),
            (|c| c.max_msgs = 1, "a limit of messages"),
            (|c| c.max_msgs_per_subject = 1, "a limit of messages"),
        ];
        for (change, what) in told {
            let mut config = good.clone();
            change(&mut config);
            let advice = config.advice(&stream, kept);
            assert!(advice.len() == 1 && advice[0].contains(what), "{what}: {advice:?}");
        }
    }
}
