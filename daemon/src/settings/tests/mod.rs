//! Valid and invalid configurations. `layers` has the layers over each other. Here: the helpers of the tests.

mod layers;
mod reference;
mod secrets;
mod wrong;

use super::load::load_from;
use super::*;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// A folder with a configuration file.
struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn with(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, Problems> {
        load(&Inputs {
            config: Some(self.path("config.toml")),
            environment: environment(env),
            flags: flags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        })
    }

    /// The problems, without the path of the folder.
    fn problems(&self, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Vec<String> {
        let problems = self.load(env, flags).map(drop).unwrap_err();
        let dir = format!("{}/", self.dir.path().display());
        problems.list.iter().map(|p| p.to_string().replace(&dir, "")).collect()
    }
}

fn environment(env: &[(&str, &str)]) -> Environment {
    env.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect()
}

/// Paths as `load` resolves them.
fn defaults_in(base: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.tls.dir = base.join(&settings.tls.dir);
    settings.history.path = settings.history.path.map(|path| base.join(path));
    settings.cluster.key_file = base.join(&settings.cluster.key_file);
    settings
}

#[test]
fn without_any_file_the_defaults_hold() {
    let nowhere = tempfile::tempdir().unwrap();
    let places = [nowhere.path().join("config.toml"), nowhere.path().join("etc.toml")];
    let loaded = load_from(&Inputs::default(), &[&places[0], &places[1]]).unwrap();
    assert_eq!(loaded.file, None);
    assert_eq!(loaded.settings, defaults_in(&std::env::current_dir().unwrap()));
}

#[test]
fn the_first_file_that_is_there_is_taken() {
    let folder = Folder::with("[sessions]\nttl = \"5s\"\n");
    let (here, there) = (folder.path("absent.toml"), folder.path("config.toml"));
    let loaded = load_from(&Inputs::default(), &[&here, &there]).unwrap();
    assert_eq!(loaded.file.as_deref(), Some(there.as_path()));
    assert_eq!(loaded.settings.sessions.ttl, Duration::from_secs(5));
    std::fs::write(&here, "[sessions]\nttl = \"6s\"\n").unwrap();
    let loaded = load_from(&Inputs::default(), &[&here, &there]).unwrap();
    assert_eq!(loaded.settings.sessions.ttl, Duration::from_secs(6));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = Folder::with("");
    let inputs = Inputs { config: Some(folder.path("other.toml")), ..Inputs::default() };
    let text = load(&inputs).unwrap_err().to_string();
    assert!(
        text.ends_with("other.toml: there is no such file; --config names the configuration file"),
        "{text}"
    );
}

#[test]
fn all_sections_read() {
    let folder = Folder::with(
        r#"
        listen.address = ["0.0.0.0:4000", "[::1]:4001"]
        [tls]
        dir = "/var/lib/x/certs"
        names = ["Chat.Example", "192.0.2.1", "*.lan"]
        min_version = "1.2"
        client_auth = "required"
        client_ca = "users.pem"
        [auth]
        mode = "accounts"
        [rooms]
        default = ["ops", "Lobby"]
        create = false
        presence_limit = 0
        topic_by_members = false
        [sessions]
        ttl = "0s"
        [history]
        path = "store/x.db"
        durability = "power"
        retain = "0"
        retain_messages = 5000
        max_bytes = "2 GiB"
        [limits]
        line_bytes = 1_000_000
        msg_bytes = "70 KiB"
        messages_per_second = 0
        redact = "0"
        stall = "1h"
        [log]
        level = "warn,tcp_chatd::net=debug"
        format = "json"
        [admin]
        socket = "x.sock"
        [metrics]
        address = "127.0.0.1:9464"
        [http]
        address = "[::1]:9465"
        token_file = "token"
        rooms = ["ops"]
        name = "monitor"
        [web]
        address = "[::1]:3443"
        certificate = "web.pem"
        key = "web.key"
        names = ["Chat.Example:443", "[::1]"]
        [cluster]
        nats = ["tls://nats1.example:4222", "tls://nats2.example:4222"]
        name = "chat1"
        advertise = "chat1.example:3000"
        stream = "CHAT"
        user = "chat"
        password_file = "nats"
        ca = "nats.pem"
        log_keep = "2d"
        log_bytes = "1 GiB"
        hold = "20s"
        [shutdown]
        grace = "0s"
        "#,
    );
    std::fs::write(folder.path("token"), format!("{}\n", "a".repeat(32))).unwrap();
    std::fs::write(folder.path("nats"), "secret\n").unwrap();
    let settings = folder.load(&[], &[]).unwrap().settings;
    let expected = Settings {
        listen: Listen { address: vec!["0.0.0.0:4000".parse().unwrap(), "[::1]:4001".parse().unwrap()] },
        tls: Tls {
            dir: "/var/lib/x/certs".into(),
            names: vec!["chat.example".into(), "192.0.2.1".into(), "*.lan".into()],
            certificate: None,
            key: None,
            allow_1_2: true,
            client_auth: ClientAuth::Required,
            client_ca: Some(folder.path("users.pem")),
        },
        auth: Auth { mode: AuthMode::Accounts, ..Auth::default() },
        rooms: Rooms {
            default: vec!["ops".parse().unwrap(), "Lobby".parse().unwrap()],
            create: false,
            topic_by_members: false,
            presence_limit: 0,
        },
        sessions: Sessions { ttl: Duration::ZERO },
        history: History {
            path: Some(folder.path("store/x.db")),
            durability: Durability::Power,
            retain: None,
            retain_messages: Some(5000),
            max_bytes: MaxBytes::Bytes(2 << 30),
        },
        limits: Limits {
            line_bytes: 1_000_000,
            msg_bytes: 71_680,
            messages_per_second: 0,
            redact: None,
            stall: Duration::from_secs(3600),
            ..Limits::default()
        },
        log: Log { level: "warn,tcp_chatd::net=debug".into(), format: LogFormat::Json },
        admin: Admin { socket: Some(folder.path("x.sock")) },
        metrics: Metrics { address: Some("127.0.0.1:9464".parse().unwrap()) },
        http: Http {
            address: Some("[::1]:9465".parse().unwrap()),
            token_file: Some(Secret {
                file: folder.path("token"),
                content: Some(crate::auth::sha256("a".repeat(32).as_bytes())),
            }),
            rooms: vec!["ops".parse().unwrap()],
            name: Some("monitor".parse().unwrap()),
        },
        web: Web {
            address: Some("[::1]:3443".parse().unwrap()),
            certificate: Some(folder.path("web.pem")),
            key: Some(folder.path("web.key")),
            names: vec!["chat.example:443".into(), "[::1]".into()],
        },
        cluster: Cluster {
            nats: vec!["tls://nats1.example:4222".into(), "tls://nats2.example:4222".into()],
            name: Some("chat1".into()),
            advertise: Some("chat1.example:3000".into()),
            stream: "CHAT".parse().unwrap(),
            user: Some("chat".into()),
            password_file: Some(folder.path("nats")),
            ca: Some(folder.path("nats.pem")),
            key_file: folder.path("cluster.key"),
            log_keep: Duration::from_secs(2 * 24 * 3600),
            log_bytes: 1 << 30,
            hold: Duration::from_secs(20),
            ..Cluster::default()
        },
        shutdown: Shutdown { grace: Duration::ZERO },
    };
    assert_eq!(settings, expected);
    assert_eq!(settings.control_socket(), Some(folder.path("x.sock")));
}

#[test]
fn a_cluster_is_a_node_or_nothing() {
    let alone = Folder::with("[cluster]\nname = \"chat1\"\nadvertise = \"chat1.example:3000\"\n");
    assert_eq!(alone.load(&[], &[]).unwrap().settings.cluster.node(), None);
    let folder = Folder::with(
        "[cluster]\nnats = \"nats://127.0.0.1:4222\"\nadvertise = \"chat1.example:3000\"\ncredentials = \"a.creds\"\n",
    );
    let node = folder.load(&[], &[]).unwrap().settings.cluster.node().unwrap();
    assert_eq!(node.servers, ["nats://127.0.0.1:4222"]);
    assert_eq!(node.login, NatsLogin::Credentials(folder.path("a.creds")));
    assert!(!node.name.is_empty(), "the host's name");
    assert_eq!((node.hold, node.gone_after), (Duration::from_secs(15), Duration::from_secs(6)));
}

#[test]
fn in_memory_there_is_no_control_socket_beside_the_store() {
    let folder = Folder::with("[history]\npath = \":memory:\"\n");
    let settings = folder.load(&[], &[]).unwrap().settings;
    assert_eq!((settings.history.path.clone(), settings.control_socket()), (None, None));
    let settings = Folder::with("").load(&[], &[]).unwrap().settings;
    assert!(settings.control_socket().unwrap().ends_with("data/control.sock"));
}

#[test]
fn a_problem_shows_the_line_with_a_caret() {
    let problems = Folder::with("[limits]\nburst = 1\nerrors = \"none\"  # of them\n").problems(&[], &[]);
    assert_eq!(
        problems[0],
        "config.toml:3:10: limits.errors: \"none\" is not a whole number from 0 to 10000000\n  \
         3 | errors = \"none\"  # of them\n    |          ^^^^^^"
    );
}

#[test]
fn what_is_no_toml_is_shown_where_it_breaks_and_the_rest_is_still_read() {
    let problems = Folder::with("[limits\nburst = 5\n").problems(&[("TCP_CHATD__LOG__LEVEL", "loud")], &[]);
    assert!(problems[0].starts_with("config.toml:1:8: the file is not TOML: "), "{problems:#?}");
    assert!(problems.iter().any(|p| p.contains("log.level")), "{problems:#?}");
    let folder = Folder::with("");
    std::fs::write(folder.path("config.toml"), b"# \xff").unwrap();
    assert_eq!(folder.problems(&[], &[]), ["config.toml: byte 2 is not UTF-8; save the file as UTF-8"]);
}

#[test]
fn what_config_prints_is_toml_again_and_the_same() {
    let folder = Folder::with("[limits]\nburst = 5\n[listen]\naddress = [\"127.0.0.1:1\", \"[::1]:2\"]\n");
    let loaded = folder.load(&[("PORT", "7"), ("TCP_CHATD__TLS__NAMES", "a,b")], &[]).unwrap();
    let text = loaded.to_toml();
    for line in [
        "burst = 5  # file, line 2",
        "ttl = \"2m\"  # default",
        "names = [\"a\", \"b\"]  # environment variable TCP_CHATD__TLS__NAMES",
        "address = [\"127.0.0.1:7\", \"[::1]:7\"]  # file, line 4; the port: environment variable PORT",
        "# certificate is not set",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let again = Folder::with(&text).load(&[], &[]).unwrap().settings;
    // The default path of the control socket was shown.
    let expected = Settings { admin: Admin { socket: loaded.settings.control_socket() }, ..loaded.settings };
    assert_eq!(again, expected);
}

#[test]
fn a_reload_sees_what_changed() {
    let folder = Folder::with("[limits]\nburst = 5\n");
    let before = folder.load(&[], &[]).unwrap();
    std::fs::write(folder.path("config.toml"), "[limits]\nburst = 6\n[log]\nlevel = \"debug\"\n").unwrap();
    let after = before.again().unwrap();
    assert_eq!(before.settings.changed_keys(&after.settings), ["limits.burst", "log.level"]);
    assert!(before.settings.changed_keys(&before.settings).is_empty());
}
