//! `tcp-chat-cli web` from outside: its checks of requests over real sockets, and the chat through it.

use crate::client::{Client, Home};
use crate::daemon::Daemon;
use crate::relay::Relay;
use serde_json::{Value, json};

#[test]
fn the_page_is_served_with_its_headers_under_its_own_host() {
    let (home, daemon) = (Home::new(), Daemon::start());
    let relay = Relay::start(&home, &daemon, &[]);
    let page = relay.page("GET /", &[], "");
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("<div id=\"app\">") && page.head.contains("content-type: text/html"),
        "{page:?}"
    );
    assert!(page.head.contains("content-security-policy: default-src 'none'; "), "{page:?}");
    assert!(
        page.head.contains("x-content-type-options: nosniff\r\n")
            && page.head.contains("permissions-policy: \r\n")
    );
    assert!(!page.head.contains("set-cookie") && !page.head.contains("strict-transport"));
    let tag = page.head.split("etag: ").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    assert_eq!(relay.page("GET /", &[("If-None-Match", &tag)], "").status, 304);
    let head = relay.page("HEAD /app.js", &[], "");
    assert!(head.status == 200 && head.body.is_empty(), "{head:?}");
    assert_eq!(relay.page("GET /nothing", &[], "").status, 404);
}

#[test]
fn only_the_page_itself_has_access() {
    let (home, daemon) = (Home::new(), Daemon::start());
    let relay = Relay::start(&home, &daemon, &[]);
    let (own, origin, port) = (relay.host(), relay.origin(), relay.port);
    let host = ("Host", own.as_str());
    let ours = ("Origin", origin.as_str());
    let foreign = ("Origin", "http://evil.example");
    let rebound = format!("evil.example:{port}");
    let rebound = ("Host", rebound.as_str());
    let wrong = ("Authorization", "Bearer 0000000000000000000000000000000000000000000000000000000000000000");
    for (line, headers, status) in [
        ("GET /", &[rebound][..], 421),
        ("GET /", &[], 421),
        ("POST /ticket", &[rebound, ours], 421),
        ("POST /ticket", &[host], 403),
        ("POST /ticket", &[host, foreign], 403),
        ("POST /ticket", &[host, ("Origin", "null")], 403),
        ("POST /ticket", &[host, ours], 403), // Not this ticket.
        ("GET /ticket", &[host, ours], 405),
        ("POST /server", &[host, foreign, wrong], 403),
        ("POST /server", &[host, ours], 401),
        ("POST /server", &[host, ours, wrong], 401),
        ("PUT /server", &[host, ours], 405),
        ("GET /host.json", &[host], 401),
        ("GET /host.json", &[host, wrong], 401),
        ("GET /host.json", &[rebound, wrong], 421),
        ("GET /ws", &[host], 403),
        ("GET /ws", &[host, foreign], 403),
        ("GET /ws", &[host, ours], 401),
        ("POST /ws", &[host, ours], 405),
        ("OPTIONS /server", &[host, foreign, ("Access-Control-Request-Method", "POST")], 405),
    ] {
        let answer = relay.ask(line, headers, "{\"server\":\"x\"}");
        assert_eq!(answer.status, status, "{line} {headers:?}: {answer:?}");
        assert!(!answer.head.contains("access-control") && !answer.head.contains("set-cookie"), "{answer:?}");
    }
    let stranger = relay.page("GET /host.json", &[], "").json();
    assert_eq!(stranger["kind"], "relay");
    assert!(stranger["problem"][0].as_str().unwrap().contains("not let in"), "{stranger}");
    assert!(!stranger.to_string().contains(&daemon.port.to_string()), "it learns nothing: {stranger}");

    let bearer = relay.bearer();
    assert_eq!(relay.page("POST /ticket", &[], &relay.ticket).status, 403, "a ticket is taken once");
    let second = format!("Bearer {}", relay.ticket);
    assert_eq!(
        relay.page("GET /host.json", &[("Authorization", &second)], "").status,
        401,
        "a ticket is not a bearer"
    );
    let offered = format!("tcp-chat.1, bearer.{bearer}");
    for (protocols, origin, status) in [
        (offered.as_str(), "http://evil.example", 403),
        (&offered, "null", 403),
        ("tcp-chat.1", origin.as_str(), 401),
        (&format!("tcp-chat.1, bearer.{}", relay.ticket), &origin, 401),
        (&format!("bearer.{bearer}"), &origin, 400),
        (&offered, &origin, 101),
    ] {
        let (_, answer) = relay.handshake(protocols, origin);
        assert_eq!(answer.status, status, "{protocols} {origin}: {answer:?}");
    }
    let with_long_body =
        relay.page("POST /server", &[("Authorization", &format!("Bearer {bearer}"))], &"x".repeat(5000));
    assert_eq!(with_long_body.status, 400);

    relay.client.signal("TERM");
    let ended = relay.client.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.err.contains(&bearer) && !ended.err.contains(&relay.ticket), "{}", ended.err);
}

