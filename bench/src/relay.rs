//! Owns the bare relay, a yardstick and no peer: tokio and rustls that pass lines on, without names, rooms, checks or a store.
//! Called by `main`; `bench/compare` runs it as a server. Never used by the daemon.
//!
//! It answers a line with `LOGIN` and passes any other line on to all connections that have logged in, in the order of its
//! arrival: one task for each connection, and one buffer of waiting bytes.

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// A buffer that has become larger than this is given up once it is empty.
const KEPT_BYTES: usize = 4096;

/// The bytes that wait for a connection.
#[derive(Default)]
struct Pending {
    bytes: Mutex<Vec<u8>>,
    came: Notify,
}

impl Pending {
    fn push(&self, line: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = bytes.is_empty();
        bytes.extend_from_slice(line);
        drop(bytes);
        if is_first {
            self.came.notify_one();
        }
    }

    fn take_into(&self, out: &mut Vec<u8>) {
        std::mem::swap(out, &mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The connections that have logged in.
type Members = Arc<Mutex<Vec<Arc<Pending>>>>;

/// Relays until the process is ended.
pub(crate) fn run(address: SocketAddr, certificate: &Path, key: &Path) -> Result<()> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{}: no certificate can be read from it", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("{}: no key can be read from it", key.display()))?;
    let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let tls = TlsAcceptor::from(Arc::new(tls));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let members = Members::default();
        loop {
            let (socket, _) = listener.accept().await?;
            #[expect(clippy::disallowed_methods, reason = "it ends with the process")]
            tokio::spawn(serve(socket, tls.clone(), members.clone()));
        }
    })
}

async fn serve(socket: TcpStream, tls: TlsAcceptor, members: Members) {
    let own = Arc::new(Pending::default());
    // A lost connection is no matter of the relay.
    let _ = relay(socket, tls, &members, &own).await;
    members.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, &own));
}

async fn relay(socket: TcpStream, tls: TlsAcceptor, members: &Members, own: &Arc<Pending>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = tls.accept(socket).await?;
    let (mut read, mut out) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            count = stream.read_buf(&mut read) => {
                if count? == 0 {
                    return Ok(());
                }
                let end = memchr::memrchr(b'\n', &read).map_or(0, |at| at + 1);
                let mut members = members.lock().unwrap_or_else(PoisonError::into_inner);
                for line in read[..end].split_inclusive(|byte| *byte == b'\n') {
                    if memchr::memmem::find(line, b"\"LOGIN\"").is_some() {
                        members.push(own.clone());
                        own.push(b"{\"op\":\"LOGIN\",\"status\":\"OK\"}\n");
                    } else {
                        members.iter().for_each(|member| member.push(line));
                    }
                }
                drop(members);
                read.drain(..end);
                if read.is_empty() {
                    read = Vec::new();
                }
            }
            () = own.came.notified() => {
                own.take_into(&mut out);
                stream.write_all(&out).await?;
                stream.flush().await?;
                out.clear();
                if out.capacity() > KEPT_BYTES {
                    out = Vec::new();
                }
            }
        }
    }
}
