//! Owns what there is to say about certificates: to the log, to a person. Never decides that it
//! is so.

use super::own::Reason;
use super::pair::day;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;
use tcp_chat_protocol::invite::Pin;

/// Something that an operator should know. [`TlsNote::log`] says it in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsNote {
    /// A first start: there is a CA now.
    CaMade {
        /// Its certificate.
        file: PathBuf,
        /// The SHA-256 of it.
        pin: Pin,
    },
    /// The daemon has a new certificate of its own.
    LeafIssued {
        /// Where it is.
        file: PathBuf,
        /// Why it was made.
        reason: Reason,
        /// Until when it is good.
        until: SystemTime,
    },
    /// Somebody replaced the files, and the new ones are in use.
    Replaced {
        /// The certificate.
        file: PathBuf,
        /// Until when it is good.
        until: SystemTime,
    },
    /// Somebody replaced the files, or a renewal is due, and it did not work: the old certificate
    /// goes on being used.
    Kept {
        /// What is wrong.
        reason: String,
    },
    /// A certificate in use ends soon, or has ended.
    Ends {
        /// Which.
        file: PathBuf,
        /// When.
        until: SystemTime,
        /// Days that are left, rounded up; 0: it has ended.
        days: u64,
    },
    /// Clients refuse an operator's certificate, or some do.
    Doubtful {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it, and the remedy.
        reason: String,
    },
    /// A key can be read by others than its owner.
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
            Self::Kept { reason } => write!(f, "the certificate from before is kept: {reason}"),
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
                write!(f, "{}: others than its owner can read this key; chmod 600 it", file.display())
            }
        }
    }
}

impl TlsNote {
    /// Says it in the log.
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
                tracing::error!(event = "certificate_kept", reason, "the certificate from before is kept")
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
                "others than its owner can read this key"
            ),
        }
    }
}
