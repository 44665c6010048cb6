//! How a node proves to NATS who it is: credentials of an operator's account, client certificates, passwords. What it says when
//! a login is wrong, and that it takes new files without a restart.

use crate::nodes::{check, until};
use crate::refused::{Authority, rights_of, works};
use crate::servers::{Servers, skip};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tcp_chatd::cluster::{Admin, LoginFault, Nats};
use tcp_chatd::settings::NatsLogin;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);
/// The prefixes of the keys of NATS, as its `nkeys` has them: an operator, an account, a user, and a seed of one.
const OPERATOR: u8 = 14 << 3;
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;
const SEED: u8 = 18 << 3;

/// A key of NATS.
struct NatsKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    kind: u8,
}

impl NatsKey {
    fn new(kind: u8) -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        Self { seed, pair: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(), kind }
    }

    fn public(&self) -> String {
        let mut bytes = vec![self.kind];
        bytes.extend(self.pair.public_key().as_ref());
        in_base32(bytes)
    }

    fn seed(&self) -> String {
        let mut bytes = vec![SEED | self.kind >> 5, (self.kind & 31) << 3];
        bytes.extend(self.seed);
        in_base32(bytes)
    }

    /// A JWT that this key signs.
    fn signs(&self, subject: &str, ends: Option<SystemTime>, nats: Value) -> String {
        let mut claims = json!({ "jti": "1", "iat": seconds(SystemTime::now()), "iss": self.public(), "name": "chat",
                                 "sub": subject, "nats": nats });
        if let Some(ends) = ends {
            claims["exp"] = json!(seconds(ends));
        }
        let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// The bytes with a checksum (CRC-16 of XMODEM, its low byte first), in base 32 without padding.
fn in_base32(mut bytes: Vec<u8>) -> String {
    let mut sum: u16 = 0;
    for byte in &bytes {
        sum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 };
        }
    }
    bytes.extend(sum.to_le_bytes());
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect::<Vec<_>>();
    let digits =
        bits.chunks(5).map(|five| five.iter().fold(0, |all, bit| all << 1 | bit) << (5 - five.len()));
    digits.map(|digit| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(digit)])).collect()
}

/// An operator with one account, which may use JetStream.
struct Operator {
    operator: NatsKey,
    account: NatsKey,
}

impl Operator {
    fn new() -> Self {
        Self { operator: NatsKey::new(OPERATOR), account: NatsKey::new(ACCOUNT) }
    }

    /// The lines of a server's configuration. Only a log for debugging has the end of a login.
    fn lines(&self) -> String {
        let all = json!({ "subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1,
                          "wildcards": true, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1 });
        let account = json!({ "limits": all, "type": "account", "version": 2 });
        let operator =
            self.operator.signs(&self.operator.public(), None, json!({ "type": "operator", "version": 2 }));
        let (public, jwt) =
            (self.account.public(), self.operator.signs(&self.account.public(), None, account));
        // JetStream in this mode needs an account of the system.
        let system = NatsKey::new(ACCOUNT).public();
        let unlimited = json!({ "subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1,
                                "exports": -1, "wildcards": true });
        let of_system = json!({ "limits": unlimited, "type": "account", "version": 2 });
        let system_jwt = self.operator.signs(&system, None, of_system);
        format!(
            "debug: true\noperator: {operator}\nsystem_account: {system}\nresolver: MEMORY\nresolver_preload: {{\n  {public}: \
             {jwt}\n  {system}: {system_jwt}\n}}\n"
        )
    }

    /// A file of credentials, as `nsc generate creds` writes it.
    fn credentials(&self, ends: Option<SystemTime>, rights: &Value) -> String {
        let user = NatsKey::new(USER);
        let nats = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
                           "pub": { "allow": rights["publish"] }, "sub": { "allow": rights["subscribe"] } });
        let jwt = self.account.signs(&user.public(), ends, nats);
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n************************* IMPORTANT \
             *************************\nNKEY Seed printed below can be used to sign and prove identity.\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed()
        )
    }
}

/// Writes a file that only this user can read.
fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

