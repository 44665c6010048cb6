//! Tests of registered users: join lines, passwords of their own, several sessions, and the operator's
//! commands.

use crate::common::{Daemon, Finished, Peer, run};
use serde_json::{Value, json};

pub(crate) const ACCOUNTS: &str = "auth.mode = \"accounts\"";

fn operator(daemon: &Daemon, arguments: &[&str]) -> Finished {
    run(daemon.folder(), arguments, "")
}

pub(crate) fn done(daemon: &Daemon, arguments: &[&str]) -> String {
    let end = operator(daemon, arguments);
    assert_eq!(end.code, Some(0), "{arguments:?}: {}", end.err);
    end.out
}

/// The code of a join line.
pub(crate) fn code(line: &str) -> String {
    let (before, _) = line.split_once('@').unwrap_or_else(|| panic!("a join line: {line}"));
    before.rsplit_once(':').unwrap().1.to_owned()
}

fn enrol(daemon: &Daemon, name: &str, code: &str, password: &str) -> Value {
    daemon.connect().asks_for("ENROL", json!({"name": name, "code": code, "password": password}))
}

pub(crate) fn registered(daemon: &Daemon, name: &str) {
    let line = done(daemon, &["user", "add", name]);
    let reply = enrol(daemon, name, &code(&line), "her own");
    assert_eq!(reply["data"], json!({ "name": name }), "{reply}");
}

pub(crate) fn logs_in(daemon: &Daemon, name: &str, password: &str) -> Peer {
    let mut peer = daemon.connect();
    peer.logs_in_with(json!({"name": name, "password": password}));
    peer
}

#[test]
fn a_login_may_follow_its_enrol_in_the_same_write() {
    let daemon = Daemon::with(ACCOUNTS);
    for (name, cuts) in [("ana", false), ("bo", true)] {
        let code = code(&done(&daemon, &["user", "add", name]));
        let enrol = json!({"op": "ENROL", "data": {"name": name, "code": code, "password": "sesame"}});
        let login = json!({"op": "LOGIN", "data": {"name": name, "password": "sesame"}});
        let mut peer = daemon.connect();
        if cuts {
            peer.sends(&enrol);
            peer.sends(&login);
        } else {
            peer.sends_bytes(format!("{enrol}\n{login}\n").as_bytes());
        }
        assert_eq!(peer.next_where("the ENROL's reply", |_| true)["op"], "ENROL");
        assert_eq!(peer.next_where("the LOGIN's reply", |_| true)["data"]["name"], *name);
    }
    // An invalid code does not make another one valid.
    let code = code(&done(&daemon, &["user", "add", "cy"]));
    let mut peer = daemon.connect();
    let wrong = code.chars().rev().collect::<String>();
    let enrol = json!({"op": "ENROL", "data": {"name": "cy", "code": wrong, "password": "sesame"}});
    let login = json!({"op": "LOGIN", "data": {"name": "cy", "password": "sesame"}});
    peer.sends_bytes(format!("{enrol}\n{login}\n").as_bytes());
    for _ in 0..2 {
        assert_eq!(peer.next_where("a refusal", |_| true)["data"]["kind"], "AUTH_FAILED");
    }
}

#[test]
fn a_join_line_sets_a_password_once() {
    let daemon = Daemon::with(&format!("{ACCOUNTS}\nlog.level = \"trace\""));
    let added = operator(&daemon, &["user", "add", "Ana", "--room", "ops"]);
    let line = added.out;
    assert!(added.err.contains("for Ana, who runs `tcp-chat-cli -`"), "{}", added.err);
    let code = code(&line);
    let pin = done(&daemon, &["invite"]);
    let pin = pin.trim().rsplit_once('#').unwrap().1.to_owned();
    assert!(line.starts_with("tcps://Ana:") && line.lines().count() == 1);
    assert!(line.contains("/ops#") && line.contains(&pin));
    assert_eq!(code.len(), 43, "256 bits");

    let wrong = enrol(&daemon, "Ana", &"A".repeat(43), "x");
    let nobody = enrol(&daemon, "zoe", &code, "x");
    let nonsense = enrol(&daemon, "Ana", "sesame", "x");
    assert_eq!(wrong["data"], nobody["data"], "the same answer");
    assert_eq!(wrong["data"], nonsense["data"], "the same answer");
    assert_eq!(wrong["data"]["kind"], "AUTH_FAILED");
    let mut ana = daemon.connect();
    ana.is_refused("ENROL", json!({"name": "ana", "code": code, "csr": "x"}), "DATA");
    ana.is_refused("ENROL", json!({"name": "ana", "code": code, "password": ""}), "DATA");
    ana.is_refused("ENROL", json!({"name": "ana", "code": code}), "DATA");
    assert_eq!(
        ana.asks("ENROL", json!({"name": "ana", "code": code, "password": "sesame"})),
        json!({"name": "Ana"})
    );
    ana.is_refused("ENROL", json!({"name": "ana", "code": code, "password": "other"}), "AUTH_FAILED");
    // Also on the same connection.
    let reply = ana.logs_in_with(json!({"name": "ana", "password": "sesame"}));
    assert_eq!(reply["name"], "Ana", "as it was registered");
    assert_eq!(ana.says("in").user, "Ana");

    for secret in [code.as_str(), "sesame", "argon2"] {
        assert!(!daemon.log().text().contains(secret), "{secret} is in the log");
        let store = std::fs::read(daemon.folder().join("data/chat.db-wal")).unwrap_or_default();
        let is_kept = store.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert_eq!(is_kept, secret == "argon2", "{secret} in the store");
    }
}