#[test]
fn page_and_terminal_chat_while_the_daemon_is_killed() {
    let (ana, ben, mut daemon) = (Home::new(), Home::new(), Daemon::start());
    let relay = Relay::start(&ana, &daemon, &[]);
    let mut terminal = ben.start(&daemon, &["--line", "--name", "ben", "-v"]);
    terminal.says("connected to");
    let bearer = relay.bearer();
    let mut described = relay.described(&bearer);
    assert_eq!(described["id"].take().as_str().unwrap().len(), 64);
    assert_eq!(
        described,
        json!({ "kind": "relay", "server": daemon.server(), "id": null, "verified": "CA" })
    );
    let mut tab = relay.open(&bearer);
    let login = tab.logs_in(json!({ "name": "ana" }));
    let first = tab.says("from the page");
    terminal.shows("ana: from the page");
    terminal.types("from the terminal");
    let second = tab.hears("from the terminal");
    assert!(second > first);

    daemon.kill();
    assert!(tab.is_closed());
    terminal.says("the connection is lost");
    let mut early = relay.open(&bearer);
    assert!(early.is_closed(), "the daemon is down");
    let problem = relay.described(&bearer)["problem"][0].as_str().unwrap().to_owned();
    assert!(problem.contains("no connection to") && problem.contains("refused"), "{problem}");
    daemon.start_again();
    terminal.says("caught up");
    terminal.types("after the restart");
    terminal.shows("after the restart");

    let mut tab = relay.open(&bearer);
    let resumed = tab.logs_in(json!({ "name": "ana", "session": login["session"], "after": second }));
    assert_eq!(resumed["session"], login["session"], "{resumed}");
    let third = tab.hears("after the restart");
    let fourth = tab.says("and from the page again");
    assert!(second < third && third < fourth);
    terminal.shows("ana: and from the page again");
    assert_eq!(relay.described(&bearer).get("problem"), None, "the problem is over");
}

#[test]
fn many_lines_come_whole_and_in_order() {
    let (home, daemon) = (Home::new(), Daemon::with("limits.messages_per_second = 0"));
    let relay = Relay::start(&home, &daemon, &[]);
    let mut tab = relay.open(&relay.bearer());
    tab.logs_in(json!({ "name": "ana" }));
    let long = "é".repeat(3500);
    for n in 0..300 {
        tab.sends(
            &json!({ "op": "MSG", "id": n, "data": { "room": "lobby", "msg": format!("{n} {long}") } }),
        );
    }
    let last = tab.waits_for(|line| line["id"] == 299);
    assert_eq!(last["data"]["msg"], format!("299 {long}"));
    tab.sends(&json!({ "op": "HISTORY", "id": "all", "data": { "room": "lobby", "limit": 500 } }));
    let page = tab.waits_for(|line| line["id"] == "all");
    let messages = page["data"]["messages"].as_array().unwrap();
    assert!(messages.len() > 100, "one line of about a megabyte");
    assert_eq!(messages.last().unwrap()["msg"], last["data"]["msg"]);
}

