//! Owns the text of a failed handshake for the log. Called by `net`. Never decides anything.

use rustls::{AlertDescription, CertificateError, Error};
use std::io;

/// The reason why a handshake failed. For an error below TLS, the sentence of the system.
#[must_use]
pub fn handshake_failure(why: &io::Error) -> String {
    let Some(tls) = why.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return why.to_string();
    };
    match tls {
        Error::InvalidCertificate(why) => {
            format!("the client's certificate is refused: {}", of_the_client(why))
        }
        Error::NoCertificatesPresented => "the client shows no certificate, and one is required".into(),
        Error::AlertReceived(alert) => format!("the client ended the handshake: {}", alert_in_words(*alert)),
        Error::PeerIncompatible(_) => {
            "the client has no version, cipher or key exchange of TLS in common".into()
        }
        Error::NoApplicationProtocol => "the client offers only other protocols (ALPN)".into(),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "the received bytes are not a TLS handshake".into()
        }
        _ => "the client's TLS is faulty, or the handshake was damaged on the way".into(),
    }
}

fn of_the_client(why: &CertificateError) -> &'static str {
    use CertificateError as C;
    match why {
        C::UnknownIssuer => "no CA of clients has signed it (tls.client_ca)",
        C::BadSignature => "a CA of clients has its signer's name, but another key (tls.client_ca)",
        C::Expired | C::ExpiredContext { .. } => "it has expired",
        C::NotValidYet | C::NotValidYetContext { .. } => "its time has not come yet",
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "it is not for clients (extendedKeyUsage has no clientAuth)"
        }
        C::BadEncoding => "it is damaged",
        _ => {
            "it is a CA's own, of X.509 version 1, signed with an old hash, or its CA must not sign such a certificate"
        }
    }
}

/// The text of an alert with its number in RFC 8446 (6.2).
fn alert_in_words(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let words = match alert {
        A::UnknownCA => "it does not trust the CA",
        A::CertificateExpired => "to it, the certificate's time is over or has not come",
        A::BadCertificate | A::CertificateUnknown | A::UnsupportedCertificate => "it refuses the certificate",
        A::ProtocolVersion => "it has no version of TLS in common",
        A::HandshakeFailure => "it has nothing in common",
        A::CloseNotify | A::UserCanceled => "it closed the connection",
        _ => return format!("alert {}", u8::from(alert)),
    };
    format!("{words} (alert {})", u8::from(alert))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_handshake_is_told_in_words() {
        let certificates = [
            CertificateError::UnknownIssuer,
            CertificateError::BadSignature,
            CertificateError::Expired,
            CertificateError::InvalidPurpose,
            CertificateError::UnhandledCriticalExtension,
        ];
        let errors = certificates.into_iter().map(Error::InvalidCertificate).chain([
            Error::NoCertificatesPresented,
            Error::AlertReceived(AlertDescription::UnknownCA),
            Error::AlertReceived(AlertDescription::InternalError),
            Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered),
            Error::General("unexpected".into()),
        ]);
        for error in errors {
            let theirs = error.to_string();
            let ours = handshake_failure(&io::Error::new(io::ErrorKind::InvalidData, error));
            assert!(
                ours != theirs && !ours.contains("invalid peer") && !ours.contains("UnknownCA"),
                "{ours}"
            );
        }
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(handshake_failure(&reset), reset.to_string());
        let alert = Error::AlertReceived(AlertDescription::UnknownCA);
        let said = handshake_failure(&io::Error::other(alert));
        assert_eq!(said, "the client ended the handshake: it does not trust the CA (alert 48)");
    }
}
