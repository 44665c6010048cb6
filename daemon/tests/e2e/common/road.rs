//! Owns a bad road to a daemon: it carries the bytes of connections both ways and does each of them
//! some harm, as networks, and what stands in them, do.

use super::PATIENCE;
use super::faults::{Fault, Faults};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

/// How soon one way notices what the other has come to.
const LOOKS: Duration = Duration::from_millis(20);

/// From whom to whom bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToDaemon,
    ToClient,
}

/// What happens to the bytes of one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Both ends are told that the connection is reset.
    Reset,
    /// This way ends; the other goes on.
    Close,
    /// One bit is another.
    Flip,
    /// A few bytes are missing.
    Hole,
    /// A few bytes come twice.
    Twice,
    /// Byte for byte, each by itself; after 2,000 of them the connection is reset.
    Drip,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// That, after so many bytes of that way.
    Harm(Harm, Way, usize),
    /// A call of the daemon's fails.
    Fault(Fault),
}

/// A bad road. It is open for new connections until it is dropped.
pub(crate) struct Road {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
    port: Arc<AtomicU16>,
    closed: Arc<AtomicBool>,
}

impl Road {
    /// A road to `daemon`; `fate` decides what happens to its first, second, ... connection.
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

    /// Where it begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many have come this way.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// The port from which the last of them came to the daemon.
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

/// The port is known, and its fault told, before the daemon sees the connection.
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

/// One way of one connection.
struct Lane {
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    /// What is still to happen, after so many bytes.
    harm: Option<(Harm, usize)>,
    /// The bytes are no more what they were: who waits for the rest of them waits in vain.
    spoilt: bool,
    /// One of the two is over, and the connection with it.
    ended: Arc<AtomicBool>,
}

impl Lane {
    fn run(mut self) {
        if self.goes_on().is_err() {
            // The last of the two to let go of the sockets resets both.
            for end in [&self.from, &self.to] {
                let _ = SockRef::from(&**end).set_linger(Some(Duration::ZERO));
            }
            self.ended.store(true, Ordering::SeqCst);
        }
    }

    /// Carries until this way has ended in order; an error: both are to be reset.
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

    /// True: this way is closed.
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
