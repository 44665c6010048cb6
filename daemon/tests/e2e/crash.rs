//! Tests of twelve kills under load: each acknowledged message is stored once and chained, and every client
//! resumes exactly. Also a kill while a user is being removed from rooms.

use crate::common::{Daemon, Dice, Talker, Whereabouts, run, whole_history};
use serde_json::json;

const TALKERS: usize = 4;
const KILLS: usize = 12;

#[test]
fn acknowledged_messages_survive_twelve_kills() {
    let mut dice = Dice::new("crash");
    let mut daemon = Daemon::with("limits.messages_per_second = 0\nsessions.ttl = \"1h\"");
    let at = Whereabouts::new(daemon.address(), daemon.client(), false);
    let entered: Vec<_> = (0..TALKERS).map(|n| Talker::enter(&format!("talker{n}"), &at)).collect();
    let threads: Vec<_> = entered
        .into_iter()
        .map(|(talker, peer)| {
            let at = at.clone();
            std::thread::spawn(move || talker.talk(peer, &at))
        })
        .collect();
    for kill in 0..KILLS {
        let count = 1 + dice.below(400);
        at.wait_for(count);
        println!("kill {kill} after {count} more acknowledgements");
        daemon.kill();
        daemon.start_again();
        at.moves_to(daemon.address());
    }
    at.wait_for(200);
    at.is_enough();
    let (talkers, sessions): (Vec<_>, Vec<_>) = threads.into_iter().map(|t| t.join().unwrap()).unzip();

    let mut reader = daemon.login("reader");
    let kept = reader.reads_all(&json!({"room": "lobby"}));
    println!("{} messages kept", kept.len());
    whole_history(&kept, &talkers);
    // A slow client may sleep through a kill, but none can have missed most of them.
    assert!(talkers.iter().all(|t| t.resumed > KILLS / 2));

    // Then without load: each client resumes from its cursor and receives exactly the rest.
    daemon.kill();
    daemon.start_again();
    for session in &sessions {
        let mut peer = daemon.resume(session);
        let rest: Vec<_> = kept.iter().filter(|m| m.seq > session.cursor).map(|m| m.seq).collect();
        if let Some(last) = rest.last() {
            peer.catches_up_to(*last);
        }
        peer.has_nothing("NOTICE");
        assert_eq!(peer.messages.iter().map(|m| m.seq).collect::<Vec<_>>(), rest);
    }
}

#[test]
fn an_evicted_session_and_its_empty_rooms_are_gone_after_a_kill() {
    let mut daemon = Daemon::with("limits.rooms_per_network = 0\nlimits.messages_per_second = 0");
    let rooms: Vec<_> = (0..1_000).map(|n| format!("room{n}")).collect();
    let mut ana = daemon.connect();
    ana.logs_in_with(json!({"name": "ana", "rooms": rooms}));
    assert_eq!(run(daemon.folder(), &["kick", "ana"], "").code, Some(0));
    // The sweep that leaves its rooms may be in progress or done.
    daemon.kill();
    daemon.start_again();
    let token = ana.vanishes().token;
    let mut bo = daemon.connect();
    bo.is_refused("LOGIN", json!({"session": token}), "SESSION_EXPIRED");
    bo.login("bo");
    // A start also removes the rooms in slices.
    while bo.asks("ROOMS", json!({}))["rooms"].as_array().unwrap().len() > 1 {}
    let mut ana = daemon.connect();
    ana.logs_in_with(json!({"name": "ana", "rooms": ["room7"]}));
    assert_eq!(ana.asks("WHO", json!({"room": "room7"}))["member_count"], 1);
}
