//! Owns a bad connection to a daemon: a proxy that forwards bytes in both directions and damages them, as
//! networks and devices in them do.

use super::PATIENCE;
use super::faults::{Fault, Faults};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

/// How soon one direction notices the end of the other.
const LOOKS: Duration = Duration::from_millis(20);

/// The direction of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToDaemon,
    ToClient,
}

/// The fault of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Both ends get a reset.
    Reset,
    /// This direction ends; the other continues.
    Close,
    /// One bit is flipped.
    Flip,
    /// A few bytes are lost.
    Hole,
    /// A few bytes are doubled.
    Twice,
    /// Each byte is sent separately; after 2,000 of them the connection is reset.
    Drip,
}

/// The fault of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// This fault, after so many bytes of this direction.
    Harm(Harm, Way, usize),
    /// A call of the daemon's fails.
    Fault(Fault),
}

/// A bad proxy. It accepts new connections until it is dropped.
pub(crate) struct Road {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
    port: Arc<AtomicU16>,
    closed: Arc<AtomicBool>,
}

impl Road {
    /// A proxy to `daemon`; `fate` decides the fault of its first, second, ... connection.
    pub(crate) fn to(
        daemon: SocketAddr,
        faults: Arc<Faults>,
        mut fate: impl FnMut(usize) -> Fate + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let port = Arc::new(AtomicU16::new(0));
        let (count, over, last) = (taken.clone(), closed.clone(), port.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let fate = fate(count.fetch_add(1, Ordering::SeqCst));
                let onwards = connect(daemon, &faults, fate);
                last.store(onwards.local_addr().unwrap().port(), Ordering::SeqCst);
                carry(client.unwrap(), onwards, fate);
            }
        });
        Self { address, taken, port, closed }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its connections.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// The local port of the last connection to the daemon.
    pub(crate) fn last_port(&self) -> u16 {
        self.port.load(Ordering::SeqCst)
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// The port is known, and its fault is set, before the daemon sees the connection.
fn connect(daemon: SocketAddr, faults: &Faults, fate: Fate) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    match fate {
        Fate::Fault(fault) => faults.set(port, fault),
        Fate::Harm(..) => faults.clear(port),
    }
    socket.connect(&daemon.into()).unwrap();
    socket.into()
}

fn carry(client: TcpStream, daemon: TcpStream, fate: Fate) {
    for end in [&client, &daemon] {
        end.set_nodelay(true).unwrap();
        end.set_read_timeout(Some(LOOKS)).unwrap();
        end.set_write_timeout(Some(PATIENCE)).unwrap();
    }
    let (client, daemon) = (Arc::new(client), Arc::new(daemon));
    let ended = Arc::new(AtomicBool::new(false));
    for (way, from, to) in [(Way::ToDaemon, client.clone(), daemon.clone()), (Way::ToClient, daemon, client)]
    {
        let harm = match fate {
            Fate::Harm(harm, its, after) if its == way => Some((harm, after)),
            _ => None,
        };
        let lane = Lane { from, to, harm, spoilt: false, ended: ended.clone() };
        std::thread::spawn(move || lane.run());
    }
}

/// One direction of a connection.
struct Lane {
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    /// The remaining fault, after so many bytes.
    harm: Option<(Harm, usize)>,
    /// The bytes were changed, so the receiver may wait for bytes that never come.
    spoilt: bool,
    /// One direction has ended, and the connection with it.
    ended: Arc<AtomicBool>,
}

impl Lane {
    fn run(mut self) {
        if self.goes_on().is_err() {
            // The second direction that drops the sockets resets both.
            for end in [&self.from, &self.to] {
                let _ = SockRef::from(&**end).set_linger(Some(Duration::ZERO));
            }
            self.ended.store(true, Ordering::SeqCst);
        }
    }

    /// Forwards until this direction has ended cleanly. An error: both are to be reset.
    fn goes_on(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            match (&*self.from).read(&mut bytes) {
                Ok(0) => return self.to.shutdown(Shutdown::Write),
                Ok(n) => {
                    if self.carries(&mut bytes[..n])? {
                        return Ok(());
                    }
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.spoilt || self.ended.load(Ordering::SeqCst) {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// True: this direction is closed.
    fn carries(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        let Some((harm, after)) = &mut self.harm else { return self.puts(bytes) };
        if *after >= bytes.len() {
            *after -= bytes.len();
            return self.puts(bytes);
        }
        let (harm, at) = (*harm, *after);
        let (before, rest) = bytes.split_at_mut(at);
        self.puts(before)?;
        self.harm = None;
        match harm {
            Harm::Reset => return Err(ErrorKind::ConnectionReset.into()),
            Harm::Close => {
                self.to.shutdown(Shutdown::Write)?;
                return Ok(true);
            }
            Harm::Flip => rest[0] ^= 0x10,
            Harm::Hole => {
                self.spoilt = true;
                return self.puts(&rest[rest.len().min(7)..]);
            }
            Harm::Twice => {
                self.puts(&rest[..rest.len().min(7)])?;
            }
            Harm::Drip => return self.drips(rest),
        }
        self.spoilt = true;
        self.puts(rest)
    }

    fn drips(&mut self, first: &[u8]) -> io::Result<bool> {
        let mut left = 2_000_usize;
        let mut bytes = first.to_vec();
        loop {
            for byte in &bytes {
                self.puts(std::slice::from_ref(byte))?;
                left = left.checked_sub(1).ok_or(ErrorKind::ConnectionReset)?;
            }
            bytes.resize(256, 0);
            match (&*self.from).read(&mut bytes) {
                Ok(0) => {
                    self.to.shutdown(Shutdown::Write)?;
                    return Ok(true);
                }
                Ok(n) => bytes.truncate(n),
                Err(e) if self.ended.load(Ordering::SeqCst) => return Err(e),
                Err(_) => bytes.clear(),
            }
        }
    }

    fn puts(&self, bytes: &[u8]) -> io::Result<bool> {
        (&*self.to).write_all(bytes)?;
        Ok(false)
    }
}
