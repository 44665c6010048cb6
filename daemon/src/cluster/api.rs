//! Owns the requests to JetStream, as JSON over core NATS. Called by `session` and `stream`. Never decides what an answer
//! means.

use super::stream::Config;
use crate::settings::StreamName;
use async_nats::{Client, HeaderMap, Message, RequestErrorKind};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};
use tcp_chat_turn_log::{ASK_BYTES, Ask, LogTime, Record};

/// After this time a question is given up, and asked again later.
const TIMEOUT: Duration = Duration::from_secs(3);
/// "stream not found"
const NOT_FOUND: u32 = 10_059;
/// "no message found"
const NO_MESSAGE: u32 = 10_037;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The stream does not exist.
    #[error("the stream does not exist")]
    NotFound,
    /// JetStream is off, or no server leads.
    #[error("no NATS server answers for JetStream now: it is off, or too few servers run")]
    NoResponders,
    /// No answer in time.
    #[error("NATS did not answer: {0}")]
    NoAnswer(String),
    /// JetStream refused it.
    #[error("JetStream refused the request: {0}")]
    Refused(String),
    /// The answer is not what is expected.
    #[error("the answer of JetStream cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// The answer to `STREAM.INFO`, of what the leader of the stream knows.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Info {
    pub(super) config: Config,
    pub(super) state: Ends,
    #[serde(default)]
    cluster: Group,
}

/// Where a stream begins and ends.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Ends {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Group {
    leader: Option<String>,
    #[serde(default)]
    replicas: Vec<Replica>,
}

#[derive(Debug, Clone, Deserialize)]
struct Replica {
    #[serde(default)]
    current: bool,
    #[serde(default)]
    offline: bool,
}

impl Info {
    /// Does the server that answered lead a quorum? One that lost it answers for twelve seconds more, and says that its
    /// replicas are not current.
    pub(super) fn has_quorum(&self) -> bool {
        let Group { leader, replicas } = &self.cluster;
        let others: u32 = replicas.iter().map(|replica| u32::from(replica.current && !replica.offline)).sum();
        // Without a cluster there is no leader and no replica.
        let leads = leader.as_ref().is_some_and(|leader| !leader.is_empty()) || self.config.num_replicas == 1;
        leads && 2 * (others + 1) > self.config.num_replicas.max(1)
    }

    /// Are all servers of the stream there, with everything?
    pub(super) fn is_whole(&self) -> bool {
        self.has_quorum() && self.cluster.replicas.iter().all(|replica| replica.current && !replica.offline)
    }

    /// What is wrong with the servers of the stream.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match (self.has_quorum(), self.is_whole()) {
            (false, _) => Some("too few of its servers run: nothing can be ordered"),
            (true, false) => Some(
                "a server of it is away, or does not have everything yet: stop no other one before it has",
            ),
            (true, true) => None,
        }
    }

    /// The server that leads the stream.
    pub(super) fn leader(&self) -> Option<&str> {
        self.cluster.leader.as_deref()
    }
}

/// An error stands in the place of the result.
#[derive(Deserialize)]
struct Answer {
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Stored {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    seq: u64,
    #[serde(default)]
    data: String,
    time: String,
}

/// The requests for one stream. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) stream: StreamName,
}

