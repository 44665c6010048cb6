//! Tables of what comes next, with a clock that the test sets.

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn at(text: &str) -> ServerAddress {
    text.parse().unwrap()
}

fn list(addresses: &[&str]) -> Vec<String> {
    addresses.iter().map(|a| (*a).to_owned()).collect()
}

/// Connected to `a`, which has named `a`, `b` and `c`.
fn three() -> Servers {
    let mut servers = Servers::new(at("a:1"), Vec::new(), &[]);
    servers.named(&list(&["a:1", "b:1", "c:1"]), 0);
    servers.connected();
    servers
}

/// The current one fails: the next one, and the wait before it in milliseconds.
fn fails(servers: &mut Servers, now: Instant) -> (String, u128) {
    servers.failed(now, None, u32::MAX);
    let wait = servers.next(now, u32::MAX);
    (servers.current().to_string(), wait.as_millis())
}

#[tokio::test(start_paused = true)]
async fn the_next_one_at_once_then_each_after_its_own_wait() {
    let (mut servers, mut now) = (three(), Instant::now());
    servers.lived(SECOND * 60);
    let mut tried = Vec::new();
    for _ in 0..9 {
        let (server, wait) = fails(&mut servers, now);
        now += Duration::from_millis(wait as u64);
        tried.push((server, wait));
    }
    let tried: Vec<_> = tried.iter().map(|(server, wait)| (server.as_str(), *wait)).collect();
    assert_eq!(
        tried,
        [
            ("b:1", 0),
            ("c:1", 0),
            // All have failed once, and each waits for 250 ms; then for 500 ms, and so on.
            ("a:1", 250),
            ("b:1", 0),
            ("c:1", 0),
            ("a:1", 500),
            ("b:1", 0),
            ("c:1", 0),
            ("a:1", 1000),
        ]
    );
    assert_eq!(servers.attempts(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_lone_server_waits_as_ever() {
    let mut servers = Servers::new(at("a:1"), Vec::new(), &[]);
    let mut now = Instant::now();
    for expected in [250, 500, 1000, 2000] {
        assert_eq!(fails(&mut servers, now), ("a:1".to_owned(), expected));
        now += Duration::from_millis(expected as u64);
    }
    servers.requested(SECOND * 90);
    assert_eq!(fails(&mut servers, now), ("a:1".to_owned(), 90_000), "as the server said");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_sends_its_clients_elsewhere_at_different_times() {
    let (mut servers, now) = (three(), Instant::now());
    servers.requested(MS * 310);
    assert_eq!(fails(&mut servers, now), ("b:1".to_owned(), 310));
    assert_eq!(fails(&mut servers, now), ("c:1".to_owned(), 0), "the request counts once");
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_node_is_left_alone_as_long_as_it_asks() {
    let (mut servers, now) = (three(), Instant::now());
    for expected in ["b:1", "c:1"] {
        servers.failed(now, Some(SECOND * 5), u32::MAX);
        assert_eq!(servers.next(now, u32::MAX), Duration::ZERO);
        assert_eq!(servers.current().to_string(), expected);
    }
    servers.failed(now, Some(SECOND * 2), u32::MAX);
    assert_eq!((servers.next(now, u32::MAX), servers.current().to_string()), (SECOND * 2, "c:1".to_owned()));
}

#[test]
fn a_newer_list_replaces_what_was_named_and_keeps_what_was_given() {
    let mut servers = Servers::new(at("front:1"), vec![at("b:1")], &list(&["old:1", "b:1"]));
    assert_eq!(servers.all(), ["front:1", "b:1", "old:1"]);
    servers.named(&list(&["a:1", "b:1", "c:1"]), 1);
    assert_eq!(servers.all(), ["front:1", "c:1", "b:1"], "the address that works stands for a:1");
    servers.failed(Instant::now(), None, 0);
    servers.next(Instant::now(), 0);
    servers.named(&list(&["c:1", "a:1", "d:1"]), 0);
    assert_eq!(servers.all(), ["c:1", "a:1", "d:1", "front:1", "b:1"]);
    for unusable in [&list(&[]), &list(&["no address"])] {
        servers.named(unusable, 0);
        assert_eq!(servers.len(), 5);
    }
    servers.named(&list(&["c:1"]), 7);
    assert_eq!(servers.all(), ["c:1", "front:1", "b:1"], "the only one that lives");
}

#[test]
fn the_clients_of_a_lost_node_spread_over_the_others() {
    let next: std::collections::BTreeSet<_> = (0..20)
        .map(|chance| {
            let mut servers = Servers::new(at("a:1"), Vec::new(), &[]);
            servers.named(&list(&["a:1", "b:1", "c:1", "d:1"]), chance);
            fails(&mut servers, Instant::now()).0
        })
        .collect();
    assert_eq!(next.len(), 3, "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backoff_outlives_a_new_list() {
    let (mut servers, now) = (three(), Instant::now());
    fails(&mut servers, now);
    servers.named(&list(&["b:1", "a:1"]), 0);
    assert_eq!(servers.all(), ["b:1", "a:1"]);
    servers.failed(now, None, u32::MAX);
    assert_eq!(servers.next(now, 0), MS * 250, "a:1 has failed a moment ago");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_verified_is_passed_over_and_the_last_one_ends_it() {
    let (mut servers, now) = (three(), Instant::now());
    assert_eq!(fails(&mut servers, now).0, "b:1");
    assert!(servers.refused(now));
    assert_eq!(fails(&mut servers, now).0, "c:1");
    for _ in 0..3 {
        assert_ne!(fails(&mut servers, now).0, "b:1");
    }
    while servers.current() != &at("a:1") {
        fails(&mut servers, now);
    }
    assert!(servers.refused(now), "c:1 is left");
    servers.next(now, 0);
    assert!(!servers.refused(now));
    servers.connected();
    assert!(!servers.refused(now));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_names_new_addresses_for_ever_is_not_followed_without_a_pause() {
    let mut servers = Servers::new(at("a:1"), Vec::new(), &[]);
    let (began, mut now, mut attempts) = (Instant::now(), Instant::now(), 0);
    for round in 0.. {
        if now - began >= SECOND * 60 {
            break;
        }
        let names: Vec<_> = (0..16).map(|n| format!("h{round}-{n}:1")).collect();
        servers.named(&names, 0);
        servers.connected();
        servers.lived(MS);
        servers.failed(now, None, u32::MAX);
        now += servers.next(now, 0) + MS;
        attempts += 1;
    }
    assert!(attempts < 40, "{attempts} in a minute");
}

#[test]
fn the_most_telling_error_is_told() {
    let unreachable = Error::NoConnection { server: "a:1".into(), why: "x".into() };
    let refused = Error::LoginRefused { kind: tcp_chat_protocol::ErrorKind::Unavailable, msg: "x".into() };
    let told = more_telling(Some(refused.clone()), unreachable.clone());
    assert!(matches!(told, Error::LoginRefused { .. }));
    assert!(matches!(more_telling(Some(unreachable.clone()), refused.clone()), Error::LoginRefused { .. }));
    assert!(matches!(more_telling(None, unreachable), Error::NoConnection { .. }));
    let wrong = Error::LoginRefused { kind: tcp_chat_protocol::ErrorKind::AuthFailed, msg: "x".into() };
    assert!(is_of_one_server(&refused) && !is_of_one_server(&wrong));
}
