//! Owns many connections on one thread: dials them, logs them in, tells what comes. Called by every
//! kind of load. Never decrypts twice or copies what it need not: the load has to be cheaper than
//! the server.

use crate::conn::Conn;
use crate::speech::{Opening, Speech};
use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where one read of a socket goes: several of the longest records.
const SCRATCH: usize = 256 * 1024;
/// How long one login may take.
const LOGIN: Duration = Duration::from_secs(30);

/// The server, and how one speaks to it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) speech: Speech,
    pub(crate) tls: Arc<ClientConfig>,
    /// How many log in at a time.
    pub(crate) at_once: usize,
}

pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    scratch: Box<[u8]>,
    server: Server,
    /// By token. `None`: left.
    conns: Vec<Option<Conn>>,
}

/// A login that was done.
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

    /// Connections that ended although nobody asked them to.
    pub(crate) fn closed(&self) -> usize {
        self.conns.iter().flatten().filter(|c| c.closed).count()
    }

    /// Dials and logs in: each as a number, and with the rooms that `rooms` says.
    /// `keep`: they stay; otherwise each leaves as soon as it is in.
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
        let Server { address, speech, tls, .. } = &self.server;
        let mut conn = Conn::dial(*address, tls, speech.greets())?;
        let token = Token(self.conns.len());
        self.poll.registry().register(&mut conn.sock, token, Interest::READABLE | Interest::WRITABLE)?;
        // It waits inside until the handshake is done.
        conn.send(first)?;
        self.conns.push(Some(conn));
        Ok(())
    }

    /// Sends text; nothing, if that one has left.
    pub(crate) fn send(&mut self, token: usize, text: &[u8]) -> Result<()> {
        match &mut self.conns[token] {
            Some(conn) if !conn.closed => conn.send(text),
            _ => Ok(()),
        }
    }

    /// Cuts a connection, without a word.
    pub(crate) fn leave(&mut self, token: usize) {
        self.conns[token] = None;
    }

    /// Waits for at most `wait`, then reads what is there. False: nothing was.
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
            // One that the server cuts is counted, and is no end of the load.
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

    /// Reads and forgets until nothing has come for `quiet`, for at most `most`.
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
