//! Tests of failing reads and writes. Calls of the daemon on a connection return errors; a proxy resets,
//! closes, corrupts and delays bytes. After a resume nothing is lost or doubled. Other users notice nothing,
//! and the daemon leaks no socket.

use crate::common::{Call, Fate, Fault, Faults, Harm, Road, Way};
use crate::common::{Daemon, Dice, PATIENCE, Peer, Talker, Whereabouts, whole_history};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

// As Linux numbers them.
const EINTR: u8 = 4;
const EIO: u8 = 5;
const ENOMEM: u8 = 12;
const EPIPE: u8 = 32;
const ECONNRESET: u8 = 104;
const ENOBUFS: u8 = 105;
const ETIMEDOUT: u8 = 110;
const EHOSTUNREACH: u8 = 113;

const RECV: [u8; 5] = [EIO, ENOMEM, ECONNRESET, ETIMEDOUT, EHOSTUNREACH];
const SEND: [u8; 5] = [EIO, EPIPE, ECONNRESET, ENOBUFS, ETIMEDOUT];

const SETTINGS: &str =
    "limits.messages_per_second = 0\nlimits.handshakes_per_second = 0\nsessions.ttl = \"1h\"";

fn faulty() -> (Daemon, Arc<Faults>) {
    let faults = Faults::new();
    let environment = faults.environment();
    let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    (Daemon::with_environment(SETTINGS, &environment), Arc::new(faults))
}