#[test]
fn only_registered_users_log_in_and_a_wrong_password_is_answered_like_an_unknown_name() {
    let daemon = Daemon::with(ACCOUNTS);
    registered(&daemon, "ana");
    let mut peer = daemon.connect();
    let wrong = peer.is_refused("LOGIN", json!({"name": "ana", "password": "x"}), "AUTH_FAILED");
    let unknown = peer.is_refused("LOGIN", json!({"name": "zoe", "password": "her own"}), "AUTH_FAILED");
    assert_eq!(wrong, unknown);
    let mut peer = daemon.connect();
    assert_eq!(peer.is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED"), wrong);
    assert_eq!(peer.is_refused("LOGIN", json!({"name": "zoe"}), "AUTH_FAILED"), wrong);
    logs_in(&daemon, "ANA", "her own");
}

#[test]
fn a_guessing_client_has_to_wait_and_the_owner_on_another_network_does_not() {
    let daemon = Daemon::with(ACCOUNTS);
    registered(&daemon, "ana");
    logs_in(&daemon, "ana", "her own");
    let mut told = None;
    'guessing: for _ in 0..20 {
        let mut guesser = from_elsewhere(&daemon);
        for _ in 0..3 {
            let reply = guesser.asks_for("LOGIN", json!({"name": "ana", "password": "x"}));
            match reply["data"]["kind"].as_str() {
                Some("AUTH_FAILED") => {}
                Some("RATE_LIMITED") => {
                    told = reply["data"]["retry_after_ms"].as_u64();
                    break 'guessing;
                }
                _ => panic!("{reply}"),
            }
        }
    }
    assert!(told.is_some_and(|ms| 0 < ms && ms <= 60_000), "{told:?}");
    let mut right = from_elsewhere(&daemon);
    right.is_refused("LOGIN", json!({"name": "ana", "password": "her own"}), "RATE_LIMITED");
    logs_in(&daemon, "ana", "her own");
}

/// A connection from another address of this host.
fn from_elsewhere(daemon: &Daemon) -> Peer {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    socket.connect(&daemon.address().into()).unwrap();
    Peer::over(socket.into(), daemon.client()).unwrap()
}

#[test]
fn a_registered_name_belongs_to_its_owner_in_open_mode_too() {
    let daemon = Daemon::start();
    let mut squatter = daemon.login("Ana");
    registered(&daemon, "ana");
    squatter.is_noticed("KICKED");
    squatter.is_closed();
    daemon.connect().is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED");
    daemon.connect().is_refused("LOGIN", json!({"name": "ana", "password": "x"}), "AUTH_FAILED");
    daemon.connect().is_refused("LOGIN", json!({"name": "аnа"}), "NAME_TAKEN"); // Cyrillic а
    daemon.login("bo");
    logs_in(&daemon, "ana", "her own");
}

#[test]
fn three_sessions_of_one_user_receive_the_same_through_a_restart() {
    let mut daemon = Daemon::with(ACCOUNTS);
    registered(&daemon, "ana");
    registered(&daemon, "bo");
    let mut bo = logs_in(&daemon, "bo", "her own");
    let mut desk = logs_in(&daemon, "ana", "her own");
    bo.sees("ana", "joined");
    let mut phone = logs_in(&daemon, "ana", "her own");
    let mut script = logs_in(&daemon, "ana", "her own");
    bo.has_nothing("PRESENCE");
    let who = bo.asks("WHO", Value::Null);
    assert_eq!((&who["member_count"], who["members"].as_array().unwrap().len()), (&json!(2), 2), "{who}");
    desk.says("from the desk");
    phone.tells("bo", "from the phone");
    let last = bo.tells("ana", "to all of her");
    let texts = ["from the desk", "from the phone", "to all of her"];
    for session in [&mut desk, &mut phone, &mut script] {
        session.catches_up_to(last.seq);
        assert_eq!(session.messages.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), texts);
        let own = session.messages.iter().filter(|m| m.id.is_some()).count();
        assert!(own <= 1, "an id is the sending session's alone");
    }
    // The sessions end one after the other. The user is here until the last one is lost.
    let (desk, phone) = (desk.vanishes(), phone.vanishes());
    bo.has_nothing("PRESENCE");
    let script = script.vanishes();
    bo.sees("ana", "away");
    let bo_was = bo.vanishes();
    daemon.restart();
    let mut bo = daemon.resume(&bo_was);
    let mut phone = daemon.resume(&phone);
    bo.sees("ana", "back");
    let mut desk = daemon.resume(&desk);
    let mut script = daemon.resume(&script);
    let last = phone.says("still all of me");
    for session in [&mut desk, &mut script, &mut bo] {
        session.catches_up_to(last.seq);
        assert_eq!(session.messages.last().unwrap().text, "still all of me");
    }
    logs_in(&daemon, "ana", "her own");
    daemon.connect().is_refused("LOGIN", json!({"name": "ana", "password": "x"}), "AUTH_FAILED");
}

