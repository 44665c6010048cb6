//! Tests of metrics and health: a scrape counts what was done.

use crate::accounts::{ACCOUNTS, code, done, logs_in, registered};
use crate::common::http::{Scrape, address, get, request};
use crate::common::{Daemon, Peer, Trust, client_config, run};
use crate::outside::repository;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

const METRICS: &str = "metrics.address = \"127.0.0.1:0\"\n";

fn daemon(settings: &str) -> (Daemon, std::net::SocketAddr) {
    let daemon = Daemon::with(&format!("{METRICS}{settings}"));
    let at = address(&daemon, "metrics_listening");
    (daemon, at)
}

#[test]
fn a_scrape_counts_the_served_requests() {
    let (daemon, at) = daemon("limits.connections = 5\ntls.min_version = \"1.2\"");
    let mut ana = daemon.login("ana");
    let mut bo = daemon.login_to("bo", &["lobby", "a-room-of-his"]);
    for text in ["one", "two", "three"] {
        ana.says(text);
        bo.hears(text);
    }
    ana.tells("bo", "psst");
    ana.is_refused("MSG", json!({"room": "a-room-of-his", "msg": "?"}), "NOT_A_MEMBER");
    ana.is_refused("MSG", json!({"room": "nowhere", "msg": "?"}), "NO_SUCH_ROOM");
    ana.is_refused("NONSENSE", json!(1), "UNKNOWN_OP");
    ana.sends_bytes(b"nonsense\nmore of it\n");
    ana.hears_error("PARSE");
    ana.hears_error("PARSE");

    let scrape = Scrape::of(at);
    scrape.says(&[
        ("connections", 2.0),
        ("sessions{state=\"here\"}", 2.0),
        ("sessions{state=\"away\"}", 0.0),
        ("rooms", 2.0),
        ("head", 4.0),
        ("logins_total", 2.0),
        ("messages_in_total", 4.0),
        ("messages_out_total", 8.0),
        ("refusals_total{kind=\"NOT_A_MEMBER\"}", 1.0),
        ("refusals_total{kind=\"NO_SUCH_ROOM\"}", 1.0),
        ("refusals_total{kind=\"UNKNOWN_OP\"}", 1.0),
        ("refusals_total{kind=\"PARSE\"}", 2.0),
        ("refusals_total{kind=\"INTERNAL\"}", 0.0),
        ("connections_accepted_total{via=\"line\"}", 2.0),
        ("tls_handshakes_total{outcome=\"ok\",version=\"1.3\",via=\"line\"}", 2.0),
        ("tls_handshakes_total{outcome=\"ok\",version=\"1.2\",via=\"line\"}", 0.0),
        ("fan_out_seconds_count", 4.0),
        ("commit_seconds_bucket{le=\"+Inf\"}", scrape.get("commit_seconds_count")),
        ("store_failing", 0.0),
        ("store_errors_total", 0.0),
        ("store_messages", 4.0),
        ("catch_ups_total", 0.0),
        ("hub_up", 1.0),
        ("ready", 1.0),
    ]);
    assert!(scrape.get("turn_commands_sum") >= 11.0 && scrape.get("turn_commands_count") <= 11.0);
    assert!(scrape.get("store_bytes{file=\"log\"}") > 4096.0);
    assert!(scrape.0["process_resident_memory_bytes"] > 1e6);
    let day = 86_400.0;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let left = (scrape.get("certificate_expiry_timestamp_seconds") - now) / day;
    assert!((88.0..=91.0).contains(&left), "{left} days");
    let text = get(at, "/metrics").body;
    assert!(!text.contains("a-room-of-his") && !text.contains("ana"), "names are no labels");

    // Every kind of resume.
    let gone = bo.vanishes();
    let scrape = Scrape::until(at, "sessions{state=\"away\"}", 1.0);
    assert_eq!(scrape.get("sessions{state=\"here\"}"), 1.0);
    let bo = daemon.resume(&gone);
    let mut again = daemon.resume(&bo.session());
    let mut stranger = daemon.connect();
    stranger.is_refused("LOGIN", json!({"session": "A".repeat(43)}), "SESSION_EXPIRED");
    again.asks("QUIT", json!(null));
    again.is_closed();
    drop(bo);
    stranger.asks_for("QUIT", json!(null));
    drop((stranger, again));
    // An old client, and one that does not speak TLS.
    let old = client_config(&daemon.ca(), Trust { alpn: true, only_1_2: true });
    drop(Peer::connect(daemon.address(), old).unwrap());
    let mut plain = TcpStream::connect(daemon.address()).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _ = plain.read_to_end(&mut Vec::new());
    Scrape::until(at, "tls_handshakes_total{outcome=\"failed\",version=\"none\",via=\"line\"}", 1.0);
    Scrape::until(at, "connections", 1.0).says(&[
        ("tls_handshakes_total{outcome=\"ok\",version=\"1.2\",via=\"line\"}", 1.0),
        ("resumes_total{outcome=\"resumed\"}", 1.0),
        ("resumes_total{outcome=\"taken_over\"}", 1.0),
        ("resumes_total{outcome=\"expired\"}", 1.0),
        ("resumes_total{outcome=\"refused\"}", 0.0),
        ("resume_age_seconds_count", 1.0),
        ("refusals_total{kind=\"SESSION_EXPIRED\"}", 1.0),
        ("disconnects_total{reason=\"quit\",via=\"line\"}", 2.0),
        ("disconnects_total{reason=\"taken_over\",via=\"line\"}", 1.0),
        ("disconnects_total{reason=\"other\",via=\"line\"}", 0.0),
    ]);

    // The server is full: the next clients are told.
    let held: Vec<_> = (0..4).map(|_| daemon.connect()).collect();
    let mut over = daemon.connect();
    over.hears_error("SERVER_FULL");
    let scrape = Scrape::until(at, "connections_turned_away_total{reason=\"full\",via=\"line\"}", 1.0);
    assert_eq!(scrape.get("refusals_total{kind=\"SERVER_FULL\"}"), 1.0);
    drop((held, ana));
}

