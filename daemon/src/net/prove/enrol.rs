//! Owns the check of an ENROL: looks at the code, and makes the password hash or the certificate that it asks for, off
//! the async threads. Called by [`super::Unproven`]. Never changes a user: the chat does, and looks at the code again.

use super::{Enrolled, Gate, Peer, Read, crowded, refused, wait};
use crate::auth;
use crate::chat::{Digest, Gives, Made};
use crate::metrics::Reason;
use std::sync::Arc;
use std::time::SystemTime;
use tcp_chat_protocol::request::{Enrol, Wants};
use tcp_chat_protocol::{ErrorKind, Refusal, Timestamp};
use zeroize::Zeroizing;

/// Makes what an ENROL asks for, if its code is good.
pub(super) async fn make(
    enrol: &mut Enrol,
    code: Option<Digest>,
    read: &mut Read,
    gate: &Gate,
    peer: Peer<'_>,
) -> Result<Made, Refusal> {
    wait(read, gate, peer, None)?;
    if read.checks == 0 {
        return Ok(Made::Nothing);
    }
    read.checks -= 1;
    let gives = match &enrol.wants {
        Wants::Password(_) => Gives::Password,
        Wants::Certificate(_) => Gives::Certificate,
    };
    let (name, user) = {
        let users = gate.0.directory.users();
        let admitted = users.admits(&enrol.name, code, gives, Timestamp::now().0);
        admitted.map(|user| (user.name.clone(), user.id)).inspect_err(|refusal| {
            if refusal.kind == ErrorKind::AuthFailed {
                gate.0.checks.attempts(|attempts, now| attempts.failed(peer.address.ip(), None, now));
                refused(read, gate, peer, Reason::Code);
            }
        })?
    };
    let turn = gate.0.checks.turn(peer.address.ip()).await.ok_or_else(crowded)?;
    if peer.outbox.is_logged_in() {
        return Ok(Made::Nothing);
    }
    let done = match &mut enrol.wants {
        Wants::Password(password) => {
            let password: Zeroizing<String> = std::mem::take(password);
            let metrics = gate.0.metrics.clone();
            let hash = move || {
                let _turn = turn;
                metrics.net.password_hashed();
                auth::hash(&password).map_err(|e| e.to_string())
            };
            tokio::task::spawn_blocking(hash).await.map(|made| made.map(|hash| Made::Password(hash.into())))
        }
        Wants::Certificate(request) => {
            let (tls, request) = (gate.0.certificates.clone(), std::mem::take(request));
            let sign = move || {
                let _turn = turn;
                tls.sign(&request, &name, SystemTime::now())
            };
            match tokio::task::spawn_blocking(sign).await {
                Ok(Err(crate::tls::NotSigned::Request(why))) => {
                    return Err(Refusal::new(ErrorKind::Data, format!("`csr`: {why}")));
                }
                Ok(Err(crate::tls::NotSigned::Ca(why))) => Ok(Err(why.to_string())),
                Ok(Ok((shown, pem))) => Ok(Ok(Made::Certificate(Box::new(shown.into()), pem))),
                Err(why) => Err(why),
            }
        }
    };
    match done {
        Ok(Ok(made)) => {
            if let (Made::Password(hash), Some(code)) = (&made, code) {
                read.enrolled = Some(Enrolled { code, user, hash: Arc::clone(hash) });
            }
            Ok(made)
        }
        why => {
            let why = match why {
                Ok(Err(why)) => why,
                Err(why) => why.to_string(),
                Ok(Ok(_)) => String::new(),
            };
            tracing::error!(event = "enrol_failed", error = why, "what an ENROL asks for could not be made");
            let msg = "the server could not make it; its log says why";
            Err(Refusal::new(ErrorKind::Internal, msg))
        }
    }
}
