//! Owns the step between bytes and TLS records: it decrypts received records in place and encrypts outgoing
//! bytes into [`Sealed`]. Called by `stream`, which has the socket. Never reads or writes one.

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, ReadTraffic,
    UnbufferedStatus, WriteTraffic,
};
use std::io;

/// Ciphertext that waits to be sent. The buffer never shrinks.
#[derive(Debug)]
pub(crate) struct Sealed {
    bytes: Vec<u8>,
    len: usize,
}

/// Why nothing was written into the space of [`Sealed`].
enum NotWritten {
    /// The space is too small; this many bytes are needed.
    Needs(usize),
    Failed(rustls::Error),
}

impl Sealed {
    /// Allocates nothing.
    pub(crate) const EMPTY: Self = Self { bytes: Vec::new(), len: 0 };

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Calls `write` to append to the ciphertext, with as much space as it needs.
    fn append(
        &mut self,
        mut write: impl FnMut(&mut [u8]) -> Result<usize, NotWritten>,
    ) -> Result<(), rustls::Error> {
        loop {
            match write(self.bytes.get_mut(self.len..).unwrap_or_default()) {
                Ok(written) => {
                    self.len += written;
                    return Ok(());
                }
                Err(NotWritten::Needs(bytes)) => self.bytes.resize(self.len + bytes, 0),
                Err(NotWritten::Failed(error)) => return Err(error),
            }
        }
    }

    /// Appends a handshake message or an alert.
    fn append_message<D>(&mut self, data: &mut EncodeTlsData<'_, D>) -> Result<(), rustls::Error> {
        self.append(|space| {
            data.encode(space).map_err(|error| match error {
                EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                    NotWritten::Needs(required_size)
                }
                EncodeError::AlreadyEncoded => NotWritten::Failed(rustls::Error::General(error.to_string())),
            })
        })
    }

    /// Encrypts and appends the outgoing bytes.
    fn append_outgoing<D>(
        &mut self,
        traffic: &mut WriteTraffic<'_, D>,
        outgoing: &Outgoing<'_>,
    ) -> Result<(), rustls::Error> {
        self.append(|space| {
            let written = match outgoing {
                Outgoing::Nothing => Ok(0),
                Outgoing::Data(data) => traffic.encrypt(data, space),
                Outgoing::CloseNotify => traffic.queue_close_notify(space),
            };
            written.map_err(|error| match error {
                EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                    NotWritten::Needs(required_size)
                }
                EncryptError::EncryptExhausted => NotWritten::Failed(rustls::Error::EncryptError),
            })
        })
    }
}

/// The bytes to send when the connection can send them.
pub(crate) enum Outgoing<'a> {
    Nothing,
    Data(&'a [u8]),
    CloseNotify,
}

/// The result of [`process`].
pub(crate) struct Processed {
    /// The number of received bytes that are no longer needed.
    pub(crate) consumed: usize,
    pub(crate) peer_closed: bool,
}

/// Processes received bytes until rustls needs more, passes each piece of plaintext to `keep`, and puts outgoing
/// bytes into `sealed`: alerts and handshake messages, then `outgoing`.
///
/// # Errors
/// `InvalidData` for bytes that are not TLS, a failed handshake, or used-up keys. `sealed` may then contain an
/// alert for the peer.
pub(crate) fn process(
    tls: &mut UnbufferedServerConnection,
    received: &mut [u8],
    sealed: &mut Sealed,
    outgoing: Outgoing<'_>,
    mut keep: impl FnMut(&[u8]),
) -> io::Result<Processed> {
    let mut processed = Processed { consumed: 0, peer_closed: false };
    let mut fault = None;
    loop {
        let rest = received.get_mut(processed.consumed..).unwrap_or_default();
        let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(rest);
        processed.consumed += discard;
        let mut is_done = false;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                processed.consumed += read(&mut traffic, &mut keep).map_err(invalid)?;
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                sealed.append_message(&mut data).map_err(invalid)?;
            }
            // The caller sends it as soon as this function returns.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => processed.peer_closed = true,
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                is_done = true;
                if fault.is_none() {
                    sealed.append_outgoing(&mut traffic, &outgoing).map_err(invalid)?;
                }
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => is_done = true,
            // The configuration never offers early data.
            Ok(_) => return Err(invalid(rustls::Error::HandshakeNotComplete)),
            Err(error) => fault = Some(error),
        }
        // After a fault, only the queued bytes of rustls are taken, which are its alert. rustls reads no more
        // received bytes while something is queued.
        is_done |= fault.is_some() && !tls.wants_write();
        if is_done {
            return match fault {
                None => Ok(processed),
                Some(error) => Err(invalid(error)),
            };
        }
    }
}

/// Passes the plaintext of complete records to `keep`. Returns the number of received bytes that it used.
fn read(
    traffic: &mut ReadTraffic<'_, '_, ServerConnectionData>,
    keep: &mut impl FnMut(&[u8]),
) -> Result<usize, rustls::Error> {
    let mut used = 0;
    while let Some(record) = traffic.next_record() {
        let record = record?;
        used += record.discard;
        keep(record.payload);
    }
    Ok(used)
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
