//! Owns the check of an ENROL: checks the code, and makes the password hash or the certificate that the request
//! asks for, off the async threads. Called by [`super::Unproven`]. Never changes a user: the state does, and checks
//! the code again.

use super::{Enrolled, Gate, Peer, ReadState, check_wait, note_refusal, too_many_logins};
use crate::auth::{CheckedCode, EnrolProof};
use crate::metrics::Reason;
use crate::tls::SignError;
use std::sync::Arc;
use std::time::SystemTime;
use tcp_chat_protocol::request::{Enrol, Wants};
use tcp_chat_protocol::{ErrorKind, Refusal, Timestamp};
use tcp_chat_state::{CodePurpose, Digest, NewCredential};

/// Makes the password hash or the certificate that an ENROL asks for, if its code is valid.
pub(super) async fn make(
    Enrol { name, wants, .. }: Enrol,
    code: Option<Digest>,
    state: &mut ReadState,
    gate: &Gate,
    peer: Peer<'_>,
) -> Result<EnrolProof, Refusal> {
    check_wait(state, gate, peer, None)?;
    if state.checks == 0 {
        return Ok(EnrolProof::nothing(name, code));
    }
    state.checks -= 1;
    let purpose = match &wants {
        Wants::Password(_) => CodePurpose::Password,
        Wants::Certificate(_) => CodePurpose::Certificate,
    };
    let checked = {
        let users = gate.0.directory.users();
        let now = Timestamp::now().0;
        CheckedCode::check(name.clone(), code, purpose, &users, now).inspect_err(|refusal| {
            if refusal.kind == ErrorKind::AuthFailed {
                gate.0.checks.attempts(|attempts, now| attempts.failed(peer.address.ip(), None, now));
                note_refusal(state, gate, peer, Reason::Code);
            }
        })?
    };
    let permit = gate.0.checks.acquire(peer.address.ip()).await.ok_or_else(too_many_logins)?;
    if peer.outbox.is_logged_in() {
        return Ok(EnrolProof::nothing(name, code));
    }
    let user = checked.user();
    let made = match wants {
        Wants::Password(password) => {
            let metrics = gate.0.metrics.clone();
            let hash = move || {
                let _permit = permit;
                metrics.net.password_hashed();
                checked.password(&password).map_err(|why| why.to_string())
            };
            tokio::task::spawn_blocking(hash).await
        }
        Wants::Certificate(request) => {
            let tls = gate.0.certificates.clone();
            let sign = move || {
                let _permit = permit;
                let signed = tls.sign(&request, checked.user_name(), SystemTime::now());
                signed.map(|(shown, pem)| checked.certificate(shown.into(), pem))
            };
            match tokio::task::spawn_blocking(sign).await {
                Ok(Err(SignError::Request(why))) => {
                    return Err(Refusal::new(ErrorKind::Data, format!("`csr`: {why}")));
                }
                Ok(Err(SignError::Ca(why))) => Ok(Err(why.to_string())),
                Ok(Ok(proof)) => Ok(Ok(proof)),
                Err(why) => Err(why),
            }
        }
    };
    let proof = made.unwrap_or_else(|why| Err(why.to_string())).map_err(|why| {
        tracing::error!(
            event = "enrol_failed",
            error = why,
            "the password hash or certificate of an ENROL could not be made"
        );
        let msg = "the server could not make the password hash or certificate; its log says why";
        Refusal::new(ErrorKind::Internal, msg)
    })?;
    if let (NewCredential::Password(hash), Some(code)) = (proof.credential(), code) {
        state.enrolled = Some(Enrolled { code, user, hash: Arc::clone(hash) });
    }
    Ok(proof)
}
