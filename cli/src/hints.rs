//! Owns what a user can do about a failed login or a refused room: the sentences behind a failure. Called by all modes. Never
//! connects, and never prints.

use crate::exit::Failure;
use crate::settings::Settings;
use tcp_chat_client::protocol::ErrorKind;
use tcp_chat_client::{Error, RefusalKind};

/// The failure, with sentences about the remedy.
#[must_use]
pub fn explained(e: Error, settings: &Settings) -> Failure {
    let hints = hints(&e, settings);
    hints.into_iter().fold(Failure::from(e), Failure::hint)
}

/// What to do about it, in sentences. Empty: there is no hint for it.
pub(crate) fn hints(e: &Error, settings: &Settings) -> Vec<String> {
    let hint = match e {
        Error::LoginRefused { kind: ErrorKind::NameTaken, msg } if !is_of_a_room(msg) => {
            return vec![
                format!(
                    "Another user has the name {} or a similar one, or had it until a moment ago.",
                    settings.name
                ),
                "Give another name with --name NAME, or wait until the name is free.".into(),
            ];
        }
        Error::CertificateRefused(refusal) => match refusal.kind {
            RefusalKind::UnknownIssuer | RefusalKind::WrongPin => {
                "Nothing was sent. If the server is right and has a new CA, ask its operator for the new pin or CA."
            }
            RefusalKind::WrongName => {
                "Nothing was sent. Use a name that it is for, or ask the operator to add this one (tls.names)."
            }
            RefusalKind::Expired | RefusalKind::NotYetValid => {
                "Nothing was sent. Look at this machine's clock (`date`); if it is right, the operator has to renew the certificate."
            }
            _ => "Nothing was sent. Only the server's operator can mend it: `tcp-chatd check` says how.",
        },
        Error::LoginRefused { kind: ErrorKind::AuthFailed, msg } => login_remedy(msg, settings),
        Error::LoginRefused { kind: ErrorKind::NameTaken, .. } => {
            "There is no room of that name. Give the room that is meant with --room NAME, as the server writes it."
        }
        _ => return Vec::new(),
    };
    vec![hint.into()]
}

/// A room that the session could not join. A refused name is reported as at a login with the room.
#[must_use]
pub fn not_joined(e: Error, settings: &Settings) -> Failure {
    match e {
        Error::Refused { kind: kind @ ErrorKind::NameTaken, msg, .. } => {
            explained(Error::LoginRefused { kind, msg }, settings)
        }
        e => Failure::from(e),
    }
}

/// The remedy for a refused login.
fn login_remedy(msg: &str, settings: &Settings) -> &'static str {
    let about_certificate = msg.contains("certificate");
    if msg.contains("log in under that name") {
        "Give that name with --name NAME, or another certificate with --cert FILE --key FILE."
    } else if settings.identity.is_some()
        && (msg.contains("is for no user") || msg.contains("not accept the client"))
        && !(msg.contains("expired") || msg.contains("revoked"))
    {
        "Ask for another certificate: its common name (CN) is your name, and it is for clients (clientAuth)."
    } else if settings.identity.is_some() && (msg.contains("expired") || msg.contains("revoked")) {
        "Ask the operator for a new join line."
    } else if settings.identity.is_some() {
        "Look at --name and the password: the certificate may be another user's, have expired or been revoked. The operator can give you a new join line."
    } else if msg.contains("asks for a client certificate") {
        "Give yours with --cert FILE --key FILE, or ask the operator for a join line (user add NAME --cert)."
    } else if settings.password.is_none() && about_certificate {
        "Give the password with --password-file FILE; if you have none yet, ask the operator for a join line."
    } else {
        "Look at --name and the password; the operator can give you a new join line."
    }
}

/// Whether the refused name is a room's. The kind is the same as for a user's name; only the beginning of the
/// sentence differs.
pub(crate) fn is_of_a_room(msg: &str) -> bool {
    msg.starts_with("the room ")
}
