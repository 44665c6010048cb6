//! The exact sentence for each fault of a single setting.

use super::*;

/// One line of configuration and its sentence, behind `config.toml:LINE:COLUMN: `.
const WRONG: &[(&str, &str)] = &[
    ("[limits]\nburts = 5", "2:1: limits.burts: there is no such setting; did you mean limits.burst?"),
    ("[limit]\nburst = 5", "1:2: limit: there is no such setting; did you mean limits?"),
    ("colour = 1", "1:1: colour: there is no such setting; config.toml of this version lists all of them"),
    ("limits = 5", "1:10: limits: this is a section: write [limits] and its keys below it"),
    (
        "[metrics]\naddress = \"0.0.0.0:9\"",
        "2:11: metrics.address: 0.0.0.0:9 is reachable from other hosts, and this endpoint is not encrypted; write a loopback address such as \"127.0.0.1:9464\", and let a TLS proxy serve it to other hosts",
    ),
    (
        "[http]\naddress = \"[::]:9\"",
        "2:11: http.address: [::]:9 is reachable from other hosts, and this endpoint is not encrypted; write a loopback address such as \"127.0.0.1:9464\", and let a TLS proxy serve it to other hosts",
    ),
    (
        "[web]\naddress = \"0.0.0.0:9\"",
        "2:11: web.address: it needs web.certificate and web.key beside it: a certificate that browsers know, as certbot makes it",
    ),
    ("[web]\nkey = \"k\"", "2:7: web.key: it needs web.certificate beside it: the file with its chain"),
    (
        "[web]\ncertificate = \"c\"",
        "2:15: web.certificate: it needs web.key beside it: the file with its key",
    ),
    (
        "[web]\nnames = [\"https://chat\"]",
        "2:9: web.names: \"https://chat\" is not the name of a web host: write NAME, NAME:PORT, or an IPv6 address in brackets",
    ),
    ("[http]\nrooms = [\"ops\", \"OPS\"]", "2:9: http.rooms: \"OPS\" is in it twice"),
    (
        "[http]\nrooms = [\"lobby\", \"l0bby\"]",
        "2:9: http.rooms: \"l0bby\" looks like lobby, which is in it too: rename one",
    ),
    (
        "[http]\nname = \"a b\"",
        "2:8: http.name: \"a b\" is not a name: a name is letters, digits and marks, with _ - . inside; U+0020 is not allowed there",
    ),
    (
        "[http]\naddress = \"127.0.0.1:9\"\nrooms = [\"ops\"]",
        "2:11: http.address: it needs http.token_file beside it: a file with the token that machines send",
    ),
    (
        "[tls]\nclient_auth = \"maybe\"",
        "2:15: tls.client_auth: \"maybe\" is none of \"off\", \"optional\", \"required\"",
    ),
    (
        "[auth]\nmode = \"accounts\"\npassword_file = \"x\"",
        "3:17: auth.password_file: auth.mode is \"accounts\", so nobody would be asked for it; write mode = \"password\" too, or remove this",
    ),
    (
        "[tls]\nclient_ca = \"ca.pem\"",
        "2:13: tls.client_ca: tls.client_auth is \"off\", so nobody is asked for a certificate; write client_auth = \"optional\" or \"required\", or remove this",
    ),
    (
        "[tls]\ncertificate = \"a\"\nkey = \"b\"\nclient_auth = \"required\"",
        "4:15: tls.client_auth: with tls.certificate there is no CA of the daemon's own; write tls.client_ca too: the file with the CA that signs the users' certificates",
    ),
    (
        "[auth]\nmode = \"closed\"",
        "2:8: auth.mode: \"closed\" is none of \"open\", \"password\", \"accounts\"",
    ),
    (
        "[auth]\nmode = \"password\"",
        "2:8: auth.mode: \"password\" needs auth.password_file: a file with what `tcp-chatd password` prints",
    ),
    (
        "[auth]\npassword_file = \"x\"",
        "2:17: auth.password_file: auth.mode is \"open\", so nobody would be asked for it; write mode = \"password\" \
         too, or remove this",
    ),
    (
        "[cluster]\nnats = \"nats://nats1.example:4222\"",
        "2:8: cluster.nats: \"nats://nats1.example:4222\" is reachable without TLS; write \"tls://nats1.example:4222\", or an \
         address of this host",
    ),
    (
        "[cluster]\nnats = \"tls://nats1.example\"",
        "2:8: cluster.nats: it needs cluster.advertise beside it: the address of this daemon for clients, as \
         \"chat1.example.org:3000\"",
    ),
    (
        "[cluster]\nnats = \"tls://a\"\nadvertise = \"b:1\"\nuser = \"c\"",
        "4:8: cluster.user: it needs cluster.password_file beside it",
    ),
    (
        "[cluster]\nnats = \"tls://a\"\nadvertise = \"b:1\"\ncredentials = \"c\"\ncertificate = \"d\"\nkey = \"./e\"",
        "5:15: cluster.certificate: cluster.credentials is a login, too: remove one of the two",
    ),
    (
        "[cluster]\nnats = \"tls://a\"\nadvertise = \"b:1\"\n[history]\npath = \":memory:\"",
        "5:8: history.path: a daemon of a cluster needs a store on the disk",
    ),
    (
        "[cluster]\nstream = \"a.b\"",
        "2:10: cluster.stream: \"a.b\": the name of a stream has 1 to 64 letters, digits, \"-\" and \"_\"",
    ),
    (
        "[cluster]\nadvertise = \"b\"",
        "2:13: cluster.advertise: \"b\" is not a host with a port; write \"chat1.example.org:3000\"",
    ),
    ("[limits]\nburst = 1.9", "2:9: limits.burst: 1.9 is not a whole number from 1 to 10000000"),
    ("[limits]\nburst = 2.0", "2:9: limits.burst: 2.0 is not a whole number from 1 to 10000000"),
    ("[limits]\nburst = \"7\"", "2:9: limits.burst: \"7\" is not a whole number from 1 to 10000000"),
    ("[limits]\nburst = -1", "2:9: limits.burst: -1 is not a whole number from 1 to 10000000"),
    ("[limits]\nburst = 0", "2:9: limits.burst: 0 is not a whole number from 1 to 10000000"),
    ("[rooms]\ncreate = \"true\"", "2:10: rooms.create: \"true\" is neither true nor false"),
    ("[rooms]\ncreate = 1", "2:10: rooms.create: 1 is neither true nor false"),
    (
        "[rooms]\ndefault = []",
        "2:11: rooms.default: the list is empty; name at least the room that a login enters",
    ),
    ("[rooms]\ndefault = [\"a\", \"A\"]", "2:11: rooms.default: \"A\" is in it twice"),
    ("[rooms]\ndefault = [1]", "2:11: rooms.default: 1 in the list is not a text; put it in quotes"),
    (
        "[rooms]\ndefault = \"a b\"",
        "2:11: rooms.default: \"a b\" is not a room: a name is letters, digits and marks, with _ - . inside; U+0020 is \
         not allowed there",
    ),
    (
        "[sessions]\nttl = 90",
        "2:7: sessions.ttl: 90 is not a duration; write a text with a unit, such as \"90s\", \"2m\" or \"30d\"",
    ),
    (
        "[sessions]\nttl = \"90\"",
        "2:7: sessions.ttl: \"90\" has no unit; write a number with a unit, such as \"90s\", \"2m\" or \"30d\"",
    ),
    ("[sessions]\nttl = \"1y\"", "2:7: sessions.ttl: 8766h is not from 0s to 30d"),
    (
        "[limits]\nline_bytes = \"64 parsecs\"",
        "2:14: limits.line_bytes: \"64 parsecs\" is not a size; write a number of bytes, or one with a unit, such as \
         \"64 KiB\"",
    ),
    ("[limits]\nline_bytes = 5", "2:14: limits.line_bytes: 5 bytes is not from 1 KiB to 16 MiB"),
    (
        "[limits]\nmsg_bytes = \"64 KiB\"",
        "2:13: limits.msg_bytes: a text of 65536 bytes would not fit a line of 65536; leave at least 256 bytes around it",
    ),
    (
        "[limits]\nrooms = 1\n[rooms]\ndefault = [\"a\", \"b\"]",
        "2:9: limits.rooms: 1 is less than the 2 rooms of rooms.default",
    ),
    (
        "[listen]\naddress = \"localhost\"",
        "2:11: listen.address: \"localhost\" is not an address with a port; write \"127.0.0.1:3000\", \"0.0.0.0:3000\" for \
         every IPv4 address of this host, or \"[::]:3000\" for IPv6 too",
    ),
    ("[listen]\naddress = []", "2:11: listen.address: the list is empty; name at least one address"),
    ("[listen]\naddress = [\"[::1]:1\", \"[::1]:1\"]", "2:11: listen.address: [::1]:1 is in it twice"),
    (
        "[tls]\nnames = [\"chat.example:3000\"]",
        "2:9: tls.names: \"chat.example:3000\" is neither a host name nor an IP address; write it as clients dial it, \
         without a port, and other scripts in their xn-- form",
    ),
    (
        "[tls]\ncertificate = \"x.pem\"",
        "2:15: tls.certificate: it needs tls.key beside it: the file with its key",
    ),
    ("[tls]\nkey = \"x.key\"", "2:7: tls.key: it needs tls.certificate beside it: the file with its chain"),
    (
        "[tls]\nnames = [\"a\"]\ncertificate = \"x\"\nkey = \"y\"",
        "2:9: tls.names: names are for the daemon's own certificate, and tls.certificate replaces that; remove one of \
         the two",
    ),
    ("[tls]\nmin_version = \"1.1\"", "2:15: tls.min_version: \"1.1\" is none of \"1.3\", \"1.2\""),
    ("[tls]\nmin_version = 1.3", "2:15: tls.min_version: 1.3 is not a text; put it in quotes"),
    (
        "[tls]\ndir = \"~/certs\"",
        "2:7: tls.dir: \"~/certs\" is not a path; write it out: only $CREDENTIALS_DIRECTORY/ at the start is expanded",
    ),
    (
        "[tls]\ndir = \"$CREDENTIALS_DIRECTORY/x\"",
        "2:7: tls.dir: $CREDENTIALS_DIRECTORY is not set; it is set only if systemd starts the daemon with \
         LoadCredential=",
    ),
    (
        "[log]\nlevel = \"inof\"",
        "2:9: log.level: \"inof\" is not a level; write one of off, error, warn, info, debug, trace, or several with \
         their targets, such as \"info,tcp_chatd::net=debug\"",
    ),
    (
        "[log]\nformat = \"xml\"",
        "2:10: log.format: \"xml\" is none of \"auto\", \"pretty\", \"json\", \"journald\"",
    ),
    ("[history]\npath = 7", "2:8: history.path: 7 is not a text; put it in quotes"),
    (
        "[history]\nretain_messages = \"many\"",
        "2:19: history.retain_messages: \"many\" is not a whole number from 0 to 4294967295",
    ),
];

#[test]
fn what_is_wrong_is_said_with_its_place_its_key_and_what_to_do() {
    for (text, sentence) in WRONG {
        let problems = Folder::with(text).problems(&[], &[]);
        assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
        let first = problems[0].lines().next().unwrap();
        assert_eq!(first, format!("config.toml:{sentence}"), "{text}");
        assert!(problems[0].contains('^'), "{}", problems[0]);
    }
}

/// The rooms of the webhook are opened only if it is on, and are not checked otherwise.
#[test]
fn rooms_of_the_two_lists_look_different_where_both_are_used() {
    let with = |address: &str| {
        let http = format!("[http]\n{address}token_file = \"token\"\nrooms = [\"ops\", \"l0bby\"]\n");
        let folder = Folder::with(&http);
        std::fs::write(folder.path("token"), "0123456789abcdef0123456789abcdef").unwrap();
        folder
    };
    let problems = with("address = \"127.0.0.1:9\"\n").problems(&[], &[]);
    let sentence =
        "config.toml:4:9: http.rooms: \"l0bby\" looks like lobby, which is in rooms.default: rename one";
    assert!(problems.len() == 1 && problems[0].starts_with(sentence), "{problems:#?}");
    with("").load(&[], &[]).unwrap();
}
