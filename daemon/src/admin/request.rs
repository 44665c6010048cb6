//! Owns what the control socket can be asked, and how it answers: plain data, for both ends of it.

use crate::chat::Digest;
use crate::tls::Shown;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use tcp_chat_protocol::Role;

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
    /// End a user's sessions, or their time in a room.
    Kick {
        /// Whose.
        user: String,
        /// In which room; left out: on the whole server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A user may say nothing for a while.
    Mute {
        /// Who.
        user: String,
        /// In which room; left out: on the whole server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
        /// For how many seconds; left out: until it is taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_s: Option<u64>,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A user may speak again.
    Unmute {
        /// Who.
        user: String,
        /// In which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
    },
    /// Who is muted?
    Mutes,
    /// A user, a certificate or a range of addresses may not come in for a while.
    Ban {
        /// Whom, as [`crate::chat::Banned`] reads it.
        whom: String,
        /// From which room; left out: from the whole server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
        /// For how many seconds; left out: until it is taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_s: Option<u64>,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// They may come in again.
    Unban {
        /// Whom.
        whom: String,
        /// To which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
    },
    /// Who is banned?
    Bans,
    /// Make a room private or public; a private one is opened if it is not there.
    Room {
        /// Which.
        room: String,
        /// Which of the two.
        private: bool,
    },
    /// Remove a room, its members' places and all that was said in it.
    #[serde(rename = "room remove")]
    RoomRemove {
        /// Which.
        room: String,
    },
    /// What a user is.
    Grant {
        /// Who.
        user: String,
        /// What; left out: nothing in particular.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// In which room; left out: on the whole server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
    },
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
        let no_request = |why: serde_json::Error| format!("this is no request: {why}");
        let mut request: Value = serde_json::from_slice(line).map_err(no_request)?;
        match request.as_object_mut().and_then(|fields| fields.remove("version")) {
            None => {}
            Some(version) if version == VERSION => {}
            Some(other) => return Err(format!("this daemon speaks version {VERSION}, not {other}")),
        }
        serde_json::from_value(request).map_err(no_request)
    }

    /// As the object that is sent.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // Every field is text, number or truth, so this cannot fail.
        let mut request = serde_json::to_value(self).unwrap_or_default();
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

    #[test]
    fn requests_are_read_and_others_are_explained() {
        assert_eq!(Request::read(br#"{"command":"status"}"#), Ok(Request::Status));
        assert_eq!(Request::read(br#"{"command":"status","version":1}"#), Ok(Request::Status));
        let newer = Request::read(br#"{"command":"status","version":2}"#);
        assert_eq!(newer, Err("this daemon speaks version 1, not 2".to_owned()));
        let kick = Request::Kick { user: "bo".into(), room: None, reason: String::new() };
        assert_eq!(kick.to_json().to_string(), r#"{"command":"kick","user":"bo","version":1}"#);
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
        assert_eq!(Reply::error("no").line(), b"{\"version\":1,\"ok\":false,\"error\":\"no\"}\n");
        assert_eq!(
            Reply::ok(&serde_json::json!({"a": 1})).line(),
            b"{\"version\":1,\"ok\":true,\"data\":{\"a\":1}}\n"
        );
    }
}