/// What a connection with this login says.
async fn refusal(servers: &Servers, login: NatsLogin) -> String {
    Admin::connect(&Nats { login, ..servers.nats(0) }).await.unwrap_err().to_string()
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// The file of the folder of these servers.
fn prepared(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    write(&file, text);
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_of_an_account_are_enough_and_say_what_is_wrong() {
    let (operator, mut file) = (Operator::new(), PathBuf::new());
    let (chat, init) = (rights_of("chat"), rights_of("init"));
    let started = Servers::start_with(1, &operator.lines(), |folder| {
        file = prepared(folder, "nats.creds", &operator.credentials(None, &init));
        (NatsLogin::Credentials(file.clone()), None, "nats")
    });
    let Some(servers) = started else { return skip() };
    let login = NatsLogin::Credentials(file.clone());
    servers.make_stream().await;
    // These end while the node runs: NATS closes the connection then, and the node takes what is in the file by that time.
    let soon = SystemTime::now() + Duration::from_secs(8);
    write(&file, &operator.credentials(Some(soon), &chat));
    let node = works(&servers, login.clone()).await;
    write(&file, &operator.credentials(None, &chat));
    until("its first credentials end", LIMIT, || servers.logs().contains("Expired")).await;
    let count = node.count();
    until("turns come back with the new ones", LIMIT, || node.count() > count + 50).await;
    check(std::slice::from_ref(&node)).await;
    drop(node);

    let name = file.display().to_string();
    write(&file, &Operator::new().credentials(None, &chat));
    says(
        &refusal(&servers, login.clone()).await,
        &["nats://127.0.0.1", "cluster.credentials", &name, "another operator"],
    );
    write(&file, &operator.credentials(Some(SystemTime::now() - Duration::from_secs(60)), &chat));
    says(
        &refusal(&servers, login.clone()).await,
        &["cluster.credentials", &name, "JWT ended at 20", "new credentials"],
    );
    let nats = Nats { login: login.clone(), ..servers.nats(0) };
    assert!(nats.check_login().is_ok(), "a daemon starts with it, and waits for others");
    write(&file, "a password");
    says(&refusal(&servers, login.clone()).await, &["cluster.credentials", &name, "no JWT", "nsc"]);
    assert_eq!(nats.check_login().unwrap_err().kind, LoginFault::Content);
    std::fs::remove_file(&file).unwrap();
    says(&refusal(&servers, login).await, &["cluster.credentials", &name, "does not exist", "put it there"]);
    says(&refusal(&servers, NatsLogin::Open).await, &["wants a login", "cluster.credentials"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_enough_and_says_what_is_wrong() {
    let mut ca = None;
    let started = Servers::start_with(1, &lines_with_certificates(), |folder| {
        let made = Authority::new();
        made.issue(folder.path(), "server", "127.0.0.1", None);
        made.issue(folder.path(), "chat", "chat.example.org", None);
        made.issue(folder.path(), "init", "init.example.org", None);
        std::fs::write(folder.path().join("ca.pem"), made.pem()).unwrap();
        ca = Some((made, folder.path().to_owned()));
        let login = NatsLogin::Certificate(folder.path().join("init.pem"), folder.path().join("init.key"));
        (login, Some(folder.path().join("ca.pem")), "tls")
    });
    let Some(servers) = started else { return skip() };
    let (ca, folder) = ca.unwrap();
    let login = |name: &str| {
        NatsLogin::Certificate(folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
    };
    servers.make_stream().await;
    let node = works(&servers, login("chat")).await;
    check(std::slice::from_ref(&node)).await;
    drop(node);

    ca.issue(&folder, "stranger", "stranger.example.org", None);
    says(
        &refusal(&servers, login("stranger")).await,
        &["tls://127.0.0.1", "cluster.certificate", "stranger.pem", "no user"],
    );
    Authority::new().issue(&folder, "other", "chat.example.org", None);
    says(
        &refusal(&servers, login("other")).await,
        &["tls://127.0.0.1", "cluster.certificate", "other.pem", "refuses"],
    );
    ca.issue(&folder, "old", "chat.example.org", Some((2020, 2021)));
    let old = Nats { login: login("old"), ..servers.nats(0) };
    says(&refusal(&servers, login("old")).await, &["cluster.certificate", "old.pem", "expired on 2021"]);
    assert!(old.check_login().is_ok(), "a daemon starts with it, and waits for another one");
    let swapped = NatsLogin::Certificate(folder.join("chat.pem"), folder.join("init.key"));
    says(&refusal(&servers, swapped).await, &["cluster.key", "init.key", "not the key"]);
    says(
        &refusal(&servers, login("none")).await,
        &["cluster.certificate", "none.pem", "cannot be read", "No such file"],
    );
    says(
        &refusal(&servers, NatsLogin::Open).await,
        &["tls://127.0.0.1", "without a client certificate", "cluster.certificate"],
    );

    let nats = Nats { ca: Some(folder.join("no-ca.pem")), login: login("chat"), ..servers.nats(0) };
    let told = Admin::connect(&nats).await.unwrap_err().to_string();
    says(&told, &["cluster.ca", "no-ca.pem", "cannot be read"]);
    std::fs::write(folder.join("no-ca.pem"), Authority::new().pem()).unwrap();
    let told = Admin::connect(&nats).await.unwrap_err().to_string();
    says(&told, &["tls://127.0.0.1", "not signed by", "no-ca.pem", "cluster.ca"]);
}

/// Each certificate's name is a user.
fn lines_with_certificates() -> String {
    let user = |name: &str| {
        let rights = rights_of(name);
        format!(
            "{{ user: \"{name}.example.org\", permissions: {{ publish: {}, subscribe: {} }} }}",
            rights["publish"], rights["subscribe"]
        )
    };
    format!(
        "tls {{ cert_file: \"FOLDER/server.pem\", key_file: \"FOLDER/server.key\", ca_file: \"FOLDER/ca.pem\", \
         verify_and_map: true }}\nauthorization {{ users: [ {}, {} ] }}\n",
        user("chat"),
        user("init")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_read_again_for_each_connection() {
    let mut file = PathBuf::new();
    let lines = "authorization { users: [ { user: chat, password: \"first\" } ] }\n";
    let started = Servers::start_with(1, lines, |folder| {
        file = prepared(folder, "nats.password", "first\n");
        (NatsLogin::Password("chat".into(), file.clone()), None, "nats")
    });
    let Some(mut servers) = started else { return skip() };
    servers.make_stream().await;
    let login = NatsLogin::Password("chat".into(), file.clone());
    let node = works(&servers, login.clone()).await;
    servers.kill(0);
    servers.change(0, "\"first\"", "\"second\"");
    write(&file, "second");
    servers.run(0);
    let count = node.count();
    until("turns come back with the new password", LIMIT, || node.count() > count + 50).await;
    check(std::slice::from_ref(&node)).await;
    let name = file.display().to_string();
    write(&file, "first");
    says(
        &refusal(&servers, login.clone()).await,
        &["nats://127.0.0.1", "\"chat\"", &name, "cluster.password_file"],
    );
    write(&file, "\n");
    says(&refusal(&servers, login.clone()).await, &["cluster.password_file", &name, "one line"]);
    std::fs::remove_file(&file).unwrap();
    says(&refusal(&servers, login).await, &["cluster.password_file", &name, "does not exist"]);
}
