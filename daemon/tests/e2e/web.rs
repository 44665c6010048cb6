//! The page and its WebSocket from outside: the files, the checks of requests, and a WebSocket as a connection like any
//! other.

use crate::common::http::{Scrape, address};
use crate::common::web::read_answer;
use crate::common::{Daemon, in_shell, run};
use crate::events::held;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

#[test]
fn sessions_over_tls_and_over_websocket_chat_and_resume() {
    let (daemon, page) = Daemon::with_page("");
    let (mut ana, mut bo) = (page.login("ana"), daemon.login("bo"));
    ana.sees("bo", "joined");
    bo.says("from the line");
    ana.hears("from the line");
    ana.says("from the page: ünï 👍");
    bo.hears("from the page: ünï 👍");
    let (ana, bo) = (ana.vanishes(), bo.vanishes());
    let mut cy = daemon.login("cy");
    cy.says("while both were away");
    // Each resumes over the other transport.
    let mut back = daemon.connect();
    back.resumes(&ana, Some(ana.cursor));
    back.hears("while both were away");
    let mut bo_back = page.connect();
    bo_back.resumes(&bo, Some(bo.cursor));
    bo_back.hears("while both were away");
    bo_back.asks("QUIT", Value::Null);
    bo_back.is_closed();
}

#[test]
fn files_have_their_headers_and_are_not_sent_twice() {
    let (_daemon, page) = Daemon::with_page("");
    let get = |path: &str, more: &str| {
        page.asks(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", page.host()))
    };
    for (path, kind) in [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")] {
        let (status, head, body) = get(path, "");
        assert_eq!(status, 200, "{path}");
        assert!(head.contains(&format!("content-type: {kind}")) && !body.is_empty(), "{path}: {head}");
        assert!(head.contains("default-src 'none'") && head.contains("nosniff"), "{path}: {head}");
        assert!(!head.contains("set-cookie") && !head.contains("strict-transport"), "{path}: {head}");
        let tag = head.split("etag: ").nth(1).unwrap().split('\r').next().unwrap().to_owned();
        assert_eq!(get(path, &format!("If-None-Match: {tag}\r\n")).0, 304, "{path}");
    }
    let (status, _, body) = get("/host.json", "");
    let host: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, host),
        (200, json!({"kind": "daemon", "server": page.host(), "verified": "browser"}))
    );
    let mut tls = page.tls().unwrap();
    assert_eq!(tls.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    for _ in 0..3 {
        tls.write_all(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", page.host()).as_bytes()).unwrap();
        assert_eq!(read_answer(&mut tls).0, 200, "one connection, several requests");
    }
}

#[test]
fn host_origin_method_and_subprotocol_are_checked() {
    let (_daemon, page) = Daemon::with_page("");
    let asked = |change: &dyn Fn(&mut tungstenite::http::HeaderMap)| {
        let mut request = page.handshake();
        change(request.headers_mut());
        page.dials(request).map(drop).map_err(|refused| refused.status().as_u16())
    };
    assert_eq!(asked(&|_| {}), Ok(()));
    let (own, port) = (page.origin(), page.address.port());
    for (header, value, status) in [
        ("Host", "evil.example".to_owned(), 421),
        ("Host", format!("evil.example:{port}"), 421),
        ("Host", "localhost".to_owned(), 421),
        ("Host", format!("localhost.:{port}"), 421),
        ("Origin", "https://evil.example".to_owned(), 403),
        ("Origin", "null".to_owned(), 403),
        ("Origin", format!("http://localhost:{port}"), 403),
        ("Origin", format!("https://127.0.0.1:{port}"), 403),
        ("Origin", format!("{own}.evil.example"), 403),
        ("Sec-WebSocket-Protocol", "tcp-chat.2".to_owned(), 400),
        ("Sec-WebSocket-Protocol", "chat".to_owned(), 400),
        ("Sec-WebSocket-Version", "8".to_owned(), 426),
        ("Upgrade", "h2c".to_owned(), 426),
        ("Connection", "close".to_owned(), 426),
    ] {
        let value: HeaderValue = value.parse().unwrap();
        let refused = asked(&|headers| drop(headers.insert(header, value.clone())));
        assert_eq!(refused, Err(status), "{header}: {value:?}");
    }
    for header in ["Origin", "Sec-WebSocket-Protocol"] {
        assert!(asked(&|headers| drop(headers.remove(header))).is_err(), "no {header}");
    }
    for (request, status) in [
        (
            format!(
                "POST /ws HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {own}\r\nContent-Length: 0\r\n\r\n"
            ),
            405,
        ),
        (format!("GET /ws HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {own}\r\n\r\n"), 426),
        (format!("GET /nothing HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"), 404),
        (
            format!(
                "POST /ticket HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {own}\r\nContent-Length: 0\r\n\r\n"
            ),
            404,
        ),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), 421),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 421),
        (format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nHost: localhost:{port}\r\n\r\n"), 421),
        (format!("GET https://evil.example/ HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"), 421),
    ] {
        assert_eq!(page.asks(&request).0, status, "{request}");
    }
}