#[test]
fn refused_logins_are_counted_by_reason() {
    let (daemon, at) = daemon(ACCOUNTS);
    registered(&daemon, "ana");
    let mut wrong = daemon.connect();
    wrong.is_refused("LOGIN", json!({"name": "ana", "password": "no"}), "AUTH_FAILED");
    wrong.is_refused("LOGIN", json!({"name": "nobody"}), "AUTH_FAILED");
    let line = done(&daemon, &["user", "add", "bo"]);
    assert_eq!(code(&line).len(), 43);
    let enrol = json!({"name": "bo", "code": "A".repeat(43), "password": "x"});
    daemon.connect().is_refused("ENROL", enrol, "AUTH_FAILED");
    drop(logs_in(&daemon, "ana", "her own"));
    Scrape::of(at).says(&[
        ("authentication_failures_total{reason=\"password\"}", 2.0),
        ("authentication_failures_total{reason=\"code\"}", 1.0),
        ("authentication_failures_total{reason=\"certificate\"}", 0.0),
        ("refusals_total{kind=\"AUTH_FAILED\"}", 3.0),
        ("logins_total", 1.0),
        ("users", 2.0),
    ]);
}

#[test]
fn a_slow_reader_is_counted_once_and_its_backlog_is_measured() {
    let (daemon, at) =
        daemon("limits.outbox_bytes = \"64 KiB\"\nlimits.messages_per_second = 0\nlimits.stall = \"1h\"");
    let mut ana = daemon.login("ana");
    let slow = daemon.login("slow");
    let text = "x".repeat(8_000);
    // Once the waiting bytes exceed the limit. The kernels' buffers on the way are unknown.
    while Scrape::of(at).get("catch_ups_total") < 1.0 {
        for _ in 0..50 {
            ana.says(&text);
        }
    }
    let scrape = Scrape::of(at);
    assert_eq!(scrape.get("catch_ups_total"), 1.0);
    assert!(scrape.get("outbox_bytes_max") > 32.0 * 1024.0);
    assert!(scrape.get("outbox_bytes") >= scrape.get("outbox_bytes_max"));
    drop(slow);
}

