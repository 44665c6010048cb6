//! Owns a talker: a client that continues through kills and restarts, as the contract requires. It keeps its
//! cursor, resumes, sends unacknowledged messages again, and stores all that it receives.

use super::PATIENCE;
use super::message::Message;
use super::peer::{Peer, Session};
use rustls::ClientConfig;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// The present address of the daemon, and the progress of the test. Shared by the talkers and the thread that
/// kills.
pub(crate) struct Whereabouts {
    address: Mutex<(usize, SocketAddr)>,
    moved: Condvar,
    kept: AtomicUsize,
    enough: AtomicBool,
    /// Whether the socket outlives the daemon, so that no connection may be refused.
    held: bool,
    refused: AtomicUsize,
    client: Arc<ClientConfig>,
}

impl Whereabouts {
    /// At this address. `held`: the socket outlives the daemon.
    pub(crate) fn new(address: SocketAddr, client: Arc<ClientConfig>, held: bool) -> Arc<Self> {
        Arc::new(Self {
            address: Mutex::new((0, address)),
            moved: Condvar::new(),
            kept: AtomicUsize::new(0),
            enough: AtomicBool::new(false),
            held,
            refused: AtomicUsize::new(0),
            client,
        })
    }

    /// The daemon was started again at this address.
    pub(crate) fn moves_to(&self, address: SocketAddr) {
        let mut guard = self.address.lock().unwrap();
        *guard = (guard.0 + 1, address);
        self.moved.notify_all();
    }

    /// Waits until `count` more messages have been acknowledged.
    pub(crate) fn wait_for(&self, count: usize) {
        let goal = self.kept.load(Ordering::SeqCst) + count;
        let deadline = Instant::now() + PATIENCE;
        let mut guard = self.address.lock().unwrap();
        while self.kept.load(Ordering::SeqCst) < goal {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the talk does not go on");
            guard = self.moved.wait_timeout(guard, left).unwrap().0;
        }
    }

    /// Tells the talkers to finish.
    pub(crate) fn is_enough(&self) {
        self.enough.store(true, Ordering::SeqCst);
    }

    /// How many connections were refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    fn has_kept_one(&self) {
        self.kept.fetch_add(1, Ordering::SeqCst);
        let _guard = self.address.lock().unwrap();
        self.moved.notify_all();
    }

    /// Connects to the present address, as soon as there is one.
    fn connect(&self) -> Peer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (generation, address) = *self.address.lock().unwrap();
            match Peer::connect(address, self.client.clone()) {
                Ok(peer) => return peer,
                Err(e) => {
                    if e.kind() == io::ErrorKind::ConnectionRefused {
                        self.refused.fetch_add(1, Ordering::SeqCst);
                        assert!(!self.held, "a connection was refused");
                    }
                    assert!(Instant::now() < deadline, "no connection: {e}");
                    let guard = self.address.lock().unwrap();
                    if guard.0 == generation && !self.held {
                        drop(self.moved.wait_timeout(guard, PATIENCE / 40).unwrap());
                    }
                }
            }
        }
    }
}

/// The result of a talker.
pub(crate) struct Talker {
    /// The user.
    pub(crate) name: String,
    /// The newest number at its login.
    pub(crate) since: u64,
    /// Its own acknowledged texts, with their numbers.
    pub(crate) acknowledged: Vec<(u64, String)>,
    /// All received messages, in order.
    pub(crate) heard: Vec<Message>,
    /// How often it resumed.
    pub(crate) resumed: usize,
}

/// The maximum number of unacknowledged messages.
const WINDOW: usize = 16;

impl Talker {
    /// Logs in with this name.
    pub(crate) fn enter(name: &str, at: &Whereabouts) -> (Self, Peer) {
        let mut peer = at.connect();
        let since = peer.login(name)["head"].as_u64().unwrap();
        let talker =
            Self { name: name.into(), since, acknowledged: Vec::new(), heard: Vec::new(), resumed: 0 };
        (talker, peer)
    }

    /// Sends until it is told to stop, then waits for its last acknowledgement and for all messages up to
    /// `at`.
    pub(crate) fn talk(mut self, mut peer: Peer, at: &Whereabouts) -> (Self, Session) {
        let mut session = peer.session();
        let mut unacknowledged: VecDeque<(u64, String)> = VecDeque::new();
        let mut next = 0;
        loop {
            match self.go_on(&mut peer, &mut unacknowledged, &mut next, at) {
                Ok(true) => {
                    session.cursor = peer.session().cursor;
                    self.heard.append(&mut peer.messages);
                    return (self, session);
                }
                Ok(false) => {}
                Err(_) => {
                    session.cursor = peer.session().cursor;
                    self.heard.append(&mut peer.messages);
                    peer = self.come_back(&session, &unacknowledged, at);
                }
            }
        }
    }

