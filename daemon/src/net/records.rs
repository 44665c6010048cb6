//! Owns the step between bytes and TLS records, over rustls's interface without buffers: what has
//! arrived is opened where it lies, what is to be sent is sealed into a buffer of the thread. Called by
//! `stream`, which has the socket. Never reads or writes one.

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use std::io;

/// Ciphertext on its way out; the buffer never shrinks.
#[derive(Debug)]
pub(super) struct Sealed {
    bytes: Vec<u8>,
    len: usize,
}

impl Sealed {
    /// Owns no memory yet.
    pub(super) const EMPTY: Self = Self { bytes: Vec::new(), len: 0 };

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Has `put` write behind what is there; it says how much, or how much room it needs.
    fn append(
        &mut self,
        mut put: impl FnMut(&mut [u8]) -> Result<usize, Result<usize, rustls::Error>>,
    ) -> Result<(), rustls::Error> {
        loop {
            match put(self.bytes.get_mut(self.len..).unwrap_or_default()) {
                Ok(written) => {
                    self.len += written;
                    return Ok(());
                }
                Err(Ok(needed)) => self.bytes.resize(self.len + needed, 0),
                Err(Err(why)) => return Err(why),
            }
        }
    }

    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What is to be sealed once the connection can.
pub(super) enum Wish<'a> {
    Nothing,
    Data(&'a [u8]),
    Goodbye,
}

/// What [`process`] came to.
pub(super) struct Processed {
    /// Bytes that are not needed any more.
    pub(super) consumed: usize,
    pub(super) peer_closed: bool,
}

/// Goes through what has arrived until more is needed, and fulfils the wish.
pub(super) fn process(
    tls: &mut UnbufferedServerConnection,
    arrived: &mut [u8],
    sealed: &mut Sealed,
    wish: Wish<'_>,
    mut keep: impl FnMut(&[u8]),
) -> io::Result<Processed> {
    let mut processed = Processed { consumed: 0, peer_closed: false };
    let mut fault = None;
    loop {
        let rest = arrived.get_mut(processed.consumed..).unwrap_or_default();
        let UnbufferedStatus { mut discard, state, .. } = tls.process_tls_records(rest);
        let mut is_over = false;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(invalid)?;
                    discard += record.discard;
                    keep(record.payload);
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => sealed
                .append(|room| {
                    data.encode(room).map_err(|why| match why {
                        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                            Ok(required_size)
                        }
                        EncodeError::AlreadyEncoded => Err(rustls::Error::General(why.to_string())),
                    })
                })
                .map_err(invalid)?,
            // Sent as soon as this is over.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => processed.peer_closed = true,
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                is_over = true;
                if fault.is_none() {
                    sealed
                        .append(|room| {
                            let put = match wish {
                                Wish::Nothing => Ok(0),
                                Wish::Data(data) => traffic.encrypt(data, room),
                                Wish::Goodbye => traffic.queue_close_notify(room),
                            };
                            put.map_err(|why| match why {
                                EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                                    Ok(required_size)
                                }
                                EncryptError::EncryptExhausted => Err(rustls::Error::EncryptError),
                            })
                        })
                        .map_err(invalid)?;
                }
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => is_over = true,
            // Early data is never offered.
            Ok(_) => return Err(invalid(rustls::Error::HandshakeNotComplete)),
            Err(why) => fault = Some(why),
        }
        processed.consumed += discard;
        // After a fault only what is queued is taken out, its alert: what has arrived is not looked at
        // again, and rustls does not once something is queued.
        is_over |= fault.is_some() && !tls.wants_write();
        if is_over {
            return match fault {
                None => Ok(processed),
                Some(why) => Err(invalid(why)),
            };
        }
    }
}

fn invalid(why: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
