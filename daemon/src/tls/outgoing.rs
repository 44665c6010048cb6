//! Owns the check of the files with which this daemon is a client of another service: its certificate and key, and the CA of
//! that service. Called by the login of a cluster at NATS. Never connects, and never keeps what it has read.

use super::pair::{self, Pair, content};
use super::{Fault, TlsError};
use std::path::Path;
use std::time::SystemTime;

/// Checks a certificate with its key: both can be read, they belong together, and the certificate is valid now.
///
/// # Errors
/// The first fault, with the file. [`Outdated`](ClientFault::Outdated) if only the time is wrong.
pub fn check_client_pair(certificate: &Path, key: &Path, now: SystemTime) -> Result<(), ClientFault> {
    let pair = Pair::read(certificate, key)?;
    match pair.facts.validity_fault(now) {
        Some(why) => Err(ClientFault::Outdated(content(certificate, why))),
        None => Ok(()),
    }
}

/// Checks that a file has certificates.
///
/// # Errors
/// It cannot be read, or it has none.
pub fn check_ca(file: &Path) -> Result<(), ClientFault> {
    pair::read_chain(file)?;
    Ok(())
}

/// What is wrong with such a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// The file cannot be used.
    #[error("{0}")]
    File(#[from] TlsError),
    /// The certificate is not valid now. Another one in its place helps.
    #[error("{0}")]
    Outdated(TlsError),
}

impl ClientFault {
    /// The file and the fault.
    #[must_use]
    pub fn error(&self) -> &TlsError {
        let (Self::File(error) | Self::Outdated(error)) = self;
        error
    }

    /// Whether the permission to read it is missing.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        self.error().fault == Fault::Permission
    }
}