#[test]
fn the_documented_metrics_are_the_exported_metrics() {
    let (_daemon, at) = daemon("");
    let body = get(at, "/metrics").body;
    let typed = |line: &str| {
        let mut words = line.strip_prefix("# TYPE ")?.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    let scraped: BTreeMap<String, String> = body.lines().filter_map(typed).collect();
    let handbook = std::fs::read_to_string(repository().join("docs/OPERATIONS.md")).unwrap();
    let row = |line: &str| {
        let mut cells =
            line.strip_prefix("| `")?.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        let name = cells.next()?;
        (name.starts_with("tcp_chatd_") || name.starts_with("process_")).then_some(())?;
        let name = name.split('{').next()?.to_owned();
        Some((name, cells.next()?))
    };
    let mut told: BTreeMap<String, String> = handbook.lines().filter_map(row).collect();
    // A daemon without a cluster does not have them.
    let of_a_cluster = |name: &String| name.starts_with("tcp_chatd_cluster_");
    assert_eq!(told.keys().filter(|name| of_a_cluster(name)).count(), 5);
    told.retain(|name, _| !of_a_cluster(name));
    assert_eq!(told, scraped);
    for name in told.keys() {
        assert!(body.contains(&format!("# HELP {name} ")), "{name} is explained");
    }
}

#[test]
fn other_paths_of_the_metrics_endpoint_are_not_found() {
    let (_daemon, at) = daemon("");
    assert_eq!(get(at, "/").status, 404);
    assert_eq!(get(at, "/rooms/lobby/messages").status, 404);
    let post = request(at, "POST", "/metrics", &[], "");
    assert_eq!((post.status, post.headers["allow"].as_str()), (405, "GET, HEAD"));
    let head = request(at, "HEAD", "/healthz", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let kind = get(at, "/metrics").headers["content-type"].clone();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(Scrape::of(at).get("http_requests_total{status=\"4xx\"}"), 3.0);
}

#[test]
fn a_draining_daemon_is_alive_and_not_ready() {
    let (mut daemon, at) =
        daemon("shutdown.grace = \"1h\"\nlimits.stall = \"1h\"\nlimits.messages_per_second = 0");
    assert_eq!((get(at, "/healthz").status, get(at, "/readyz").status), (200, 200));
    // A client that reads nothing delays the end.
    let mut ana = daemon.login("ana");
    let slow = daemon.login("slow");
    let text = "x".repeat(8_000);
    for _ in 0..1_500 {
        ana.says(&text);
    }
    daemon.signal("TERM");
    let ready = Scrape::until(at, "ready", 0.0);
    assert_eq!(ready.get("hub_up"), 1.0);
    let answer = get(at, "/readyz");
    assert_eq!((answer.status, answer.body.as_str()), (503, "the daemon is stopping\n"));
    assert_eq!(get(at, "/healthz").status, 200);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    drop(slow);
}

#[test]
fn a_port_in_use_is_reported_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = taken.local_addr().unwrap();
    let setting = format!("metrics.address={address}");
    let end = run(folder.path(), &["--set", &setting, "--set", "listen.address=127.0.0.1:0"], "");
    assert_eq!(end.code, Some(75), "{}", end.err);
    assert!(end.err.contains("metrics.address: cannot listen on"), "{}", end.err);
}

/// Load balancers connect without sending. The shipped alert must not fire for that.
#[test]
fn a_connection_without_bytes_is_not_a_failed_handshake() {
    let (daemon, at) = daemon("");
    for _ in 0..5 {
        drop(TcpStream::connect(daemon.address()).unwrap());
    }
    let empty = "tls_handshakes_total{outcome=\"empty\",version=\"none\",via=\"line\"}";
    Scrape::until(at, empty, 5.0).says(&[
        ("tls_handshakes_total{outcome=\"failed\",version=\"none\",via=\"line\"}", 0.0),
        ("tls_handshakes_total{outcome=\"timeout\",version=\"none\",via=\"line\"}", 0.0),
    ]);
    // One byte counts as an attempt.
    TcpStream::connect(daemon.address()).unwrap().write_all(&[22]).unwrap();
    Scrape::until(at, "tls_handshakes_total{outcome=\"failed\",version=\"none\",via=\"line\"}", 1.0)
        .says(&[(empty, 5.0)]);
    let rules = include_str!("../../../packaging/prometheus/tcp-chatd.rules.yml");
    let counted: Vec<_> = rules.lines().filter(|line| line.contains("tls_handshakes_total{")).collect();
    assert_eq!(counted.len(), 3);
    for line in counted {
        assert!(
            line.contains("{outcome=~\"failed|timeout\"}") || line.contains("{outcome=\"ok\"}"),
            "an alert counts health checks: {line}"
        );
    }
}

/// A page in a browser on this host resolves its own name to the address of the metrics (DNS rebinding).
#[test]
fn the_metrics_are_refused_for_a_foreign_host_header() {
    let (_daemon, at) = daemon("");
    let ask = |path: &str, host: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        crate::common::http::sends(at, head.as_bytes()).status
    };
    for (host, status) in
        [("localhost", 200), ("127.0.0.1:9464", 200), ("evil.example", 421), ("evil.example:9464", 421)]
    {
        assert_eq!((ask("/metrics", host), ask("/readyz", host)), (status, status), "{host}");
        assert_eq!(ask("/healthz", host), 200, "{host}");
    }
    let absolute =
        b"GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(crate::common::http::sends(at, absolute).status, 421);
}
