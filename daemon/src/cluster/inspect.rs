//! Owns what the commands ask NATS about a cluster: its stream, and whether one of its nodes runs. Called by the commands.
//! Changes nothing, except that [`Admin::create_or_end`] makes a stream that does not exist.

use super::api::ApiError;
use super::connect::Subjects;
use super::stream::{Admin, Kept, StreamError};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tcp_chat_turn_log::{Key, Sealed};

/// More records than a cluster orders in the time that a node can be away.
const LEAP: u64 = 1 << 32;

/// The stream, as its leader knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNow {
    /// Its name.
    pub stream: String,
    /// The server that leads it. `None`: NATS is one server.
    pub leader: Option<String>,
    /// Do enough of its servers run?
    pub has_quorum: bool,
    /// The servers that keep it.
    pub replicas: u32,
    /// Its records, their bytes, and the first and the last sequence.
    pub records: u64,
    /// In bytes.
    pub bytes: u64,
    /// The sequence of the first record.
    pub first: u64,
    /// The sequence of the last record.
    pub last: u64,
}

impl StreamNow {
    /// The fields for `cluster status`.
    #[must_use]
    pub fn as_json(&self) -> Map<String, Value> {
        let fields = [
            ("stream", json!(self.stream)),
            ("leader", json!(self.leader)),
            ("quorum", json!(self.has_quorum)),
            ("replicas", json!(self.replicas)),
            ("records", json!(self.records)),
            ("bytes", json!(self.bytes)),
            ("first", json!(self.first)),
            ("last", json!(self.last)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Admin {
    /// The version of the server that was reached.
    #[must_use]
    pub fn version(&self) -> String {
        self.api.client.server_info().version
    }

    /// The stream.
    ///
    /// # Errors
    /// It does not exist, or NATS does not answer.
    pub async fn info(&self) -> Result<StreamNow, StreamError> {
        let info = self.api.info().await.map_err(|error| self.failed(error))?;
        Ok(StreamNow {
            stream: info.config.name.clone(),
            leader: info.leader().map(str::to_owned),
            has_quorum: info.has_quorum(),
            replicas: info.config.num_replicas,
            records: info.state.messages,
            bytes: info.state.bytes,
            first: info.state.first_seq,
            last: info.state.last_seq,
        })
    }

    /// Makes the stream if it does not exist, so that it begins behind all that a node of the lost one can have read: to such
    /// a node it is a stream that no longer has what comes next, and the node takes a copy. `applied`: what the node has
    /// read that begins again. Returns the last sequence.
    ///
    /// # Errors
    /// A cluster cannot use the one that exists, or NATS does not answer.
    pub async fn create_or_end(&self, kept: Kept, applied: u64) -> Result<u64, StreamError> {
        match self.api.info().await {
            Ok(info) => match info.config.fault(&self.api.stream) {
                None => Ok(info.state.last_seq),
                Some(fault) => Err(StreamError::Other(self.api.stream.clone(), fault)),
            },
            Err(ApiError::NotFound) => {
                let end = (applied / LEAP + 1) * LEAP;
                self.create_at(kept, end + 1).await.map(|()| end)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The number of the generation of which the record at this position is. `None`: there is none, or no holder of the key made
    /// it.
    ///
    /// # Errors
    /// NATS does not answer.
    pub async fn generation_at(&self, key: &Key, sequence: u64) -> Result<Option<u64>, StreamError> {
        if sequence == 0 {
            return Ok(None);
        }
        let record = self.api.get(sequence).await.map_err(|error| self.failed(error))?;
        Ok(record.and_then(|record| {
            let sealed = Sealed::parse(&record.bytes).ok()?;
            key.open(&sealed).ok()?;
            Some(sealed.header().generation.number)
        }))
    }

    /// Listens for a node that runs. Returns its number.
    ///
    /// # Errors
    /// NATS refuses the subscription.
    pub async fn hears_a_node(&self, key: &Key, time: Duration) -> Result<Option<u32>, StreamError> {
        let subject = self.api.stream.beat();
        let subscribed = self.api.client.subscribe(subject).await;
        let mut beats = subscribed.map_err(|error| self.failed(ApiError::NoAnswer(error.to_string())))?;
        let heard = async {
            while let Some(message) = beats.next().await {
                if let Some(node) = beats_of(key, &message.payload) {
                    return Some(node);
                }
            }
            None
        };
        Ok(tokio::time::timeout(time, heard).await.ok().flatten())
    }
}

/// The node that sent this beat. `None`: no holder of the key made it.
fn beats_of(key: &Key, bytes: &[u8]) -> Option<u32> {
    let sealed = Sealed::parse(bytes).ok()?;
    key.open(&sealed).ok()?;
    Some(sealed.header().node.0)
}