impl Api {
    async fn ask<T: for<'a> Deserialize<'a>>(&self, what: &str, body: Vec<u8>) -> Result<T, ApiError> {
        let subject = format!("$JS.API.STREAM.{what}.{}", self.stream);
        let asked = tokio::time::timeout(TIMEOUT, self.client.request(subject.clone(), body.into())).await;
        // NATS does not answer a request that the user has no right to.
        let silent = |_| {
            ApiError::NoAnswer(format!(
                "it took too long. Too few servers run, or this user of NATS has no right to publish {subject}"
            ))
        };
        let message = asked.map_err(silent)?.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => ApiError::NoResponders,
            _ => ApiError::NoAnswer(error.to_string()),
        })?;
        match serde_json::from_slice::<Answer>(&message.payload)?.error {
            Some(Refusal { err_code: NOT_FOUND, .. }) => Err(ApiError::NotFound),
            Some(Refusal { err_code, description }) => {
                Err(ApiError::Refused(format!("{description} (error {err_code})")))
            }
            None => Ok(serde_json::from_slice(&message.payload)?),
        }
    }

    /// What the leader knows of the stream.
    pub(super) async fn info(&self) -> Result<Info, ApiError> {
        self.ask("INFO", Vec::new()).await
    }

    /// Makes the stream.
    pub(super) async fn create(&self, config: &Config) -> Result<Info, ApiError> {
        self.ask("CREATE", serde_json::to_vec(config)?).await
    }

    /// A record, of the leader. `None`: the stream does not have it.
    pub(super) async fn get(&self, sequence: u64) -> Result<Option<Record>, ApiError> {
        #[derive(Serialize)]
        struct Get {
            seq: u64,
        }
        let no_message = format!("(error {NO_MESSAGE})");
        match self.ask::<Stored>("MSG.GET", serde_json::to_vec(&Get { seq: sequence })?).await {
            Ok(Stored { message }) => {
                let unreadable = || ApiError::NoAnswer(format!("record {sequence} cannot be read"));
                let bytes = BASE64_STANDARD.decode(message.data).map_err(|_| unreadable())?;
                let stamp = time(&message.time).filter(|_| message.seq == sequence).ok_or_else(unreadable)?;
                Ok(Some(Record { sequence, stamp, bytes: bytes.into() }))
            }
            Err(ApiError::Refused(why)) if why.ends_with(&no_message) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The body of a Direct Get, and its subject.
    pub(super) fn read(&self, ask: Ask) -> (String, Vec<u8>) {
        let batch = ask.last.saturating_sub(ask.first) + 1;
        let body = format!(r#"{{"seq":{},"batch":{batch},"max_bytes":{ASK_BYTES}}}"#, ask.first);
        (format!("$JS.API.DIRECT.GET.{}", self.stream), body.into_bytes())
    }
}

/// The record in a message of the stream, heard or got. `None`: it is none, such as the end of a batch.
///
/// The publisher of a record can give it headers, also with the names of the server's. The server appends its own after them, so
/// the last of each name counts.
pub(super) fn record(message: &Message) -> Option<Record> {
    let headers = message.headers.as_ref()?;
    let sequence = header(headers, "Nats-Sequence")?.parse().ok()?;
    let stamp = time(header(headers, "Nats-Time-Stamp")?)?;
    Some(Record { sequence, stamp, bytes: message.payload[..].into() })
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    headers.get_last(name).map(|value| value.as_str())
}

fn time(text: &str) -> Option<LogTime> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(LogTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_to_the_millisecond() {
        for (text, millis) in [
            ("2026-11-30T11:09:48.123456789Z", Some(1_796_036_988_123)),
            ("2026-11-30T11:09:48.12Z", Some(1_796_036_988_120)),
            ("2026-11-30T11:09:48Z", Some(1_796_036_988_000)),
            ("yesterday", None),
        ] {
            assert_eq!(time(text), millis.map(LogTime), "{text}");
        }
    }

    #[test]
    fn the_last_header_of_a_name_is_the_servers() {
        let mut headers = async_nats::HeaderMap::new();
        for (sequence, stamp) in [("508", "2099-01-01T00:00:00Z"), ("9", "2026-11-30T11:09:48Z")] {
            headers.append("Nats-Sequence", sequence);
            headers.append("Nats-Time-Stamp", stamp);
        }
        let message = Message {
            subject: "A.read".into(),
            reply: None,
            payload: "body".into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        };
        let record = record(&message).unwrap();
        assert_eq!((record.sequence, record.stamp), (9, LogTime(1_796_036_988_000)));
    }

    #[test]
    fn a_leader_without_its_replicas_has_no_quorum() {
        let info = |replicas: &str| -> Info {
            let text = format!(
                r#"{{"config":{{"name":"A","num_replicas":3}},"state":{{"messages":0,"bytes":0,"first_seq":0,"last_seq":0}},
                    "cluster":{{"leader":"a","replicas":[{replicas}]}}}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let (with, without) = (r#"{"name":"b","current":true}"#, r#"{"name":"c","current":false}"#);
        assert!(info(&format!("{with},{without}")).has_quorum());
        assert!(!info(&format!("{without},{without}")).has_quorum());
        assert!(!info(r#"{"name":"b","current":true,"offline":true}"#).has_quorum());
        // While one of them is behind, the next one must not be stopped.
        assert!(info(&format!("{with},{without}")).fault().unwrap().starts_with("a server of it is away"));
        assert!(info(without).fault().unwrap().starts_with("too few"));
        assert_eq!(info(&format!("{with},{with}")).fault(), None);
    }
}
