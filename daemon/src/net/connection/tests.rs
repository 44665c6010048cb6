//! Connections over an in-memory link: the same reader, proof step, hub and writer as over TLS.

use super::*;
use crate::edge::{Ask, Command};
use crate::hub::{BannedAddresses, Directory, Entry, Outbox, inbox, spawn};
use crate::metrics::Metrics;
use crate::net::Identity;
use crate::order::{Local, Orders};
use crate::settings::{AuthMode, Durability, History, MaxBytes, Settings, Tls};
use crate::store::Store;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use tcp_chat_state::{ConnectionId, Rules, Snapshot};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, DuplexStream, Lines, ReadBuf, ReadHalf, WriteHalf,
    duplex, split,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One end of an in-memory pair.
struct Memory {
    stream: DuplexStream,
    written: u64,
    /// How often it was written to, by all connections of a test.
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Memory {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        if let Poll::Ready(Ok(n)) = written {
            self.written += n as u64;
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Link for Memory {
    const VIA: crate::metrics::Via = crate::metrics::Via::Line;

    fn bytes_written(&self) -> u64 {
        self.written
    }

    fn identity(&self, _: u64) -> Identity {
        Identity::None
    }

    fn stop_wiping(&mut self) {}

    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// A gate with a hub whose store is in memory.
fn gate(change: impl FnOnce(&mut Settings)) -> Gate {
    let mut settings = Settings::default();
    change(&mut settings);
    gate_with(&settings, |store, found, entries, directory, metrics| {
        let order = Orders::Local(Local::default());
        let rules = Rules::from(&settings);
        spawn(order, [rules.clone(), rules], store, found, entries, directory, metrics).unwrap().1
    })
}

/// A gate whose inbox the test reads.
fn gate_without_hub(settings: &Settings) -> (Gate, mpsc::Receiver<Entry>) {
    let mut inbox = None;
    let gate = gate_with(settings, |_, _, entries, _, _| {
        inbox = Some(entries);
        BannedAddresses::default()
    });
    (gate, inbox.unwrap())
}

fn gate_with(
    settings: &Settings,
    hub: impl FnOnce(Store, Snapshot, mpsc::Receiver<Entry>, Directory, Arc<Metrics>) -> BannedAddresses,
) -> Gate {
    let history = History {
        path: None,
        durability: Durability::Crash,
        retain: None,
        retain_messages: None,
        max_bytes: MaxBytes::Unlimited,
    };
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls { dir: folder.path().join("certs"), ..Tls::default() };
    let tls = crate::tls::open(&tls, SystemTime::now()).unwrap();
    let (store, readers, found) = Store::open(&history).unwrap();
    let ((inbox, entries), directory) = (inbox(), Directory::default());
    let metrics = Arc::new(Metrics::new().unwrap());
    let banned_addresses = hub(store, found, entries, directory.clone(), metrics.clone());
    Gate::new(settings, tls, directory, inbox, banned_addresses, readers, metrics)
}

/// The client's end of the pair.
struct Peer {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    served: JoinHandle<()>,
}

impl Peer {
    fn connect(gate: &Gate) -> Self {
        Self::counted(gate, Arc::default())
    }

    fn counted(gate: &Gate, writes: Arc<AtomicUsize>) -> Self {
        let (ours, stream) = duplex(4096);
        let link = Memory { stream, written: 0, writes };
        #[expect(clippy::disallowed_methods, reason = "a test")]
        let served = tokio::spawn(serve(gate.clone(), link, ([192, 0, 2, 1], 7).into()));
        let (reader, writer) = split(ours);
        Self { lines: BufReader::new(reader).lines(), writer, served }
    }

    async fn sends(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Reads lines until one contains the text.
    async fn hears(&mut self, text: &str) -> String {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("heard nothing like {text}")).unwrap();
            let line = line.unwrap_or_else(|| panic!("ended without {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    async fn login(gate: &Gate, name: &str) -> Self {
        Self::connect(gate).logs_in(name).await
    }

    async fn logs_in(mut self, name: &str) -> Self {
        let peer = &mut self;
        peer.sends(&format!(r#"{{"op":"LOGIN","data":{{"name":"{name}"}}}}"#)).await;
        peer.hears(r#""op":"LOGIN","status":"OK""#).await;
        self
    }
}

#[tokio::test]
async fn a_link_in_memory_is_served_like_any_other() {
    let gate = gate(|_| {});
    let (mut ana, mut bo) = (Peer::login(&gate, "ana").await, Peer::login(&gate, "bo").await);
    ana.sends(r#"{"op":"MSG","id":7,"data":"hello"}"#).await;
    assert!(bo.hears("hello").await.contains(r#""user":"ana""#));
    assert!(ana.hears("hello").await.contains(r#""id":7"#));
    ana.sends(r#"{"op":"QUIT"}"#).await;
    ana.hears("QUIT").await;
    assert_eq!(ana.lines.next_line().await.unwrap(), None, "the goodbye of the daemon");
    // The peer closes its side, too.
    drop((ana.lines, ana.writer));
    ana.served.await.unwrap();
}

#[tokio::test]
async fn no_link_lets_a_login_in_that_proves_nothing() {
    let gate = gate(|settings| {
        settings.auth.mode = AuthMode::Password;
        let content = Some(crate::auth::hash("sesame").unwrap());
        settings.auth.password_file = Some(crate::settings::Secret { file: "hash".into(), content });
    });
    let mut ana = Peer::connect(&gate);
    for data in [r#"{"name":"ana"}"#, r#"{"name":"ana","password":"sesam"}"#] {
        ana.sends(&format!(r#"{{"op":"LOGIN","data":{data}}}"#)).await;
        assert!(ana.hears("ERROR_MSG").await.contains("AUTH_FAILED"), "{data}");
    }
    // One read: the LOGIN needs a slow check, and the order stays.
    ana.sends("{\"op\":\"LOGIN\",\"data\":{\"name\":\"ana\",\"password\":\"sesame\"}}\n{\"op\":\"PING\"}")
        .await;
    assert!(ana.hears("op").await.contains(r#""op":"LOGIN","status":"OK""#));
    assert!(ana.hears("PING").await.contains("OK"));
}

#[tokio::test]
async fn a_connection_that_is_dropped_is_lost_for_the_hub() {
    let gate = gate(|_| {});
    let (ana, mut bo) = (Peer::login(&gate, "ana").await, Peer::login(&gate, "bo").await);
    ana.served.abort();
    assert!(bo.hears(r#""state":"away""#).await.contains("ana"));
}

#[tokio::test]
async fn the_messages_of_a_turn_are_one_write_to_each_member() {
    for members in [4, 16] {
        let gate = gate(|settings| settings.rooms.presence_limit = 0);
        let writes = Arc::<AtomicUsize>::default();
        let mut peers = Vec::new();
        for n in 0..members {
            peers.push(Peer::counted(&gate, writes.clone()).logs_in(&format!("user{n}x")).await);
        }
        let before = writes.load(Ordering::Relaxed);
        // One read, so one turn.
        let messages: Vec<_> = (0..8).map(|n| format!(r#"{{"op":"MSG","data":"text {n}"}}"#)).collect();
        peers[0].sends(&messages.join("\n")).await;
        for peer in &mut peers {
            peer.hears("text 7").await;
        }
        assert_eq!(
            writes.load(Ordering::Relaxed) - before,
            members,
            "a write is a system call, and the cost of fan-out"
        );
    }
}

/// The next batch of commands in the inbox, without the bytes that were read.
async fn next_batch(entries: &mut mpsc::Receiver<Entry>) -> (ConnectionId, Command) {
    let next = tokio::time::timeout(Duration::from_secs(20), entries.recv()).await;
    match next.expect("an entry").expect("an inbox") {
        Entry::Commands(id, list) => (id, list.into_iter().nth(1).expect("a command")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_does_not_queue_behind_a_crowd_that_joins() {
    let (gate, mut entries) = gate_without_hub(&Settings::default());
    let crowd = 4 * gate.0.read_turns.free();
    let mut peers: Vec<_> = (0..=crowd).map(|_| Peer::connect(&gate)).collect();
    let mut talker = peers.pop().expect("a peer");
    let mut outboxes = HashMap::new();
    while outboxes.len() <= crowd {
        let Some(Entry::Open(id, _, outbox)) = entries.recv().await else { panic!("no connection yet") };
        outboxes.insert(id, outbox);
    }
    let message = r#"{"op":"MSG","data":"hello"}"#;
    talker.sends(message).await;
    let (id, _) = next_batch(&mut entries).await;
    outboxes[&id].taken().into_iter().for_each(Waker::wake);
    tokio::task::yield_now().await;
    // Nothing runs in between: the pairs have room.
    for peer in &mut peers {
        peer.sends(r#"{"op":"JOIN","data":{"room":"hall"}}"#).await;
    }
    talker.sends(message).await;
    assert_eq!(next_batch(&mut entries).await.0, id, "the message comes first");
    for _ in 0..crowd {
        let (_, command) = next_batch(&mut entries).await;
        assert!(matches!(command, Command::Ask(_, Ask::Join(_))), "{command:?}");
    }
    assert_eq!(gate.0.read_turns.free(), crowd / 4, "all turns are given back");
}

#[tokio::test]
async fn a_client_that_does_not_read_keeps_no_turn() {
    let (gate, mut entries) = gate_without_hub(&Settings::default());
    let turns = gate.0.read_turns.free();
    let mut peer = Peer::connect(&gate);
    let Some(Entry::Open(_, _, outbox)) = entries.recv().await else { panic!("no connection yet") };
    peer.sends(r#"{"op":"WHO"}"#).await;
    next_batch(&mut entries).await;
    peer.sends(r#"{"op":"WHO"}"#).await;
    next_batch(&mut entries).await;
    // The hub has taken no batch, so the connection may not read a third one.
    peer.sends(r#"{"op":"WHO"}"#).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gate.0.read_turns.free(), turns);
    outbox.taken().into_iter().for_each(Waker::wake);
    next_batch(&mut entries).await;
}

#[tokio::test]
async fn a_link_that_takes_nothing_is_stalled() {
    let gate = gate(|settings| {
        settings.limits.stall = Duration::from_millis(20);
        settings.limits.messages_per_second = 0;
    });
    let mut ana = Peer::login(&gate, "ana").await;
    for _ in 0..100 {
        ana.sends(r#"{"op":"WHO"}"#).await;
    }
    tokio::time::timeout(Duration::from_secs(20), ana.served).await.expect("it ends").unwrap();
}

/// Each bound is a size class of the allocator. A larger value takes the next class, for each connection.
#[test]
fn an_idle_connection_keeps_little() {
    use tcp_chat_tls_stream::TlsStream;
    assert!(size_of::<Connection<Box<TlsStream>>>() <= 256, "{}", size_of::<Connection<Box<TlsStream>>>());
    assert!(size_of::<TlsStream>() <= 1280, "{}", size_of::<TlsStream>());
    let arc_counts = 2 * size_of::<usize>();
    assert!(arc_counts + size_of::<Outbox>() <= 128, "{}", size_of::<Outbox>());
}
