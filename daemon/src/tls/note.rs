//! Owns the notes about certificates, and their text for the log and for a person. Made by the other modules of
//! `tls`. Never decides whether a note applies.

use super::own::IssueReason;
use super::pair::day;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;
use tcp_chat_protocol::invite::Pin;

/// A fact for the operator. [`TlsNote::log`] writes it to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsNote {
    /// The first start has minted a CA.
    CaMade {
        /// Its certificate.
        file: PathBuf,
        /// The SHA-256 of it.
        pin: Pin,
    },
    /// The daemon has issued a new certificate for itself.
    LeafIssued {
        /// Its path.
        file: PathBuf,
        /// The reason of the issue.
        reason: IssueReason,
        /// The end of its validity.
        until: SystemTime,
    },
    /// The files were replaced, and the new ones are in use.
    Replaced {
        /// The certificate.
        file: PathBuf,
        /// The end of its validity.
        until: SystemTime,
    },
    /// The files were replaced or a renewal is due, but it failed: the old certificate stays in use.
    Kept {
        /// The fault.
        reason: String,
    },
    /// A certificate in use ends soon, or has ended.
    Ends {
        /// Its file.
        file: PathBuf,
        /// The end of its validity.
        until: SystemTime,
        /// Days that remain, rounded up; 0: it has ended.
        days: u64,
    },
    /// All or some clients refuse an operator's certificate.
    Doubtful {
        /// Its file.
        file: PathBuf,
        /// The fault and the remedy.
        reason: String,
    },
    /// Users other than its owner can read a key.
    KeyOpen {
        /// The key.
        file: PathBuf,
    },
}

impl fmt::Display for TlsNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CaMade { file, pin } => {
                write!(f, "{}: a new CA was made; its SHA-256 is {pin}", file.display())
            }
            Self::LeafIssued { file, reason, until } => {
                let until = day(*until);
                write!(f, "{}: a new certificate was issued, good until {until}: {reason}", file.display())
            }
            Self::Replaced { file, until } => {
                write!(f, "{}: the new certificate is in use, good until {}", file.display(), day(*until))
            }
            Self::Kept { reason } => write!(f, "the old certificate stays in use: {reason}"),
            Self::Ends { file, until, days: 0 } => {
                write!(f, "{}: the certificate ended on {}", file.display(), day(*until))
            }
            Self::Ends { file, until, days } => {
                write!(
                    f,
                    "{}: the certificate ends on {}, {days} days from now at most",
                    file.display(),
                    day(*until)
                )
            }
            Self::Doubtful { file, reason } => write!(f, "{}: {reason}", file.display()),
            Self::KeyOpen { file } => {
                write!(f, "{}: other users can read this key; chmod 600 it", file.display())
            }
        }
    }
}

impl TlsNote {
    /// Writes the note to the log.
    pub fn log(&self) {
        match self {
            Self::CaMade { file, pin } => {
                tracing::info!(event = "ca_made", file = %file.display(), pin = %pin, "a new CA was made");
            }
            Self::LeafIssued { file, reason, until } => tracing::info!(
                event = "certificate_issued",
                file = %file.display(),
                reason = %reason,
                until = day(*until),
                "a new certificate was issued"
            ),
            Self::Replaced { file, until } => tracing::info!(
                event = "certificate_replaced",
                file = %file.display(),
                until = day(*until),
                "the new certificate is in use"
            ),
            Self::Kept { reason } => {
                tracing::error!(event = "certificate_kept", reason, "the old certificate stays in use")
            }
            Self::Ends { file, until, days: 0 } => tracing::error!(
                event = "certificate_ended",
                file = %file.display(),
                until = day(*until),
                "the certificate has ended"
            ),
            Self::Ends { file, until, days } => tracing::warn!(
                event = "certificate_ends",
                file = %file.display(),
                until = day(*until),
                days,
                "the certificate ends soon"
            ),
            Self::Doubtful { file, reason } => tracing::warn!(
                event = "certificate_doubtful",
                file = %file.display(),
                reason,
                "clients may refuse the certificate"
            ),
            Self::KeyOpen { file } => tracing::warn!(
                event = "key_open",
                file = %file.display(),
                "other users can read this key"
            ),
        }
    }
}