/// Waits until nothing is left of the connections that came after `before` was counted.
fn leaves_no_socket(daemon: &Daemon, before: usize) {
    let deadline = Instant::now() + PATIENCE;
    while daemon.sockets() > before {
        assert!(Instant::now() < deadline, "{} sockets, and it had {before}", daemon.sockets());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn has_told_no_error(daemon: &mut Daemon) {
    assert!(daemon.lives());
    let log = daemon.log().text();
    assert!(!log.contains("\"ERROR\"") && !log.contains("panicked"), "{log}");
}

#[test]
fn a_failing_system_call_ends_one_connection_and_keeps_its_session() {
    let (mut daemon, faults) = faulty();
    let mut bo = daemon.login("bo");
    let before = daemon.sockets();
    let mut ana = daemon.login("ana");
    bo.sees("ana", "joined");
    let mut said = 0;
    let calls =
        RECV.map(|errno| (Call::Recv, errno)).into_iter().chain(SEND.map(|errno| (Call::Send, errno)));
    for (call, errno) in calls {
        let port = ana.port();
        faults.set(port, Fault { call, errno, after: 0 });
        let text = format!("{call:?} {errno}");
        let message = json!({"op": "MSG", "id": text, "data": {"room": "lobby", "msg": text}});
        ana.sends(&message);
        assert!(ana.ends_in_error(), "{text}");
        assert!(faults.count(port) > 0, "{text} did not happen");
        let session = ana.vanishes();
        bo.sees("ana", "away");
        faults.clear(port);

        // It was stored where the daemon could read it. The client cannot know this, and sends it again.
        ana = daemon.resume(&session);
        ana.sends(&message);
        ana.asks("PING", json!(null));
        let heard: Vec<_> = ana.messages.iter().filter(|m| m.text == text).collect();
        assert_eq!(heard.len(), 1, "{text}");
        assert_eq!(bo.hears(&text).seq, heard[0].seq);
        bo.sees("ana", "back");
        bo.has_nothing("MSG");
        said += 1;
    }
    let kept: Vec<_> = bo.reads_all(&json!({"room": "lobby"})).into_iter().map(|m| m.text).collect();
    assert_eq!(kept.len(), said, "{kept:?}");
    drop(ana);
    leaves_no_socket(&daemon, before);
    has_told_no_error(&mut daemon);
}

#[test]
fn a_failing_system_call_in_a_handshake_disturbs_no_other_connection() {
    let (mut daemon, faults) = faulty();
    let mut bo = daemon.login("bo");
    let before = daemon.sockets();
    for (call, errnos) in [(Call::Recv, RECV), (Call::Send, SEND)] {
        for errno in errnos {
            for after in 0..2 {
                let fault = Fault { call, errno, after };
                let road = Road::to(daemon.address(), faults.clone(), move |_| Fate::Fault(fault));
                if let Ok(mut peer) = Peer::connect(road.address(), daemon.client()) {
                    // In TLS 1.3 the client completes the handshake before the daemon does.
                    assert!(peer.ends_in_error(), "{fault:?}");
                }
            }
        }
    }
    bo.says("still here");
    leaves_no_socket(&daemon, before);
    has_told_no_error(&mut daemon);
}

#[test]
fn a_call_that_was_interrupted_is_made_again() {
    let (daemon, faults) = faulty();
    for call in [Call::Recv, Call::Send] {
        let fault = Fault { call, errno: EINTR, after: 0 };
        let road = Road::to(daemon.address(), faults.clone(), move |_| Fate::Fault(fault));
        let mut ana = Peer::connect(road.address(), daemon.client()).unwrap();
        ana.login(&format!("ana{call:?}"));
        for n in 0..50 {
            ana.says(&format!("{n} {}", "x".repeat(8_000)));
        }
        assert_eq!(ana.messages.len(), 50);
        assert!(faults.count(road.last_port()) > 50, "{call:?}");
    }
}

const TALKERS: usize = 4;
const CONNECTIONS: usize = 100;

/// The faults in turn, so that each comes several times, at random moments.
fn fates() -> impl FnMut(usize) -> Fate + Send + 'static {
    let mut dice = Dice::new("faults");
    let harms = [Harm::Reset, Harm::Close, Harm::Flip, Harm::Hole, Harm::Twice, Harm::Drip];
    move |n| {
        // Late enough for the first login, then at any place: in the handshake, in the reply, in the
        // messages.
        let after = if n < TALKERS { 20_000 } else { dice.below(30_000) };
        let way = if n % 2 == 0 { Way::ToDaemon } else { Way::ToClient };
        match harms.get(n / 2 % (harms.len() + 1)) {
            Some(harm) => Fate::Harm(*harm, way, after),
            None => {
                let (call, errnos) = if n % 2 == 0 { (Call::Recv, RECV) } else { (Call::Send, SEND) };
                let after = u8::try_from(dice.below(60)).unwrap();
                Fate::Fault(Fault { call, errno: *dice.pick(&errnos), after })
            }
        }
    }
}

#[test]
fn a_bad_network_loses_and_doubles_no_message_and_disturbs_no_other_user() {
    let (mut daemon, faults) = faulty();
    let before = daemon.sockets();
    let road = Road::to(daemon.address(), faults, fates());
    let bad = Whereabouts::new(road.address(), daemon.client(), true);
    let good = Whereabouts::new(daemon.address(), daemon.client(), true);
    // All have logged in before the first one sends.
    let entered = [("bad", TALKERS, &bad), ("good", 2, &good)].map(|(names, count, at)| {
        let enter = |n| (Talker::enter(&format!("{names}{n}"), at), at.clone());
        (0..count).map(enter).collect::<Vec<_>>()
    });
    let threads = entered.map(|some| {
        let talk = |((talker, peer), at): ((Talker, Peer), Arc<Whereabouts>)| {
            std::thread::spawn(move || talker.talk(peer, &at).0)
        };
        some.into_iter().map(talk).collect::<Vec<_>>()
    });
    while road.taken() < CONNECTIONS {
        assert!(threads.iter().flatten().all(|thread| !thread.is_finished()), "somebody gave up");
        good.wait_for(1);
    }
    // All that can still be done is done: the messages arrive over a bad connection, too.
    bad.is_enough();
    good.is_enough();
    let talkers = threads.map(|some| some.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>());
    let resumed: usize = talkers[0].iter().map(|t| t.resumed).sum();
    println!("{} connections, {resumed} resumes", road.taken());
    assert!(talkers[0].iter().all(|t| t.resumed > CONNECTIONS / TALKERS / 8));
    assert!(talkers[1].iter().all(|t| t.resumed == 0), "somebody on the good road was cut off");
    let mut reader = daemon.login("reader");
    let kept = reader.reads_all(&json!({"room": "lobby"}));
    let [mut all, good] = talkers;
    all.extend(good);
    whole_history(&kept, &all);
    drop(reader);
    leaves_no_socket(&daemon, before);
    has_told_no_error(&mut daemon);
}