#[test]
fn a_refused_certificate_is_explained_on_the_page_as_in_the_terminal() {
    let (home, mut daemon) = (Home::new(), Daemon::start());
    let pin = daemon.pin();
    let line = format!("tcps://{}/lobby#{pin}", daemon.server());
    let mut command = home.command();
    command.args(["web", &line, "--no-open"]);
    let relay = Relay::of(Client::start(command));
    let bearer = relay.bearer();
    let mut described = relay.described(&bearer);
    assert_eq!(described["id"].take().as_str().unwrap().len(), 64);
    assert_eq!(described, json!({ "kind": "relay", "server": line, "id": null, "verified": "pin" }));
    let mut tab = relay.open(&bearer);
    tab.logs_in(json!({ "name": "ana" }));
    relay.client.says("the pin of");

    daemon.replace();
    assert!(tab.is_closed());
    assert!(relay.open(&bearer).is_closed());
    let described = relay.described(&bearer);
    let problem: Vec<_> =
        described["problem"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let all = problem.join("\n");
    for part in [
        "was refused",
        "no certificate that the server sent has the expected pin",
        "pin seen:",
        &pin,
        "Nothing was sent.",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let mut terminal = home.command();
    terminal.args([&daemon.server(), "who"]);
    let ended = Client::start(terminal).ended();
    assert_eq!(ended.code, Some(4));
    let plain =
        |text: &str| text.lines().filter(|line| !line.contains("now ")).collect::<Vec<_>>().join("\n");
    assert!(
        ended.err.contains(&plain(&all)) || plain(&ended.err).contains(&plain(&all)),
        "{}\n---\n{all}",
        ended.err
    );
}

#[test]
fn another_server_is_chosen_on_the_page_and_bad_lines_are_explained() {
    let (home, here, there) = (Home::new(), Daemon::start(), Daemon::start());
    let relay = Relay::start(&home, &here, &[]);
    let bearer = relay.bearer();
    let line = format!("tcps://{}#{}", there.server(), there.pin());
    // The trust of the command line is valid for all servers.
    let mut command = home.command();
    command.args(["web", "--no-open"]);
    let free = Relay::of(Client::start(command));
    free.client.says("whom to trust");
    let free_bearer = free.bearer();
    assert!(free.described(&free_bearer)["problem"][0].as_str().unwrap().contains("whom to trust"));
    let mut chosen = free.choose(&free_bearer, &line);
    assert_eq!(chosen["id"].take().as_str().unwrap().len(), 64);
    assert_eq!(chosen, json!({ "kind": "relay", "server": there.server(), "id": null, "verified": "pin" }));
    let mut tab = free.open(&free_bearer);
    tab.logs_in(json!({ "name": "ana" }));
    tab.says("hello");
    assert_eq!(free.described(&free_bearer)["server"], there.server());

    for (line, part) in [
        ("chat.example", "whom to trust"),
        ("a b", "no host name"),
        ("-", "the page has no standard input"),
        ("", "no host"),
        (&format!("tcps://ben:code@{}#{}", there.server(), there.pin()), "code"),
    ] {
        let refused = free.choose(&free_bearer, line);
        let problem = refused["problem"][0].as_str().unwrap_or_else(|| panic!("{line}: {refused}"));
        assert!(problem.contains(part), "{line}: {problem}");
    }
    assert_eq!(free.described(&free_bearer)["server"], there.server(), "the last valid choice stays");
    let mut room = relay.choose(&bearer, &format!("tcps://{}/ops", here.server()));
    room["id"].take();
    assert_eq!(room, json!({ "kind": "relay", "server": here.server(), "id": null, "verified": "CA" }));
    let refused = relay.choose(&bearer, &there.server());
    assert_eq!(refused["verified"], "CA");
    assert!(relay.open(&bearer).is_closed());
    let problem = relay.described(&bearer)["problem"][0].as_str().unwrap().to_owned();
    assert!(problem.contains("was refused"), "{problem}");
}

/// A page names the server of its session. Two tabs may share a bearer, and one of them may choose another server.
#[test]
fn a_session_goes_to_its_own_server_alone() {
    let (home, here, there) = (Home::new(), Daemon::start(), Daemon::start());
    let relay = Relay::start(&home, &here, &[]);
    let bearer = relay.bearer();
    let id = |described: Value| described["id"].as_str().unwrap().to_owned();
    let first = id(relay.described(&bearer));
    let opens = |server: &str| {
        let protocols = format!("tcp-chat.1, bearer.{bearer}, server.{server}");
        relay.handshake(&protocols, &relay.origin()).1.status
    };
    assert_eq!(opens(&first), 101);
    let second = id(relay.choose(&bearer, &format!("tcps://{}#{}", there.server(), there.pin())));
    assert_ne!(first, second);
    assert_eq!((opens(&first), opens(&second), opens("")), (409, 101, 409));
    assert_eq!(id(relay.choose(&bearer, &here.server())), first);
    assert_eq!((opens(&first), opens(&second)), (101, 409));
}
