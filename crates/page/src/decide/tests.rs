//! The matrix of requests: host program, path, method, `Host`, `Origin`, and the files that the browser has.

use super::*;
use crate::{HEADERS, Scheme, files};

const OWN: &str = "127.0.0.1:8080";
const ORIGIN: &str = "http://127.0.0.1:8080";

fn site() -> Site {
    Site::new(Scheme::Http, ["127.0.0.1", "localhost"], 8080).unwrap()
}

fn ask(host: Host, method: &str, path: &str, headers: &[(&str, &str)]) -> Decision {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    decide(host, &site(), &request.body(()).unwrap())
}

/// The status, or the name of the decision.
fn outcome(decision: &Decision) -> String {
    match decision {
        Decision::Answer(answer) => answer.status().as_u16().to_string(),
        other => format!("{other:?}"),
    }
}

fn answered(decision: Decision) -> Response<&'static [u8]> {
    match decision {
        Decision::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_and_methods_of_both_hosts() {
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "get"];
    // The outcome for GET, HEAD and POST; all other methods are refused.
    let table = [
        (Host::Relay, "/", ["200", "200", "405"]),
        (Host::Relay, "/?a=b", ["200", "200", "405"]),
        (Host::Relay, "/app.js", ["200", "200", "405"]),
        (Host::Relay, "/ws", ["WebSocket", "405", "405"]),
        (Host::Relay, "/host.json", ["Describe", "Describe", "405"]),
        (Host::Relay, "/ticket", ["405", "405", "Ticket"]),
        (Host::Relay, "/server", ["405", "405", "Server"]),
        (Host::Relay, "/server/", ["404", "404", "404"]),
        (Host::Relay, "/index.html", ["404", "404", "404"]),
        (Host::Relay, "/../../etc/passwd", ["404", "404", "404"]),
        (Host::Daemon, "/", ["200", "200", "405"]),
        (Host::Daemon, "/ws", ["WebSocket", "405", "405"]),
        (Host::Daemon, "/ws?bearer=x", ["WebSocket", "405", "405"]),
        (Host::Daemon, "/host.json", ["Describe", "Describe", "405"]),
        (Host::Daemon, "/ticket", ["404", "404", "404"]),
        (Host::Daemon, "/server", ["404", "404", "404"]),
    ];
    for (host, path, [get, head, post]) in table {
        for method in methods {
            let want = match method {
                "GET" => get,
                "HEAD" => head,
                "POST" => post,
                _ if get == "404" => "404",
                _ => "405",
            };
            let got = ask(host, method, path, &[("host", OWN), ("origin", ORIGIN)]);
            assert_eq!(outcome(&got), want, "{host:?} {method} {path}");
        }
    }
}

#[test]
fn a_refused_method_is_answered_with_the_allowed_ones() {
    for (path, allow) in [("/", "GET, HEAD"), ("/ws", "GET"), ("/ticket", "POST")] {
        let answer = answered(ask(Host::Relay, "PUT", path, &[("host", OWN)]));
        assert_eq!(answer.headers()["allow"], allow, "{path}");
    }
}

#[test]
fn only_the_hosts_own_names_are_served() {
    let foreign = [
        "",
        "evil.example",
        "evil.example:8080",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:8081",
        "127.0.0.1:08080",
        "127.0.0.1:8080.",
        "127.0.0.1.:8080",
        "127.0.0.2:8080",
        "[::1]:8080",
        "me@127.0.0.1:8080",
        "127.0.0.1:8080/",
        "127.0.0.1:8080, 127.0.0.1:8080",
        "localhost.:8080",
        "http://127.0.0.1:8080",
    ];
    for path in ["/", "/ws", "/host.json", "/ticket", "/nothing"] {
        for host in foreign {
            let got = ask(Host::Relay, "GET", path, &[("host", host), ("origin", ORIGIN)]);
            assert_eq!(outcome(&got), "421", "{path} {host:?}");
        }
        let twice = ask(Host::Relay, "GET", path, &[("host", OWN), ("host", OWN), ("origin", ORIGIN)]);
        assert_eq!(outcome(&twice), "421", "{path}: twice");
        let none = ask(Host::Relay, "GET", path, &[("origin", ORIGIN)]);
        assert_eq!(outcome(&none), "421", "{path}: none");
    }
    for host in [OWN, "localhost:8080", "LocalHost:8080"] {
        assert_eq!(outcome(&ask(Host::Relay, "GET", "/", &[("host", host)])), "200", "{host}");
    }
}

