//! Owns the check of an ENROL: checks the code, and makes the password hash or the certificate that the request
//! asks for, off the async threads. Called by [`super::Unproven`]. Never changes a user: the state does, and checks
//! the code again.

use super::{Enrolled, Gate, Peer, ReadState, check_wait, note_refusal, too_many_logins};
use crate::auth;
use crate::metrics::Reason;
use std::sync::Arc;
use std::time::SystemTime;
use tcp_chat_protocol::request::{Enrol, Wants};
use tcp_chat_protocol::{ErrorKind, Refusal, Timestamp};
use tcp_chat_state::{CodePurpose, Digest, NewCredential};
use zeroize::Zeroizing;

/// Makes the password hash or the certificate that an ENROL asks for, if its code is valid.
pub(super) async fn make(
    enrol: &mut Enrol,
    code: Option<Digest>,
    state: &mut ReadState,
    gate: &Gate,
    peer: Peer<'_>,
) -> Result<NewCredential, Refusal> {
    check_wait(state, gate, peer, None)?;
    if state.checks == 0 {
        return Ok(NewCredential::Nothing);
    }
    state.checks -= 1;
    let grants = match &enrol.wants {
        Wants::Password(_) => CodePurpose::Password,
        Wants::Certificate(_) => CodePurpose::Certificate,
    };
    let (name, user) = {
        let users = gate.0.directory.users();
        let admitted = users.admits(&enrol.name, code, grants, Timestamp::now().0);
        admitted.map(|user| (user.name.clone(), user.id)).inspect_err(|refusal| {
            if refusal.kind == ErrorKind::AuthFailed {
                gate.0.checks.attempts(|attempts, now| attempts.failed(peer.address.ip(), None, now));
                note_refusal(state, gate, peer, Reason::Code);
            }
        })?
    };
    let permit = gate.0.checks.acquire(peer.address.ip()).await.ok_or_else(too_many_logins)?;
    if peer.outbox.is_logged_in() {
        return Ok(NewCredential::Nothing);
    }
    let done = match &mut enrol.wants {
        Wants::Password(password) => {
            let password: Zeroizing<String> = std::mem::take(password);
            let metrics = gate.0.metrics.clone();
            let hash = move || {
                let _permit = permit;
                metrics.net.password_hashed();
                auth::hash(&password).map_err(|e| e.to_string())
            };
            tokio::task::spawn_blocking(hash)
                .await
                .map(|made| made.map(|hash| NewCredential::Password(hash.into())))
        }
        Wants::Certificate(request) => {
            let (tls, request) = (gate.0.certificates.clone(), std::mem::take(request));
            let sign = move || {
                let _permit = permit;
                tls.sign(&request, &name, SystemTime::now())
            };
            match tokio::task::spawn_blocking(sign).await {
                Ok(Err(crate::tls::SignError::Request(why))) => {
                    return Err(Refusal::new(ErrorKind::Data, format!("`csr`: {why}")));
                }
                Ok(Err(crate::tls::SignError::Ca(why))) => Ok(Err(why.to_string())),
                Ok(Ok((shown, pem))) => Ok(Ok(NewCredential::Certificate(Box::new(shown.into()), pem))),
                Err(why) => Err(why),
            }
        }
    };
    match done {
        Ok(Ok(made)) => {
            if let (NewCredential::Password(hash), Some(code)) = (&made, code) {
                state.enrolled = Some(Enrolled { code, user, hash: Arc::clone(hash) });
            }
            Ok(made)
        }
        why => {
            let why = match why {
                Ok(Err(why)) => why,
                Err(why) => why.to_string(),
                Ok(Ok(_)) => String::new(),
            };
            tracing::error!(
                event = "enrol_failed",
                error = why,
                "the password hash or certificate of an ENROL could not be made"
            );
            let msg = "the server could not make the password hash or certificate; its log says why";
            Err(Refusal::new(ErrorKind::Internal, msg))
        }
    }
}
