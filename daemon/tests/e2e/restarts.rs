//! Tests of ten restarts during a conversation: both sides continue, and with a socket that is handed over no
//! connection is refused.

use crate::common::{Daemon, Talker, Whereabouts, whole_history};
use serde_json::json;

const TALKERS: usize = 8;
const RESTARTS: usize = 10;

fn talk_through_restarts(mut daemon: Daemon, held: bool) {
    let at = Whereabouts::new(daemon.address(), daemon.client(), held);
    let entered: Vec<_> = (0..TALKERS).map(|n| Talker::enter(&format!("talker{n}"), &at)).collect();
    let threads: Vec<_> = entered
        .into_iter()
        .map(|(talker, peer)| {
            let at = at.clone();
            std::thread::spawn(move || talker.talk(peer, &at).0)
        })
        .collect();
    for _ in 0..RESTARTS {
        at.wait_for(150);
        daemon.restart();
        at.moves_to(daemon.address());
    }
    at.wait_for(150);
    at.is_enough();
    let talkers: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    let kept = daemon.login("reader").reads_all(&json!({"room": "lobby"}));
    whole_history(&kept, &talkers);
    let resumed: usize = talkers.iter().map(|t| t.resumed).sum();
    println!("{} messages, {resumed} resumes, {} connections refused", kept.len(), at.refused());
    // A slow client may sleep through a restart, but none can have missed most of them.
    assert!(talkers.iter().all(|t| t.resumed > RESTARTS / 2));
    if held {
        assert_eq!(at.refused(), 0);
    }
}

const SETTINGS: &str = "limits.messages_per_second = 0\nsessions.ttl = \"1h\"";

#[test]
fn ten_restarts_lose_nothing_and_double_nothing() {
    talk_through_restarts(Daemon::with(SETTINGS), false);
}

#[test]
fn with_a_socket_of_systemd_no_client_is_refused_during_a_restart() {
    talk_through_restarts(Daemon::activated(SETTINGS), true);
}
