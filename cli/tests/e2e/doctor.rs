//! `doctor`: each way in which a connection fails, over real sockets, with the step, the exit code and the remedy.

use crate::client::{Client, Home};
use crate::daemon::Daemon;
use crate::enrolling;
use crate::scripts::objects;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

const STEPS: [&str; 7] = ["name", "address", "tls", "certificate", "clock", "protocol", "login"];
const PIN: &str = "abababababababababababababababababababababababababababababababab";

/// What doctor found, with the lines for a person.
struct Examined {
    steps: Vec<Value>,
    code: Option<i32>,
}

impl Examined {
    /// Runs it for JSON, and once more for a person: both have to say the same.
    fn of(home: &Home, args: &[&str]) -> Self {
        let run = |more: &[&str]| {
            let mut command = home.command();
            command.args(["--name", "ana", "doctor"]).args(args).args(more);
            Client::start(command).ends()
        };
        let (machine, person) = (run(&["--json"]), run(&[]));
        let steps = objects(&machine.out);
        assert_eq!(
            steps.iter().map(|step| step["step"].as_str().unwrap()).collect::<Vec<_>>(),
            STEPS,
            "{machine:?}"
        );
        assert_eq!(machine.code, person.code, "{person:?}");
        for step in &steps {
            let line =
                format!("{:8} {:12} ", step["status"].as_str().unwrap(), step["step"].as_str().unwrap());
            assert!(person.out.lines().any(|l| l.starts_with(&line)), "{line}\n{}", person.out);
            let remedy = step["remedy"].as_str().map(|remedy| format!("remedy: {remedy}"));
            assert!(remedy.is_none_or(|remedy| person.out.contains(&remedy)), "{step}\n{}", person.out);
        }
        let failed = steps.iter().find(|step| step["status"] == "failed");
        let code = failed.map_or(0, |step| step["exit"].as_i64().unwrap());
        assert_eq!(machine.code.map(i64::from), Some(code), "the exit code is that of the first failed step");
        assert_eq!(machine.err.is_empty(), code == 0, "{machine:?}");
        Self { steps, code: machine.code }
    }

    fn step(&self, name: &str) -> &Value {
        self.steps.iter().find(|step| step["step"] == name).unwrap()
    }

    fn statuses(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step["status"].as_str().unwrap()).collect()
    }

    /// The step failed with this code, for this reason and with this remedy; those before it did not.
    fn fails(&self, name: &str, code: i32, reason: &str, remedy: &str) {
        let at = STEPS.iter().position(|step| *step == name).unwrap();
        assert!(!self.statuses()[..at].contains(&"failed"), "{:?}", self.steps);
        let step = self.step(name);
        assert_eq!((step["status"].as_str(), self.code), (Some("failed"), Some(code)), "{step}");
        assert!(step["reason"].as_str().unwrap().contains(reason), "{step}");
        assert!(step["remedy"].as_str().unwrap().contains(remedy), "{step}");
    }
}

fn with_ca<'a>(ca: &'a str, server: &'a str) -> [&'a str; 3] {
    ["--ca", ca, server]
}

/// A server that only does handshakes, with a leaf for these names and years.
struct Shaker {
    port: u16,
    ca: PathBuf,
    _folder: tempfile::TempDir,
}

impl Shaker {
    fn start(names: &[&str], years: (i32, i32)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let config = Arc::new(config);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, ca.pem()).unwrap();
        let port = serve(move |mut socket| {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // The client refuses the certificate.
            let _ = rustls::Stream::new(&mut tls, &mut socket).read(&mut [0]);
        });
        Self { port, ca: file, _folder: folder }
    }
}

/// Serves each connection; returns the port.
fn serve(each: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(each));
    port
}

#[test]
fn all_is_well() {
    let daemon = Daemon::start();
    let home = Home::new();
    let ca = daemon.ca();
    let server = daemon.server();
    let args = with_ca(ca.to_str().unwrap(), &server);
    assert_eq!(Examined::of(&home, &args).statuses(), ["ok"; 7]);
    assert_eq!(home.run(&daemon, &["--name", "bo", "send", "hello"]).code, Some(0));
    let examined = Examined::of(&home, &args);
    assert_eq!(examined.statuses(), ["ok"; 7]);
    for (step, part) in [
        ("name", "127.0.0.1"),
        ("address", "answers"),
        ("tls", "TLS 1.3"),
        ("certificate", "localhost"),
        ("clock", "newest message"),
        ("protocol", "tcp-chatd"),
        ("login", "logged in as ana, in lobby"),
    ] {
        assert!(
            examined.step(step)["reason"].as_str().unwrap().contains(part),
            "{step}: {:?}",
            examined.steps
        );
    }
    // The name was given back, and no message was sent.
    let end = home.run(&daemon, &["--name", "ana", "history", "--json", "--timeout", "5s"]);
    assert_eq!((end.code, objects(&end.out).len()), (Some(0), 1), "{end:?}");
    let end = home.run(&daemon, &["doctor", "localhost"]);
    assert!(end.code == Some(2) && end.err.contains("before and behind"), "{end:?}");
}

