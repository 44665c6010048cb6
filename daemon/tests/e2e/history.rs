//! Tests of reading the log: pages in both directions, direct messages, heads and chains.

use crate::common::{Daemon, Message};
use serde_json::{Value, json};

fn messages(page: &Value) -> Vec<Message> {
    page["messages"].as_array().unwrap().iter().map(|m| Message::read(m, None)).collect()
}

#[test]
fn a_new_member_reads_earlier_messages() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let said: Vec<_> = (0..5).map(|n| ana.says(&format!("{n}"))).collect();
    let mut bo = daemon.login("bo");
    let page = bo.asks("HISTORY", json!({"room": "lobby"}));
    assert_eq!(page["more"], false);
    let read = messages(&page);
    assert_eq!(read.len(), 5);
    for (said, read) in said.iter().zip(&read) {
        assert_eq!(
            (said.seq, said.prev, &said.text, &read.user),
            (read.seq, read.prev, &read.text, &said.user)
        );
    }
    assert!(page["messages"][0].get("id").is_none(), "{page}");
}

#[test]
fn pages_go_both_ways_and_miss_nothing() {
    let daemon = Daemon::with("limits.messages_per_second = 0");
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let mut seqs = Vec::new();
    for n in 0..230 {
        seqs.push(ana.says(&format!("m{n}")).seq);
        if n % 7 == 0 {
            ana.says_in("ops", "in between");
        }
    }
    for limit in [1, 7, 50, 229, 230, 231, 500] {
        let (mut forward, mut after): (Vec<u64>, u64) = (Vec::new(), 0);
        loop {
            let page = ana.asks("HISTORY", json!({"room": "lobby", "after": after, "limit": limit}));
            let read: Vec<_> = messages(&page).iter().map(|m| m.seq).collect();
            assert!(read.len() <= limit);
            forward.extend(&read);
            if page["more"] == false {
                break;
            }
            after = *read.last().expect("a page with more behind it is not empty");
        }
        assert_eq!(forward, seqs, "limit {limit}, forward");

        let mut backward: Vec<u64> = Vec::new();
        loop {
            let mut data = json!({"room": "lobby", "limit": limit});
            if let Some(before) = backward.first() {
                data["before"] = (*before).into();
            }
            let page = ana.asks("HISTORY", data);
            let read: Vec<_> = messages(&page).iter().map(|m| m.seq).collect();
            assert!(read.windows(2).all(|w| w[0] < w[1]), "oldest first");
            backward.splice(0..0, read);
            if page["more"] == false {
                break;
            }
        }
        assert_eq!(backward, seqs, "limit {limit}, backward");
    }
}

#[test]
fn the_usual_page_is_the_newest_fifty() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let seqs: Vec<_> = (0..60).map(|n| ana.says(&format!("{n}")).seq).collect();
    let page = ana.asks("HISTORY", json!({"room": "lobby"}));
    assert_eq!(page["more"], true);
    assert_eq!(messages(&page).iter().map(|m| m.seq).collect::<Vec<_>>(), seqs[10..]);
    let between = json!({"room": "lobby", "after": seqs[3], "before": seqs[8]});
    let page = ana.asks("HISTORY", between);
    assert_eq!(
        messages(&page).iter().map(|m| m.seq).collect::<Vec<_>>(),
        seqs[4..8],
        "both ends are exclusive"
    );
    assert_eq!(page["more"], false);
}

#[test]
fn a_value_out_of_bounds_is_refused_by_its_name() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    for (data, field) in [
        (Value::Null, "data"),
        (json!({}), "room"),
        (json!({"room": "lobby", "with": "ana"}), "with"),
        (json!({"room": "lobby", "limit": 0}), "limit"),
        (json!({"room": "lobby", "limit": 501}), "limit"),
        (json!({"room": "lobby", "limit": "x"}), "limit"),
        (json!({"room": "lobby", "before": -1}), "before"),
        (json!({"room": "lobby", "after": "x"}), "after"),
    ] {
        let sentence = ana.is_refused("HISTORY", data, "DATA");
        assert!(sentence.contains(field), "{sentence:?} does not name `{field}`");
    }
    let page = ana.asks("HISTORY", json!({"room": "lobby"}));
    assert_eq!(page, json!({"messages": [], "more": false}));
    ana.says("one");
    for (data, expected) in [
        (json!({"room": "lobby", "before": u64::MAX}), 1),
        (json!({"room": "lobby", "after": u64::MAX}), 0),
        (json!({"room": "lobby", "before": 0}), 0),
        (json!({"room": "lobby", "after": 0}), 1),
    ] {
        assert_eq!(messages(&ana.asks("HISTORY", data.clone())).len(), expected, "{data}");
    }
}

#[test]
fn direct_messages_are_readable_by_their_two_users_only() {
    let daemon = Daemon::start();
    let (mut ana, mut bo, mut cy) = (daemon.login("ana"), daemon.login("bo"), daemon.login("cy"));
    ana.tells("bo", "one");
    bo.tells("ana", "two");
    cy.tells("ana", "from another");
    for (peer, with) in [(&mut ana, "bo"), (&mut bo, "ana")] {
        let texts: Vec<_> = peer.reads_all(&json!({"with": with})).into_iter().map(|m| m.text).collect();
        assert_eq!(texts, ["one", "two"]);
    }
    let page = cy.asks("HISTORY", json!({"with": "ana"}));
    assert_eq!(messages(&page).len(), 1);
    let seen = cy.asks_for("HISTORY", json!({"with": "bo"}));
    assert!(
        seen["data"]["messages"] == json!([]) || seen["data"]["kind"] == "NO_SUCH_USER",
        "others' direct messages are nobody's business: {seen}"
    );
    cy.is_refused("HISTORY", json!({"with": "nobody"}), "NO_SUCH_USER");
}

#[test]
fn a_reused_name_is_another_user() {
    let daemon = Daemon::start();
    let (mut ana, mut bo) = (daemon.login("ana"), daemon.login("bo"));
    ana.tells("bo", "a secret");
    bo.hears("a secret");
    bo.asks("QUIT", Value::Null);
    bo.is_closed();
    let mut other = daemon.login("bo");
    let page = other.asks("HISTORY", json!({"with": "ana"}));
    assert_eq!(page["messages"], json!([]), "a name proves nothing here");
    other.has_nothing("MSG");
}

#[test]
fn the_history_survives_kills_and_restarts() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let seqs: Vec<_> = (0..40).map(|n| ana.says_in(["lobby", "ops"][n % 2], &format!("{n}")).seq).collect();
    let lobby = ana.reads_all(&json!({"room": "lobby"}));
    drop(ana);
    daemon.kill();
    daemon.start_again();
    daemon.restart();
    let mut bo = daemon.connect();
    assert_eq!(bo.login("bo")["head"], *seqs.last().unwrap());
    assert_eq!(bo.reads_all(&json!({"room": "lobby"})), lobby);
    assert_eq!(bo.asks("JOIN", json!({"room": "ops"}))["head"], seqs[39]);
    let next = bo.says("next");
    assert!(next.seq > seqs[39]);
    assert_eq!(next.prev, seqs[38]);
}
