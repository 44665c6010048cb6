//! Owns ENROL: a code becomes a password or a certificate. Called by [`State::apply`]. Never makes either of them: the
//! net has made it, in [`NewCredential`].

use crate::users::certificates::Certificate;
use crate::users::{CodePurpose, User};
use crate::{Answer, Done, EnrolOp, Source, State, refusal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tcp_chat_protocol::ErrorKind;
use tcp_chat_protocol::reply::EnrolReply;

/// The new credential of an ENROL, made by the net.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewCredential {
    /// The code was not valid: nothing was made.
    Nothing,
    /// The Argon2id hash of the new password.
    Password(Arc<str>),
    /// The new certificate, and its PEM form.
    Certificate(Box<Certificate>, String),
}

impl std::fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Password(_) => "Password(…)",
            Self::Certificate(..) => "Certificate(…)",
        })
    }
}

impl State {
    /// Turns a code into a password or a certificate.
    pub(crate) fn enrol(&mut self, source: Source, EnrolOp { name, code, made }: EnrolOp) -> Answer<Done> {
        if self.session_of(source).is_some() {
            return Err(refusal(ErrorKind::AlreadyLoggedIn, "this connection is logged in already"));
        }
        let gives = match &made {
            NewCredential::Nothing => return Err(Self::auth_failed()),
            NewCredential::Password(_) => CodePurpose::Password,
            NewCredential::Certificate(..) => CodePurpose::Certificate,
        };
        let user = self.users.admits(&name, code, gives, self.turn.time())?.clone();
        // Only a client with the code learns of it.
        self.is_not_banned(&user.name, None)?;
        let mut changed = User { code: None, ..user };
        let mut data = EnrolReply { name: changed.name.to_string(), certificate: None };
        match made {
            NewCredential::Password(hash) => changed.password = Some(hash),
            NewCredential::Certificate(certificate, pem) => {
                self.know(*certificate);
                data.certificate = Some(pem);
            }
            NewCredential::Nothing => {}
        }
        self.put_user(changed);
        Ok(Done::Enrolled(Box::new(data)))
    }
}