#[test]
fn an_address_in_the_first_line_must_be_that_of_host() {
    for (line, host, want) in [
        ("http://127.0.0.1:8080/", OWN, "200"),
        ("http://localhost:8080/", OWN, "421"),
        ("http://evil.example/", OWN, "421"),
        ("http://127.0.0.1:8080/", "evil.example", "421"),
        ("http://127.0.0.1:8080@evil.example/", OWN, "421"),
    ] {
        assert_eq!(outcome(&ask(Host::Relay, "GET", line, &[("host", host)])), want, "{line} {host}");
    }
}

#[test]
fn only_the_page_may_open_websockets_and_post() {
    let foreign = [
        "",
        "null",
        "http://evil.example",
        "https://127.0.0.1:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:8081",
        "http://localhost:8080",
        "http://127.0.0.1:8080/",
        "HTTP://127.0.0.1:8080",
        "http://127.0.0.1:8080.evil.example",
        "http://127.0.0.1:8080 http://evil.example",
        "127.0.0.1:8080",
        "://127.0.0.1:8080",
        "file://",
    ];
    for (method, path) in [("GET", "/ws"), ("POST", "/ticket"), ("POST", "/server")] {
        for origin in foreign {
            let got = ask(Host::Relay, method, path, &[("host", OWN), ("origin", origin)]);
            assert_eq!(outcome(&got), "403", "{method} {path} {origin:?}");
        }
        assert_eq!(outcome(&ask(Host::Relay, method, path, &[("host", OWN)])), "403", "{path}: none");
        let twice = [("host", OWN), ("origin", ORIGIN), ("origin", ORIGIN)];
        assert_eq!(outcome(&ask(Host::Relay, method, path, &twice)), "403", "{path}: twice");
        let other = [("host", "localhost:8080"), ("origin", "http://localhost:8080")];
        assert_ne!(outcome(&ask(Host::Relay, method, path, &other)), "403", "{path}: by its other name");
    }
    // A link from elsewhere may open the page.
    let link = [("host", OWN), ("origin", "http://evil.example")];
    assert_eq!(outcome(&ask(Host::Relay, "GET", "/", &link)), "200");
}

#[test]
fn a_file_that_the_browser_has_is_not_sent_again() {
    for file in files() {
        let sent = answered(ask(Host::Daemon, "GET", file.path, &[("host", OWN)]));
        assert_eq!((sent.status(), *sent.body()), (StatusCode::OK, file.bytes));
        assert_eq!(sent.headers()["content-type"], file.content_type);
        let tag = sent.headers()["etag"].to_str().unwrap().to_owned();
        let same = [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()];
        for has in &same {
            let kept =
                answered(ask(Host::Daemon, "GET", file.path, &[("host", OWN), ("if-none-match", has)]));
            assert_eq!(kept.status(), StatusCode::NOT_MODIFIED, "{has}");
            assert!(kept.body().is_empty());
            assert_eq!(kept.headers()["etag"], tag.as_str());
        }
        for has in ["\"x\"", "", tag.trim_matches('"')] {
            let sent =
                answered(ask(Host::Daemon, "GET", file.path, &[("host", OWN), ("if-none-match", has)]));
            assert_eq!(sent.status(), StatusCode::OK, "{has:?}");
        }
    }
}

#[test]
fn each_answer_carries_the_security_headers() {
    let tag = &files()[0].etag;
    let asked = [
        ask(Host::Relay, "GET", "/", &[("host", OWN)]),
        ask(Host::Relay, "GET", "/", &[("host", OWN), ("if-none-match", tag)]),
        ask(Host::Relay, "PUT", "/", &[("host", OWN)]),
        ask(Host::Relay, "GET", "/none", &[("host", OWN)]),
        ask(Host::Relay, "GET", "/", &[]),
        ask(Host::Relay, "GET", "/ws", &[("host", OWN)]),
    ];
    let statuses: Vec<_> = asked.iter().map(outcome).collect();
    assert_eq!(statuses, ["200", "304", "405", "404", "421", "403"]);
    for decision in asked {
        let answer = answered(decision);
        for (name, value) in HEADERS {
            assert_eq!(answer.headers()[name], value);
        }
        assert!(!answer.headers().contains_key("set-cookie"));
    }
}