#[test]
fn a_protocol_error_closes_with_its_code_and_the_session_waits() {
    let (daemon, page) = Daemon::with_page("log.level = \"debug\"\nmetrics.address = \"127.0.0.1:0\"");
    let login = |name: &str| {
        let mut socket = page.dials(page.handshake()).unwrap();
        socket.send(Message::text(json!({"op": "LOGIN", "data": {"name": name}}).to_string())).unwrap();
        assert!(socket.read().unwrap().to_text().unwrap().contains(r#""op":"LOGIN","status":"OK""#));
        socket
    };
    let mut bo = daemon.login("bo");
    for (name, bytes, code) in [
        ("ana", &b"\x82\x83\0\0\0\0bin"[..], CloseCode::Unsupported),
        ("cy", b"\x81\x03hi\n", CloseCode::Protocol),
        ("di", b"\xc1\x83\0\0\0\0hi\n", CloseCode::Protocol),
    ] {
        let mut socket = login(name);
        bo.sees(name, "joined");
        socket.get_mut().write_all(bytes).unwrap();
        let told = loop {
            match socket.read() {
                Ok(Message::Close(frame)) => break frame.unwrap().code,
                Ok(_) => {}
                Err(why) => panic!("{why}"),
            }
        };
        assert_eq!(told, code, "{name}");
        assert!(matches!(socket.read(), Err(Error::ConnectionClosed)), "{name}");
        bo.sees(name, "away");
    }
    let mut socket = login("eve");
    socket.send(Message::Ping("there?".into())).unwrap();
    while socket.read().unwrap() != Message::Pong("there?".into()) {}
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    let ended = daemon.log().wait(|line| line.contains("a binary message").then(|| line.to_owned())).unwrap();
    assert!(ended.contains(r#""via":"web""#), "{ended}");
    let at = address(&daemon, "metrics_listening");
    Scrape::until(at, "disconnects_total{reason=\"protocol_error\",via=\"web\"}", 3.0).says(&[
        ("connections_accepted_total{via=\"web\"}", 4.0),
        ("connections_accepted_total{via=\"line\"}", 1.0),
        ("tls_handshakes_total{outcome=\"ok\",version=\"1.3\",via=\"web\"}", 4.0),
        ("disconnects_total{reason=\"protocol_error\",via=\"line\"}", 0.0),
    ]);
}

/// Writes a self-signed pair into the daemon's folder.
fn issue(daemon: &Daemon, names: &[&str]) {
    let key = KeyPair::generate().unwrap();
    let params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    std::fs::write(daemon.folder().join("page.key"), key.serialize_pem()).unwrap();
    std::fs::write(daemon.folder().join("page.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
}

#[test]
fn a_reload_loads_the_pages_certificate_and_says_that_its_address_needs_a_restart() {
    let (mut daemon, page) = Daemon::with_page("");
    let mut ana = page.login("ana");
    let file = daemon.folder().join("config.toml");
    let before = std::fs::read_to_string(&file).unwrap().replace("certs/server.", "page.");
    let reload = |text: &str| {
        std::fs::write(&file, text).unwrap();
        run(daemon.folder(), &["reload"], "")
    };
    let end = reload(&before);
    assert_ne!(end.code, Some(0), "there is no such file");
    assert!(end.err.contains("page.pem"), "{}", end.err);
    ana.says("as before");
    page.login("bo");

    issue(&daemon, &["other.example"]);
    let end = reload(&before.replace("web.address = \"127.0.0.1:0\"", "web.address = \"127.0.0.1:1\""));
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(end.out.contains("web.address"), "it tells that a restart is needed: {}", end.out);
    ana.says("nobody is disconnected");
    assert!(page.tls().is_err(), "another certificate is offered, and nobody here trusts it");

    // `check` refuses a page without a name.
    issue(&daemon, &["*.example"]);
    let end = run(daemon.folder(), &["check"], "");
    assert_eq!(end.code, Some(78), "{}", end.err);
    assert!(end.err.contains("web.names: "), "{}", end.err);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn a_shutdown_notifies_the_page_and_does_not_wait_for_idle_browsers() {
    let (mut daemon, page) = Daemon::with_page("shutdown.grace = \"1h\"");
    let mut ana = page.login("ana");
    let mut idle = page.tls().unwrap();
    idle.write_all(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", page.host()).as_bytes()).unwrap();
    read_answer(&mut idle);
    daemon.signal("TERM");
    ana.is_noticed("SHUTDOWN");
    ana.is_closed();
    drop(ana);
    assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log().text());
}

/// A browser shows no certificate, so such a server refuses each of its logins.
#[test]
fn a_page_without_a_possible_login_is_reported_by_the_start_and_by_check() {
    let (daemon, page) = Daemon::with_page("tls.client_auth = \"required\"");
    let reason = daemon.log().emits("web_refuses_logins").unwrap()["reason"].as_str().unwrap().to_owned();
    let end = run(daemon.folder(), &["check"], "");
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(end.err.contains(&format!("warning: {reason}")), "{}", end.err);
    let mut socket = page.dials(page.handshake()).unwrap();
    socket.send(Message::text(json!({"op": "LOGIN", "data": {"name": "ana"}}).to_string())).unwrap();
    let reply = socket.read().unwrap();
    assert!(reply.to_text().unwrap().contains("\"AUTH_FAILED\""), "{reply}");
    let file = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("required", "optional");
    std::fs::write(&file, text).unwrap();
    let end = run(daemon.folder(), &["check"], "");
    assert!(end.code == Some(0) && !end.err.contains("client_auth"), "{}", end.err);
}

#[test]
fn the_status_has_the_address_of_the_page() {
    let (daemon, page) = Daemon::with_page("web.names = [\"chat.example\"]");
    let status: Value = serde_json::from_str(&run(daemon.folder(), &["status", "--json"], "").out).unwrap();
    let origin = format!("https://chat.example:{}", page.address.port());
    assert_eq!(status["page"], json!(origin));
    let summary = status["summary"].as_str().unwrap();
    assert!(summary.contains(&format!(", the page at {origin}: ")), "{summary}");
    let without = Daemon::start();
    let status: Value = serde_json::from_str(&run(without.folder(), &["status", "--json"], "").out).unwrap();
    assert_eq!(status["page"], Value::Null);
}

/// Each file is read twice in a reload, and can be replaced in between. A pipe gives each reader another content.
fn replaced_during_a_reload(daemon: &Daemon) {
    let file = daemon.folder().join("page.pem");
    let contents = [&["good.example"][..], &["good.example"], &["*.example"]].map(|names| {
        issue(daemon, names);
        (std::fs::read(&file).unwrap(), std::fs::read(daemon.folder().join("page.key")).unwrap())
    });
    let pipe = daemon.folder().join("pipe");
    let make = || {
        assert!(
            in_shell(&format!("mkfifo {0} && mv {0} {1}", pipe.display(), file.display())).status.success()
        )
    };
    make();
    daemon.signal("HUP");
    for (certificate, key) in contents {
        // Waits for the reader. The next reader finds another pipe.
        let mut writer = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        std::fs::write(daemon.folder().join("page.key"), key).unwrap();
        make();
        writer.write_all(&certificate).unwrap();
    }
}

/// The events of the page in the log of a daemon. For `events_for_real`.
pub(crate) fn page() -> BTreeSet<String> {
    let (mut daemon, page) = Daemon::with_page("log.level = \"debug\"");
    page.tls().unwrap().write_all(b"no HTTP\r\n\r\n").unwrap();
    daemon.log().emits("web_failed").unwrap();
    issue(&daemon, &["*.example"]);
    let file = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("certs/server.", "page.");
    std::fs::write(&file, &text).unwrap();
    daemon.signal("HUP");
    daemon.log().emits("reload_refused").unwrap();
    std::fs::write(&file, format!("{text}tls.client_auth = \"required\"\n")).unwrap();
    replaced_during_a_reload(&daemon);
    for event in ["web_refuses_logins", "web_names_kept"] {
        daemon.log().emits(event).unwrap();
    }
    // The last pipe: nothing may wait for its other end.
    std::fs::remove_file(daemon.folder().join("page.pem")).unwrap();
    daemon.signal("TERM");
    daemon.ended();
    held(daemon.log())
}

#[test]
fn the_page_is_off_by_default() {
    let daemon = Daemon::start();
    assert!(!daemon.log().text().contains("web_listening"));
    let shown = run(daemon.folder(), &["config"], "").out;
    assert!(shown.contains("[web]"), "{shown}");
}