    /// One step. True: there is nothing left to do.
    fn go_on(
        &mut self,
        peer: &mut Peer,
        unacknowledged: &mut VecDeque<(u64, String)>,
        next: &mut u64,
        at: &Whereabouts,
    ) -> io::Result<bool> {
        let enough = at.enough.load(Ordering::SeqCst);
        if !enough && unacknowledged.len() < WINDOW {
            let text = format!("{} says {next}", self.name);
            unacknowledged.push_back((*next, text.clone()));
            *next += 1;
            peer.try_send_bytes(line(*next - 1, &text).as_bytes())?;
            return Ok(false);
        }
        if unacknowledged.is_empty() {
            return Ok(true);
        }
        let line = peer.try_next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line["op"] == "MSG" && line.get("id").is_some() {
            let message = Message::read(&line["data"], line.get("id"));
            let id = line["id"].as_u64().unwrap();
            // A resume repeats what the last connection could not finish.
            if let Some(at_index) = unacknowledged.iter().position(|(n, _)| *n == id) {
                let (_, text) = unacknowledged.remove(at_index).unwrap();
                assert_eq!(message.text, text);
                self.acknowledged.push((message.seq, text));
                at.has_kept_one();
            }
        }
        assert_ne!(line["op"], "ERROR_MSG", "{line}");
        Ok(false)
    }

    fn come_back(
        &mut self,
        session: &Session,
        unacknowledged: &VecDeque<(u64, String)>,
        at: &Whereabouts,
    ) -> Peer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "{} cannot come back", self.name);
            let mut peer = at.connect();
            let data = json!({"name": session.name, "session": session.token, "after": session.cursor});
            let login = json!({"op": "LOGIN", "id": "back", "data": data});
            let mut send = || -> io::Result<Value> {
                peer.starts_after(session);
                peer.try_send_bytes(format!("{login}\n").as_bytes())?;
                let reply = peer.try_next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
                for (n, text) in unacknowledged {
                    peer.try_send_bytes(line(*n, text).as_bytes())?;
                }
                Ok(reply)
            };
            // The daemon may have been ended again meanwhile.
            let Ok(reply) = send() else { continue };
            if reply["op"] == "NOTICE" {
                continue;
            }
            assert_eq!((&reply["op"], &reply["status"]), (&json!("LOGIN"), &json!("OK")), "{reply}");
            self.resumed += 1;
            return peer;
        }
    }
}

fn line(id: u64, text: &str) -> String {
    format!("{}\n", json!({"op": "MSG", "id": id, "data": {"room": super::LOBBY, "msg": text}}))
}

/// Compares the log with what each talker saw: every acknowledged message is stored once and chained, and
/// each talker received exactly the messages after its login.
pub(crate) fn whole_history(kept: &[Message], talkers: &[Talker]) {
    let mut last = 0;
    for message in kept {
        assert_eq!(message.prev, last, "the chain is broken at {message:?}");
        last = message.seq;
    }
    let texts: Vec<&str> = {
        let mut texts: Vec<_> = kept.iter().map(|m| m.text.as_str()).collect();
        texts.sort_unstable();
        texts
    };
    for pair in texts.windows(2) {
        assert_ne!(pair[0], pair[1], "kept twice");
    }
    let sent: usize = talkers.iter().map(|t| t.acknowledged.len()).sum();
    assert_eq!(kept.len(), sent, "what is kept is what was acknowledged");
    for talker in talkers {
        for (seq, text) in &talker.acknowledged {
            let at = kept.binary_search_by_key(seq, |m| m.seq).unwrap_or_else(|_| panic!("{text} is lost"));
            assert_eq!(&kept[at].text, text);
        }
        // Its own texts have the order in which it sent them.
        let own: Vec<_> = kept.iter().filter(|m| m.user == talker.name).map(|m| m.text.clone()).collect();
        let said: Vec<_> = (0..own.len()).map(|n| format!("{} says {n}", talker.name)).collect();
        assert_eq!(own, said);
        let heard: Vec<_> = talker.heard.iter().map(|m| m.seq).collect();
        let due: Vec<_> = kept
            .iter()
            .map(|m| m.seq)
            .filter(|seq| *seq > talker.since && heard.last().is_some_and(|last| seq <= last))
            .collect();
        assert_eq!(heard, due, "{} was told something else than what is kept", talker.name);
    }
}
