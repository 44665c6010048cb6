//! Owns the enrolment of a registered user: the code of a join line becomes a password or a certificate, on a
//! connection of its own before any session. The key of a certificate is generated here and never leaves this
//! side. Called by the program. Never stores anything.

use crate::dial::{ServerTarget, dial};
use crate::trust::client_config;
use crate::wire::Connection;
use crate::{Error, Trust};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::invite::Join;
use tcp_chat_protocol::reply::{EnrolReply, Incoming};
use tcp_chat_protocol::request::{Enrol, Request, Wants, write};
use tcp_chat_protocol::{Name, RequestId};
use zeroize::Zeroizing;

/// The parameters of an enrolment.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The trusted CA or pin.
    pub trust: Trust,
    /// The user and the code.
    pub join: Join,
    /// The time for connection and reply together.
    pub timeout: Duration,
}

/// A new key, and the certificate request for it.
#[derive(Debug)]
pub struct NewKey {
    /// The key as PEM; it must be readable by its user only.
    pub key: Zeroizing<String>,
    request: String,
}

impl NewKey {
    /// Generates an ECDSA key on P-256.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the system has no randomness.
    pub fn make(user: &Name) -> Result<Self, Error> {
        let broken = |_: rcgen::Error| {
            Error::Invalid("a key cannot be made: the system gives no random numbers".into())
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(broken)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, user.as_str());
        let request = params.serialize_request(&key).and_then(|request| request.pem()).map_err(broken)?;
        Ok(Self { key: Zeroizing::new(key.serialize_pem()), request })
    }
}

impl Enrolment {
    /// Sets the password.
    ///
    /// # Errors
    /// As for a login; [`Error::LoginRefused`] if the code is wrong, used or expired.
    pub async fn password(&self, password: &str) -> Result<(), Error> {
        self.ask(Wants::Password(Zeroizing::new(password.to_owned()))).await.map(drop)
    }

    /// Fetches the certificate for a new key, as PEM.
    ///
    /// # Errors
    /// As for [`Enrolment::password`].
    pub async fn certificate(&self, key: &NewKey) -> Result<String, Error> {
        let reply = self.ask(Wants::Certificate(key.request.clone())).await?;
        reply.certificate.ok_or_else(|| Error::Protocol("the answer to ENROL has no certificate".into()))
    }

    async fn ask(&self, wants: Wants) -> Result<EnrolReply, Error> {
        let tls = Arc::new(client_config(&self.trust, None)?);
        let target = ServerTarget { host: self.host.clone(), port: self.port, tls, timeout: self.timeout };
        let began = tokio::time::Instant::now();
        let mut connection = Connection::new(dial(&target).await?, target.clone());
        let id = RequestId::Number(1);
        let Join { user, code, .. } = &self.join;
        let enrol = Enrol { name: user.clone(), code: code.clone(), wants };
        write(Some(&id), &Request::Enrol(Box::new(enrol)), &mut connection.writer.out);
        let asking = async {
            if let Err(e) = connection.writer.finish().await {
                // The server's last message explains more than the failed write.
                return match connection.reader.next().await {
                    Ok(Incoming::Error(_, e)) => Err(Error::LoginRefused { kind: e.kind, msg: e.msg }),
                    Ok(_) => Err(Error::Protocol(format!("the connection broke during ENROL: {e}"))),
                    Err(why) => Err(why),
                };
            }
            loop {
                match connection.reader.next().await? {
                    Incoming::Reply { id: Some(answered), data, .. } if answered == id => {
                        return serde_json::from_str(data.get())
                            .map_err(|e| Error::misread("the answer to ENROL", &e));
                    }
                    Incoming::Error(_, e) => return Err(Error::LoginRefused { kind: e.kind, msg: e.msg }),
                    _ => {}
                }
            }
        };
        let after = self.timeout;
        let reply = tokio::time::timeout(after.saturating_sub(began.elapsed()), asking).await;
        connection.writer.close().await;
        reply.map_err(|_| Error::TimedOut { what: "ENROL", after })?
    }
}
