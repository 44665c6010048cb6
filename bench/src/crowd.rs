//! Owns many connections on one thread: connects, logs in, reports received bytes. Called by each kind of load.
//! Never decrypts twice or copies without need: the load must be cheaper than the server.

use crate::conn::Conn;
use crate::speech::{Opening, Speech};
use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The buffer of one read: several of the longest records.
const SCRATCH: usize = 256 * 1024;
/// The timeout of one login.
const LOGIN: Duration = Duration::from_secs(30);

/// The server and its protocol.
#[derive(Clone)]
pub(crate) struct Server {
    /// Its address; of a cluster the addresses of all nodes, which the connections take by turns.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) speech: Speech,
    pub(crate) tls: Arc<ClientConfig>,
    /// Parallel logins.
    pub(crate) at_once: usize,
}

pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    scratch: Box<[u8]>,
    server: Server,
    /// By token. `None`: the connection is closed.
    conns: Vec<Option<Conn>>,
}

/// A completed login.
pub(crate) struct Done {
    pub(crate) took: Duration,
}

impl Crowd {
    pub(crate) fn new(server: &Server) -> Result<Self> {
        Ok(Self {
            poll: Poll::new().context("epoll")?,
            events: Events::with_capacity(256),
            scratch: vec![0; SCRATCH].into(),
            server: server.clone(),
            conns: Vec::new(),
        })
    }

    pub(crate) fn speech(&self) -> Speech {
        self.server.speech
    }

    pub(crate) fn len(&self) -> usize {
        self.conns.len()
    }

    /// Connections that the server closed.
    pub(crate) fn closed(&self) -> usize {
        self.conns.iter().flatten().filter(|c| c.closed).count()
    }

    /// Connects and logs in: each with its number, and with the rooms that `rooms` returns. `keep`: the
    /// connections stay open; otherwise each closes after its login.
    pub(crate) fn open(
        &mut self,
        numbers: std::ops::Range<usize>,
        keep: bool,
        rooms: impl Fn(usize) -> Option<String>,
    ) -> Result<Vec<Done>> {
        let mut numbers = numbers;
        let mut opening: Vec<Option<(Opening, Instant)>> = Vec::new();
        let (first, mut busy) = (self.conns.len(), 0);
        let mut done = Vec::with_capacity(numbers.len());
        let mut progress = Instant::now();
        loop {
            while busy < self.server.at_once {
                let Some(number) = numbers.next() else { break };
                let mut script = self.server.speech.opening(number, rooms(number).as_deref());
                let first = script.begin();
                opening.push(Some((script, Instant::now())));
                self.dial(&first)?;
                busy += 1;
            }
            if busy == 0 {
                return Ok(done);
            }
            let mut heard: Vec<(usize, Vec<u8>)> = Vec::new();
            self.turn(Duration::from_millis(100), |token, text| {
                if token >= first && opening[token - first].is_some() {
                    match heard.last_mut() {
                        Some((last, bytes)) if *last == token => bytes.extend_from_slice(text),
                        _ => heard.push((token, text.to_vec())),
                    }
                }
            })?;
            for (token, text) in heard {
                let Some((script, began)) = &mut opening[token - first] else { continue };
                let answer = script.hear(&text).with_context(|| format!("login {token}"))?;
                if script.is_done() {
                    done.push(Done { took: began.elapsed() });
                    opening[token - first] = None;
                    progress = Instant::now();
                    busy -= 1;
                    if !keep {
                        self.leave(token);
                    }
                } else if !answer.is_empty() {
                    self.send(token, &answer)?;
                }
            }
            if self.closed() > 0 {
                bail!("the server closed a connection during a login");
            }
            if progress.elapsed() > LOGIN {
                bail!("{busy} logins have not come to an end within {} s", LOGIN.as_secs());
            }
        }
    }

    fn dial(&mut self, first: &[u8]) -> Result<()> {
        let Server { addresses, speech, tls, .. } = &self.server;
        let address = addresses[self.conns.len() % addresses.len()];
        let mut conn = Conn::dial(address, tls, speech.greets())?;
        let token = Token(self.conns.len());
        self.poll.registry().register(&mut conn.sock, token, Interest::READABLE | Interest::WRITABLE)?;
        // The bytes wait in the connection until the handshake is done.
        conn.send(first)?;
        self.conns.push(Some(conn));
        Ok(())
    }

    /// Sends text; does nothing if the connection is closed.
    pub(crate) fn send(&mut self, token: usize, text: &[u8]) -> Result<()> {
        match &mut self.conns[token] {
            Some(conn) if !conn.closed => conn.send(text),
            _ => Ok(()),
        }
    }

    /// Closes a connection without a logout.
    pub(crate) fn leave(&mut self, token: usize) {
        self.conns[token] = None;
    }

    /// Waits for at most `wait`, then reads. False: nothing was available.
    pub(crate) fn turn(&mut self, wait: Duration, mut seen: impl FnMut(usize, &[u8])) -> Result<bool> {
        if let Err(e) = self.poll.poll(&mut self.events, Some(wait))
            && e.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(e).context("epoll");
        }
        let mut any = false;
        for event in &self.events {
            let Token(token) = event.token();
            let Some(conn) = &mut self.conns[token] else { continue };
            // A connection that the server closes is counted, and does not end the load.
            if event.is_writable() && conn.writable().is_err() {
                conn.closed = true;
            }
            if event.is_readable() && !conn.closed {
                any = true;
                if conn.read(&mut self.scratch, &mut |text| seen(token, text)).is_err() {
                    conn.closed = true;
                }
            }
        }
        Ok(any)
    }

    /// Reads and discards until nothing has come for `quiet`, for at most `most`.
    pub(crate) fn settle(&mut self, quiet: Duration, most: Duration) -> Result<()> {
        let (began, mut last) = (Instant::now(), Instant::now());
        while last.elapsed() < quiet && began.elapsed() < most {
            if self.turn(Duration::from_millis(20), |_, _| {})? {
                last = Instant::now();
            }
        }
        Ok(())
    }
}
