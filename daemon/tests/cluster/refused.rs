//! What a node refuses: an old server, a missing or a wrong stream; and what it proves to NATS.

use crate::nodes::{Node, Seen, founds, until};
use crate::servers::{KEPT, Servers, skip};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tcp_chatd::cluster::{Admin, Nats};
use tcp_chatd::settings::NatsLogin;

const LIMIT: Duration = Duration::from_secs(20);

async fn stopped(node: &Node) -> (&'static str, String) {
    until("it stops", LIMIT, || node.seen.lock().unwrap().stopped.is_some()).await;
    let (event, reason) = node.seen.lock().unwrap().stopped.clone().unwrap();
    (event, reason.into())
}

/// A server that says that it has another version. It lives as long as the test.
fn server_of_version(version: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let info = format!(
        "INFO {{\"server_id\":\"A\",\"server_name\":\"old\",\"version\":\"{version}\",\"max_payload\":1048576,\"proto\":1,\
         \"headers\":true}}\r\n"
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut writer = stream.try_clone().unwrap();
            let _ = writer.write_all(info.as_bytes());
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if line.starts_with("PING") {
                    let _ = writer.write_all(b"PONG\r\n");
                }
            }
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_debian_12_is_refused() {
    let nats = Nats {
        servers: vec![server_of_version("2.9.10")],
        login: NatsLogin::Open,
        ca: None,
        stream: "TCPCHAT".parse().unwrap(),
        node: "chat0".into(),
    };
    let (event, reason) = stopped(&Node::start("chat0", nats, founds(), 1, Seen::default())).await;
    assert_eq!(event, "stream_unusable");
    assert!(reason.contains("2.9.10") && reason.contains("2.11 or later"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_stream_is_never_made() {
    let Some(servers) = Servers::start(1) else { return skip() };
    let (event, reason) = stopped(&Node::start("chat0", servers.nats(0), founds(), 1, Seen::default())).await;
    assert_eq!(event, "stream_unusable");
    assert!(reason.contains("does not exist"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_another_form_is_refused() {
    let Some(servers) = Servers::start(1) else { return skip() };
    // A connection of the library, as another program makes it.
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    let client = options.connect(servers.nats(0).servers).await.unwrap();
    let made = client
        .request("$JS.API.STREAM.CREATE.TCPCHAT", r#"{"name":"TCPCHAT","subjects":["TCPCHAT.log"]}"#.into());
    assert!(!made.await.unwrap().payload.is_empty());
    let (event, reason) = stopped(&Node::start("chat0", servers.nats(0), founds(), 1, Seen::default())).await;
    assert_eq!(event, "stream_unusable");
    assert!(reason.contains("deny_delete"), "{reason}");
    let admin = Admin::connect(&servers.nats(0)).await.unwrap();
    assert!(admin.create(KEPT).await.is_err(), "it was taken as it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_left_for_the_next() {
    let Some(servers) = Servers::start(1) else { return skip() };
    servers.make_stream().await;
    let mut nats = servers.nats(0);
    for _ in 0..3 {
        nats.servers.push(format!("nats://127.0.0.1:{}", crate::servers::free_port()));
    }
    // The order is a random one.
    for _ in 0..8 {
        Admin::connect(&nats).await.unwrap();
    }
}

/// A CA.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut ca = CertificateParams::new([]).unwrap();
        ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes a certificate for this name or address, and its key, as `FILE.pem` and `FILE.key`.
    pub(crate) fn issue(&self, folder: &Path, file: &str, name: &str, years: Option<(i32, i32)>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if let Some((from, to)) = years {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        }
        std::fs::write(folder.join(format!("{file}.pem")), params.signed_by(&key, &self.0).unwrap().pem())
            .unwrap();
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

/// Starts the first node of a log with this login, and waits until its turns come back.
pub(crate) async fn works(servers: &Servers, login: NatsLogin) -> Node {
    let node = Node::start("chat0", Nats { login, ..servers.nats(0) }, founds(), 1, Seen::default());
    until("it is up", LIMIT, || node.seen.lock().unwrap().is_up).await;
    node.load(Some(crate::STEADY));
    until("turns come back", LIMIT, || node.count() > 20).await;
    servers.denied_nothing();
    node
}

/// The rights of a user in `docs/CLUSTER.md`: lists of subjects.
pub(crate) fn rights_of(user: &str) -> serde_json::Value {
    let rights = rights();
    let of_user = rights.split(&format!("{{ user: {user},")).nth(1).unwrap();
    let list = |name: &str| {
        let list =
            of_user.split(&format!("{name}: [")).nth(1).and_then(|rest| rest.split(']').next()).unwrap();
        serde_json::from_str::<serde_json::Value>(&format!("[{list}]")).unwrap()
    };
    serde_json::json!({ "publish": list("publish"), "subscribe": list("subscribe") })
}

/// TLS, and the rights that a node needs and no other: those of `docs/CLUSTER.md`, with other passwords. And a user who may do
/// everything.
fn rights() -> String {
    let document = include_str!("../../../docs/CLUSTER.md");
    let block = document.split("# rights.conf\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let users = block.replace("PASSWORD OF chat", "secret").replace("PASSWORD OF init", "secret");
    let users = users.replacen("{ user: init", "{ user: admin, password: secret },\n  { user: init", 1);
    assert!(users.contains("user: admin"), "{users}");
    format!("tls {{ cert_file: \"FOLDER/server.pem\", key_file: \"FOLDER/server.key\" }}\n{users}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_a_password_and_the_least_rights_are_enough() {
    let passwords = tempfile::tempdir().unwrap();
    let login = |user: &str, password: &str| {
        let file = passwords.path().join(password);
        std::fs::write(&file, password).unwrap();
        NatsLogin::Password(user.into(), file)
    };
    let started = Servers::start_with(1, &rights(), |folder| {
        let ca = Authority::new();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        ca.issue(folder.path(), "server", "127.0.0.1", None);
        (login("init", "secret"), Some(folder.path().join("ca.pem")), "tls")
    });
    let Some(mut servers) = started else { return skip() };
    servers.make_stream().await;
    let node = works(&servers, login("chat", "secret")).await;
    crate::nodes::check(std::slice::from_ref(&node)).await;
    servers.denied_nothing();

    let advice = |login: NatsLogin| {
        let nats = Nats { login, ..servers.nats(0) };
        async move {
            let (_, findings) = Admin::connect(&nats).await.unwrap().check(KEPT).await.unwrap();
            findings.iter().any(|finding| format!("{finding:?}").contains("TCPCHAT.read"))
        }
    };
    assert!(!advice(login("chat", "secret")).await, "a node cannot publish where the stream does");
    assert!(advice(login("admin", "secret")).await, "a login with all rights can");

    let wrong = Admin::connect(&Nats { login: login("chat", "wrong"), ..servers.nats(0) }).await;
    assert!(wrong.unwrap_err().to_string().contains("cluster.password_file"));
    servers.ca = None;
    let untrusted = Admin::connect(&servers.nats(0)).await;
    assert!(untrusted.is_err(), "a server of an unknown CA was accepted");
}