#[test]
fn a_user_has_at_most_the_configured_sessions() {
    let daemon = Daemon::with("limits.sessions_per_user = 2");
    registered(&daemon, "ana");
    let (mut one, _two) = (logs_in(&daemon, "ana", "her own"), logs_in(&daemon, "ana", "her own"));
    let mut three = daemon.connect();
    let full = three.is_refused("LOGIN", json!({"name": "ana", "password": "her own"}), "NAME_TAKEN");
    assert!(full.contains('2'), "{full}");
    one.asks("QUIT", Value::Null);
    three.logs_in_with(json!({"name": "ana", "password": "her own"}));
}

#[test]
fn removing_and_resetting_take_effect_at_once() {
    let daemon = Daemon::with(ACCOUNTS);
    registered(&daemon, "ana");
    let mut ana = logs_in(&daemon, "ana", "her own");
    let line = done(&daemon, &["user", "password", "ANA"]);
    ana.is_noticed("KICKED");
    ana.is_closed();
    let mut peer = daemon.connect();
    peer.is_refused("LOGIN", json!({"name": "ana", "password": "her own"}), "AUTH_FAILED");
    assert_eq!(enrol(&daemon, "ana", &code(&line), "another")["status"], "OK");
    let mut ana = logs_in(&daemon, "ana", "another");
    let session = ana.session();

    let list: Value = serde_json::from_str(&done(&daemon, &["user", "list", "--json"])).unwrap();
    assert_eq!(list["users"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(
        (&list["users"][0]["user"], &list["users"][0]["sessions"]),
        (&json!("ana"), &json!(1)),
        "{list}"
    );
    assert!(done(&daemon, &["user", "list"]).contains("ana  password"), "for people");

    done(&daemon, &["user", "remove", "ana"]);
    ana.is_noticed("KICKED");
    ana.is_closed();
    let mut peer = daemon.connect();
    peer.is_refused("LOGIN", json!({"name": "ana", "session": session.token}), "SESSION_EXPIRED");
    peer.is_refused("LOGIN", json!({"name": "ana", "password": "another"}), "AUTH_FAILED");
    assert_eq!(done(&daemon, &["user", "list"]), "");
    for (arguments, part) in [
        (&["user", "remove", "ana"][..], "no user ana"),
        (&["user", "password", "ana"], "no user ana"),
        (&["user", "add", "a b"], "a b"),
        (&["user", "add", "bo", "--cert"], "tls.client_auth"),
    ] {
        let end = operator(&daemon, arguments);
        assert_eq!(end.code, Some(70), "{arguments:?}: {}", end.err);
        assert!(end.err.contains(part), "{arguments:?}: {}", end.err);
    }
    registered(&daemon, "Ivan");
    assert!(operator(&daemon, &["user", "add", "lvan"]).err.contains("looks like Ivan"));
    assert!(operator(&daemon, &["user", "add", "IVAN"]).err.contains("already"));
}

#[test]
fn a_reload_to_accounts_ends_the_sessions_of_unregistered_users() {
    let daemon = Daemon::start();
    registered(&daemon, "ana");
    let mut ana = logs_in(&daemon, "ana", "her own");
    let mut bo = daemon.login("bo");
    let file = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n{ACCOUNTS}\n")).unwrap();
    done(&daemon, &["reload"]);
    bo.is_noticed("KICKED");
    bo.is_closed();
    ana.sees("bo", "joined");
    ana.sees("bo", "left");
    ana.says("still here");
    daemon.connect().is_refused("LOGIN", json!({"name": "bo"}), "AUTH_FAILED");
}

#[test]
fn an_open_server_on_every_address_is_warned_of() {
    for (mode, warns) in [("open", true), ("accounts", false)] {
        let set = [("TCP_CHATD__LISTEN__ADDRESS", "0.0.0.0:0"), ("TCP_CHATD__AUTH__MODE", mode)];
        let daemon = Daemon::with_environment("", &set);
        assert!(daemon.log().event("ready").is_some());
        assert_eq!(daemon.log().text().contains("open_to_all"), warns, "{mode}");
    }
    let daemon = Daemon::start();
    assert!(daemon.log().event("ready").is_some());
    assert!(!daemon.log().text().contains("open_to_all"), "loopback is this host's own");
}
