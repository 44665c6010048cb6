//! Owns the requests and replies of the control socket. Plain data, used by the daemon and by its command line.
//! Never handles a request.

use super::action::{ActionRequest, invalid_request};
use crate::tls::ClientFacts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use tcp_chat_state::Digest;

/// The version of the control socket's protocol. A request may name the version that it means (`"version": 1`); a
/// reply always does.
pub const VERSION: u64 = 1;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum AdminRequest {
    /// Report the status.
    Status,
    /// Read the configuration again.
    Reload,
    /// Copy the store.
    Backup {
        /// The absolute path of the copy: the daemon's working directory is not the caller's.
        file: PathBuf,
    },
    /// Send a notice to every connected user.
    Say {
        /// The text.
        msg: String,
    },
    /// List the sessions.
    Who,
    /// List the rooms.
    Rooms,
    /// List the mutes.
    Mutes,
    /// List the bans.
    Bans,
    /// List the grants.
    Grants,
    /// List the newest lines of the audit log.
    Audit {
        /// The largest number of lines.
        limit: usize,
    },
    /// Stop in an orderly way, as at SIGTERM.
    Drain,
    /// Set the log level until the next reload.
    Log {
        /// The level, in the form of `log.level`.
        level: String,
    },
    /// Register a user. The reply has the code of a join line.
    #[serde(rename = "user add")]
    UserAdd {
        /// The user.
        user: String,
        /// Whether the code is for a certificate instead of a password.
        certificate: bool,
    },
    /// Remove a registered user.
    #[serde(rename = "user remove")]
    UserRemove {
        /// The user.
        user: String,
    },
    /// Erase a user, registered or not. The reply comes when all is done, and has the new name.
    #[serde(rename = "user erase")]
    UserErase {
        /// The user.
        user: String,
        /// Whether bans and mutes of the name end with it. Otherwise such a user is not erased.
        #[serde(default)]
        lift: bool,
    },
    /// List the registered users.
    #[serde(rename = "user list")]
    UserList,
    /// Give a user a code for a new password or for another certificate. The reply has the code of a join line.
    #[serde(rename = "user password")]
    UserPassword {
        /// The user.
        user: String,
        /// Whether the code is for a certificate instead of a password.
        certificate: bool,
    },
    /// Revoke certificates.
    #[serde(rename = "cert revoke")]
    CertRevoke(Revoked),
    /// Register a certificate that the command line issued.
    #[serde(rename = "cert issued")]
    CertIssued(ClientCertificate),
    /// Take a moderation action: an object of its own.
    #[serde(skip)]
    Action(ActionRequest),
}

/// The certificates to revoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Revoked {
    /// All known certificates of a user.
    User(String),
    /// The certificate whose public key has this SHA-256.
    Key(String),
    /// This certificate, known or not.
    Certificate(ClientCertificate),
}

/// The facts about a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// The user in it.
    pub user: String,
    /// SHA-256 of its public key.
    pub key: String,
    /// The end of its validity, in milliseconds since 1970.
    pub until: u64,
}

impl From<ClientFacts> for ClientCertificate {
    fn from(shown: ClientFacts) -> Self {
        let ClientFacts { key, name, until, from: _ } = shown;
        Self { user: name.to_string(), key: Digest(key).to_string(), until }
    }
}

impl AdminRequest {
    /// Reads one line.
    ///
    /// # Errors
    /// The sentence for a line that is not JSON, or not a request.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let mut request: Value = serde_json::from_slice(line).map_err(|why| invalid_request(&why))?;
        match request.as_object_mut().and_then(|fields| fields.remove("version")) {
            None => {}
            Some(version) if version == VERSION => {}
            Some(other) => return Err(format!("this daemon speaks version {VERSION}, not {other}")),
        }
        let actions = ActionRequest::COMMANDS;
        let command = request.get("command").and_then(Value::as_str);
        if command.is_some_and(|command| actions.contains(&command)) {
            return serde_json::from_value(request).map(Self::Action).map_err(|why| invalid_request(&why));
        }
        serde_json::from_value(request).map_err(|why| match invalid_request(&why) {
            why if why.contains("unknown variant") => {
                format!("{why}, {}", actions.map(|command| format!("`{command}`")).join(", "))
            }
            why => why,
        })
    }

    /// The JSON object of the request.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // Each field is a text, a number or a boolean, so this cannot fail.
        let request = match self {
            Self::Action(asked) => serde_json::to_value(asked),
            other => serde_json::to_value(other),
        };
        let mut request = request.unwrap_or_default();
        request["version"] = VERSION.into();
        // A field without a value is left out.
        request.as_object_mut().into_iter().for_each(|fields| fields.retain(|_, value| !value.is_null()));
        request
    }
}

/// The reply to one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdminReply {
    /// [`VERSION`]
    pub version: u64,
    /// Whether the request was done.
    pub ok: bool,
    /// The data of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    /// The sentence why the request was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl AdminReply {
    pub(super) fn ok<T: Serialize>(data: &T) -> Self {
        Self { version: VERSION, ok: true, data: serde_json::to_value(data).ok(), error: None }
    }

    pub(super) fn error(why: impl Into<String>) -> Self {
        Self { version: VERSION, ok: false, data: None, error: Some(why.into()) }
    }

    /// The reply as a line.
    pub(super) fn line(&self) -> Vec<u8> {
        // All map keys are strings and the output is in memory, so this cannot fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Unban;

    #[test]
    fn requests_are_read_and_others_are_explained() {
        assert_eq!(AdminRequest::read(br#"{"command":"status"}"#), Ok(AdminRequest::Status));
        assert_eq!(AdminRequest::read(br#"{"command":"status","version":1}"#), Ok(AdminRequest::Status));
        let newer = AdminRequest::read(br#"{"command":"status","version":2}"#);
        assert_eq!(newer, Err("this daemon speaks version 1, not 2".to_owned()));
        let unban = Unban { whom: "bo".to_owned(), room: None, json: false };
        let unban = AdminRequest::Action(ActionRequest::Unban(unban));
        assert_eq!(unban.to_json().to_string(), r#"{"command":"unban","version":1,"whom":"bo"}"#);
        assert_eq!(AdminRequest::read(br#"{"command":"unban","whom":"bo","version":1}"#), Ok(unban));
        let backup = AdminRequest::Backup { file: "/x".into() };
        assert_eq!(AdminRequest::read(br#"{"command":"backup","file":"/x"}"#), Ok(backup));
        for bad in [
            "",
            "[]",
            r#"{"command":"format"}"#,
            r#"{"command":"kick"}"#,
            r#"{"command":"grant","user":"bo","role":"king"}"#,
            r#"{"command":"say","msg":"x","to":"y"}"#,
        ] {
            assert!(
                AdminRequest::read(bad.as_bytes()).unwrap_err().starts_with("this is not a valid request"),
                "{bad}"
            );
        }
        let unknown = AdminRequest::read(br#"{"command":"format"}"#).unwrap_err();
        assert!(unknown.contains("`status`") && unknown.contains("`room remove`"), "{unknown}");
        assert_eq!(AdminReply::error("no").line(), b"{\"version\":1,\"ok\":false,\"error\":\"no\"}\n");
        assert_eq!(
            AdminReply::ok(&serde_json::json!({"a": 1})).line(),
            b"{\"version\":1,\"ok\":true,\"data\":{\"a\":1}}\n"
        );
    }
}