#[test]
fn a_server_that_is_not_there_or_is_another_program() {
    let home = Home::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let examined = Examined::of(&home, &["--pin", PIN, &closed.to_string()]);
    examined.fails("address", 3, "connection refused", "systemctl status tcp-chatd");
    assert_eq!(examined.statuses()[2..], ["skipped"; 5]);
    let port = serve(|mut socket| {
        // The client may have gone already.
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        let _ = socket.read(&mut [0; 1024]);
    });
    let examined = Examined::of(&home, &["--pin", PIN, &format!("localhost:{port}")]);
    examined.fails("tls", 3, "does not speak TLS", "the port of tcp-chatd");
    let examined = Examined::of(&home, &["--pin", PIN, "nowhere.invalid"]);
    examined.fails("name", 3, "cannot be looked up", "getent hosts");
}

#[test]
fn a_certificate_that_is_refused() {
    let home = Home::new();
    let (daemon, other) = (Daemon::start(), Daemon::start());
    let (ca, server) = (other.ca(), daemon.server());
    let examined = Examined::of(&home, &with_ca(ca.to_str().unwrap(), &server));
    examined.fails("certificate", 4, "it has another key", "ask its operator for the new pin or CA");
    let details = examined.step("certificate")["details"].to_string();
    assert!(
        details.contains(&daemon.pin()) && details.contains(&other.pin()),
        "seen and expected: {details}"
    );
    let examined = Examined::of(&home, &["--pin", PIN, &server]);
    examined.fails("certificate", 4, "expected pin", "ask its operator for the new pin");
    assert!(examined.step("certificate")["tried"].as_str().unwrap().contains(PIN));
    assert_eq!(examined.statuses(), ["ok", "ok", "ok", "failed", "ok", "skipped", "skipped"]);

    let expired = Shaker::start(&["localhost"], (2020, 2021));
    let server = format!("localhost:{}", expired.port);
    let examined = Examined::of(&home, &with_ca(expired.ca.to_str().unwrap(), &server));
    examined.fails("certificate", 4, "it has expired", "renew the certificate");
    let clock = examined.step("clock");
    assert_eq!(clock["status"], "failed");
    assert!(clock["reason"].as_str().unwrap().contains("2021-01-01"), "{clock}");
    assert!(clock["remedy"].as_str().unwrap().contains("date -u"), "{clock}");

    let named = Shaker::start(&["chat.example"], (2020, 2090));
    let server = format!("localhost:{}", named.port);
    let examined = Examined::of(&home, &with_ca(named.ca.to_str().unwrap(), &server));
    examined.fails("certificate", 4, "not for the requested name", "tls.names");
    assert!(examined.step("certificate")["details"].to_string().contains("chat.example"));
}

#[test]
fn a_login_that_is_refused() {
    let home = Home::new();
    let daemon = Daemon::with("auth.mode = \"accounts\"");
    let (ca, server) = (daemon.ca(), daemon.server());
    let args = with_ca(ca.to_str().unwrap(), &server);
    let examined = Examined::of(&home, &args);
    examined.fails("login", 5, "AUTH_FAILED", "the password");
    assert_eq!(examined.statuses()[..6], ["ok"; 6]);

    // A code is not used up.
    let line = enrolling::line(&daemon, &["user", "add", "ana"]);
    let end = enrolling::run(&home, &["doctor", &line, "--json"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    let steps = objects(&end.out);
    assert!(
        steps[6]["status"] == "skipped" && steps[6]["reason"].as_str().unwrap().contains("code"),
        "{end:?}"
    );
    assert!(!end.out.contains(line.split(['@', ':']).nth(2).unwrap()), "the code is shown nowhere: {end:?}");
    let file = home.0.path().join("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    let end = enrolling::run(&home, &[&line, "--password-file", file.to_str().unwrap(), "send", "x"]);
    assert_eq!(end.code, Some(0), "{end:?}");

    let daemon = Daemon::with("limits.sessions = 1");
    let (ca, server) = (daemon.ca(), daemon.server());
    let args = with_ca(ca.to_str().unwrap(), &server);
    let bo = home.start(&daemon, &["--name", "bo", "-v"]);
    bo.says("connected");
    Examined::of(&home, &args).fails("login", 5, "SERVER_FULL", "limits.sessions");

    let daemon = Daemon::with("limits.connections = 1");
    let (ca, server) = (daemon.ca(), daemon.server());
    let args = with_ca(ca.to_str().unwrap(), &server);
    let bo = home.start(&daemon, &["--name", "bo", "-v"]);
    bo.says("connected");
    Examined::of(&home, &args).fails("login", 5, "SERVER_FULL", "limits.connections");

    let daemon = Daemon::start();
    let (ca, server) = (daemon.ca(), daemon.server());
    let args = with_ca(ca.to_str().unwrap(), &server);
    let ana = home.start(&daemon, &["--name", "ana", "-v"]);
    ana.says("connected");
    Examined::of(&home, &args).fails("login", 5, "NAME_TAKEN", "--name NAME");
    daemon.operator(&["ban", "ana"]);
    Examined::of(&home, &args).fails("login", 5, "FORBIDDEN", "tcp-chatd unban");
}

#[test]
fn a_server_that_asks_for_a_client_certificate() {
    let home = Home::new();
    let daemon = Daemon::with("tls.client_auth = \"required\"");
    let (ca, server) = (daemon.ca(), daemon.server());
    let examined = Examined::of(&home, &with_ca(ca.to_str().unwrap(), &server));
    examined.fails("login", 5, "asks for a client certificate", "--cert FILE --key FILE");
    assert_eq!(examined.step("protocol")["status"], "skipped");
}
