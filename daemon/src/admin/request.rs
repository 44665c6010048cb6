//! Owns what the control socket can be asked, and how it answers: plain data, for both ends of it.

use super::action::{self, no_request};
use crate::chat::Digest;
use crate::tls::Shown;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use tcp_chat_protocol::Action;

/// The version of what the control socket speaks. A request may say which it means (`"version": 1`);
/// answers say it always.
pub const VERSION: u64 = 1;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// How is it?
    Status,
    /// Read the configuration again.
    Reload,
    /// Copy the store.
    Backup {
        /// Where to; a path from the root, since the daemon's working folder is not the caller's.
        file: PathBuf,
    },
    /// Say something to everyone who is connected.
    Say {
        /// What.
        msg: String,
    },
    /// Who is here?
    Who,
    /// Which rooms are there?
    Rooms,
    /// Moderate. `action` beside this file reads and writes it.
    #[serde(skip)]
    Action(Box<Action>),
    /// Who is muted?
    Mutes,
    /// Who is banned?
    Bans,
    /// Who is what?
    Grants,
    /// Who did what to whom?
    Audit {
        /// How many lines at most, the newest.
        limit: usize,
    },
    /// End in order, as at SIGTERM.
    Drain,
    /// Log at another level, until the next reload.
    Log {
        /// As `log.level` has it.
        level: String,
    },
    /// Register a user. Answers the code of a join line.
    #[serde(rename = "user add")]
    UserAdd {
        /// Who.
        user: String,
        /// The code is for a certificate, not for a password.
        certificate: bool,
    },
    /// Register a user no more.
    #[serde(rename = "user remove")]
    UserRemove {
        /// Who.
        user: String,
    },
    /// Who is registered?
    #[serde(rename = "user list")]
    UserList,
    /// Give a user a new password or one more certificate. Answers the code of a join line.
    #[serde(rename = "user password")]
    UserPassword {
        /// Who.
        user: String,
        /// The code is for a certificate, not for a password.
        certificate: bool,
    },
    /// Accept a certificate no more.
    #[serde(rename = "cert revoke")]
    CertRevoke(Revoked),
    /// A certificate was issued beside the daemon.
    #[serde(rename = "cert issued")]
    CertIssued(ClientCertificate),
}

/// Which certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Revoked {
    /// All that are known of a user.
    User(String),
    /// The one whose public key has this SHA-256.
    Key(String),
    /// This one, known or not.
    Certificate(ClientCertificate),
}

/// What is said of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// Its user.
    pub user: String,
    /// SHA-256 of its public key.
    pub key: String,
    /// When it ends, in milliseconds since 1970.
    pub until: u64,
}

impl From<Shown> for ClientCertificate {
    fn from(shown: Shown) -> Self {
        let Shown { key, name, until, from: _ } = shown;
        Self { user: name.to_string(), key: Digest(key).to_string(), until }
    }
}

impl Request {
    /// Reads one line.
    ///
    /// # Errors
    /// A sentence: it is no JSON, or no request.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let mut request: Value = serde_json::from_slice(line).map_err(|why| no_request(&why))?;
        match request.as_object_mut().and_then(|fields| fields.remove("version")) {
            None => {}
            Some(version) if version == VERSION => {}
            Some(other) => return Err(format!("this daemon speaks version {VERSION}, not {other}")),
        }
        if let Some(action) = request.as_object().and_then(action::read) {
            return action.map(|action| Self::Action(Box::new(action)));
        }
        serde_json::from_value(request).map_err(|why| match no_request(&why) {
            why if why.contains("unknown variant") => format!("{why}, {}", action::commands()),
            why => why,
        })
    }

    /// As the object that is sent.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut request = match self {
            Self::Action(action) => action::write(action),
            // Every field is text, number or truth, so this cannot fail.
            other => serde_json::to_value(other).unwrap_or_default(),
        };
        request["version"] = VERSION.into();
        request
    }
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// [`VERSION`]
    pub version: u64,
    /// Was it done?
    pub ok: bool,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    /// Why it was not done, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Reply {
    pub(super) fn ok<T: Serialize>(data: &T) -> Self {
        Self { version: VERSION, ok: true, data: serde_json::to_value(data).ok(), error: None }
    }

    pub(super) fn error(why: impl Into<String>) -> Self {
        Self { version: VERSION, ok: false, data: None, error: Some(why.into()) }
    }

    /// As a line.
    pub(super) fn line(&self) -> Vec<u8> {
        // Maps have string keys here and memory does not fail, so this cannot.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_protocol::Against;

    #[test]
    fn requests_are_read_and_others_are_explained() {
        assert_eq!(Request::read(br#"{"command":"status"}"#), Ok(Request::Status));
        assert_eq!(Request::read(br#"{"command":"status","version":1}"#), Ok(Request::Status));
        let newer = Request::read(br#"{"command":"status","version":2}"#);
        assert_eq!(newer, Err("this daemon speaks version 1, not 2".to_owned()));
        let kick = Request::Action(Box::new(Action::Kick(Against::new("bo".parse().unwrap()))));
        assert_eq!(kick.to_json().to_string(), r#"{"command":"kick","user":"bo","version":1}"#);
        assert_eq!(Request::read(br#"{"command":"kick","user":"bo","version":1}"#), Ok(kick));
        let backup = Request::Backup { file: "/x".into() };
        assert_eq!(Request::read(br#"{"command":"backup","file":"/x"}"#), Ok(backup));
        for bad in [
            "",
            "[]",
            r#"{"command":"format"}"#,
            r#"{"command":"kick"}"#,
            r#"{"command":"grant","user":"bo","role":"king"}"#,
            r#"{"command":"say","msg":"x","to":"y"}"#,
        ] {
            assert!(Request::read(bad.as_bytes()).unwrap_err().starts_with("this is no request"), "{bad}");
        }
        let unknown = Request::read(br#"{"command":"format"}"#).unwrap_err();
        assert!(unknown.contains("`status`") && unknown.contains("`room remove`"), "{unknown}");
        assert_eq!(Reply::error("no").line(), b"{\"version\":1,\"ok\":false,\"error\":\"no\"}\n");
        assert_eq!(
            Reply::ok(&serde_json::json!({"a": 1})).line(),
            b"{\"version\":1,\"ok\":true,\"data\":{\"a\":1}}\n"
        );
    }
}
