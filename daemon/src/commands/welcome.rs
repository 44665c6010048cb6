//! Owns the lines that users paste to join: those that the daemon prints at its start, and the invitation. Called
//! by `commands` and `daemon`. Prints nothing itself, except notes on standard error.

use super::{Failure, exit};
use crate::settings::Settings;
use crate::tls::{self, Facts, Summary};
use crate::web;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use tcp_chat_protocol::invite::Join;
use tcp_chat_protocol::{Invite, Name};

/// The addresses of the daemon, the CA that clients must trust, the command that joins from this host, and the address of
/// the page if it is on.
#[must_use]
pub fn welcome(addresses: &[SocketAddr], summary: &Summary, page: Option<&str>) -> String {
    let program = if std::env::var_os("CARGO_MANIFEST_DIR").is_some() {
        // `cargo run` started the daemon, so the client is not installed either.
        "cargo run --release -p tcp-chat-cli --"
    } else {
        "tcp-chat-cli"
    };
    render(addresses, summary, program, page)
}

fn render(addresses: &[SocketAddr], summary: &Summary, program: &str, page: Option<&str>) -> String {
    let listed: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    let port = addresses.first().map_or(tcp_chat_protocol::DEFAULT_PORT, SocketAddr::port);
    let mut out = format!("tcp-chatd listens on {}\n", listed.join(", "));
    let trust = match &summary.ca {
        Some(ca) => {
            out.push_str(&format!("  CA       {}\n", ca.display()));
            format!("--ca {}", shell_quoted(ca))
        }
        None => {
            out.push_str(&format!("  chain    {}\n", summary.certificate.display()));
            format!("--pin {}", summary.pin)
        }
    };
    out.push_str(&format!("  SHA-256  {}\n", summary.pin));
    let host = local_host(addresses, &summary.facts, summary.ca.is_some());
    let server = Invite { host, port, more: Vec::new(), room: None, pin: None, join: None }.to_string();
    let server = server.trim_start_matches("tcps://");
    out.push_str(&format!("  join     {program} {trust} {server}"));
    if let Some(origin) = page {
        out.push_str(&format!("\n  page     {origin}"));
    }
    out
}

/// The line for a colleague: `tcp-chat-cli tcps://HOST:PORT/ROOM#PIN`. A line with a code is not a command,
/// because every user of a host can see the arguments of a process.
fn invitation(
    addresses: &[SocketAddr],
    files: &[(PathBuf, Facts)],
    own: bool,
    room: Option<Name>,
    host: Option<&str>,
    join: Option<Join>,
) -> Option<String> {
    // The daemon's own CA comes first; in an operator's chain the CA comes last.
    let (pinned, leaf) = if own { (files.first()?, files.last()?) } else { (files.last()?, files.first()?) };
    let host = host.map_or_else(|| remote_host(addresses, &leaf.1), str::to_owned);
    let port = addresses.first()?.port();
    let command = if join.is_some() { "" } else { "tcp-chat-cli " };
    let invite = Invite { host, port, more: Vec::new(), room, pin: Some(pinned.1.pin), join };
    Some(format!("{command}{invite}"))
}

/// Prints the instructions for a line with a code on standard error, so that standard output has only the line.
pub(super) fn print_instructions(user: &Name) {
    let note = format!("for {user}, who runs `tcp-chat-cli -` and pastes this line, once within a day:");
    let _ = writeln!(std::io::stderr(), "{note}");
}

/// Prints a note if only this host can reach the daemon.
pub(super) fn note_if_loopback_only(settings: &Settings) {
    if settings.listen.address.iter().all(|address| address.ip().is_loopback()) {
        let note = "note: listen.address takes connections from this host only";
        let _ = writeln!(std::io::stderr(), "{note}");
    }
}

/// Prints the address of the page on standard error, so that standard output has only the line.
pub(super) fn note_page(settings: &Settings) {
    if let Some(address) = page(settings) {
        let _ = writeln!(std::io::stderr(), "note: browsers need no client: {address}");
    }
}

/// The invitation for the current settings and certificates; with `join`, for one user.
///
/// # Errors
/// The room is not a valid name, or there is no certificate yet.
pub(super) fn invite(settings: &Settings, room: Option<&str>, join: Option<Join>) -> Result<String, Failure> {
    let room = room
        .map(|room| Name::parse(room).map_err(|e| Failure::new(exit::USAGE, format!("--room {room:?}: {e}"))))
        .transpose()?;
    let files = tls::show(&settings.tls)?;
    let own = settings.tls.operator_pair().is_none();
    // Clients dial the first name that the operator configured.
    let configured = settings.tls.names.iter().find(|name| !name.starts_with('*')).map(String::as_str);
    invitation(&settings.listen.address, &files, own, room, configured, join)
        .ok_or_else(|| Failure::new(exit::INTERNAL, "there is no certificate for an invitation"))
}

/// The address of the page, if it is on and has a certificate and a fixed port.
pub(super) fn page(settings: &Settings) -> Option<String> {
    let port = settings.web.address.map(|address| address.port()).filter(|port| *port != 0)?;
    let shown = tls::show(&settings.web.tls(&settings.tls)?).ok()?;
    let (file, facts) = shown.first()?;
    web::origin(settings, file, &facts.names, port).ok()
}

/// The host that a client on this host dials.
fn local_host(addresses: &[SocketAddr], leaf: &Facts, own: bool) -> String {
    let local = addresses.iter().any(|a| a.ip().is_loopback() || a.ip().is_unspecified());
    if own && (local || addresses.is_empty()) {
        return "localhost".to_owned();
    }
    remote_host(addresses, leaf)
}

/// The host that clients elsewhere dial: one that the certificate names, since clients refuse any other.
fn remote_host(addresses: &[SocketAddr], leaf: &Facts) -> String {
    let address = addresses.iter().map(|a| a.ip().to_string()).find(|ip| leaf.names.contains(ip));
    let only_here = addresses.iter().all(|a| a.ip().is_loopback());
    let is_name =
        |name: &&String| name.parse::<IpAddr>().is_err() && !name.starts_with('*') && *name != "localhost";
    let name = leaf.names.iter().find(is_name).cloned();
    let reachable = if only_here { None } else { name.or(address) };
    reachable
        .or_else(|| leaf.names.contains("localhost").then(|| "localhost".to_owned()))
        .or_else(|| leaf.names.iter().find(|name| !name.starts_with('*')).cloned())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// A path quoted for a shell.
fn shell_quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;
    use tcp_chat_protocol::invite::Pin;

    fn facts(names: &[&str], pin: u8) -> Facts {
        Facts {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            subject: String::new(),
            issuer: String::new(),
            not_before: SystemTime::UNIX_EPOCH,
            not_after: SystemTime::UNIX_EPOCH,
            pin: Pin([pin; 32]),
            is_ca: false,
            for_servers: true,
        }
    }

    fn summary(ca: Option<&str>, names: &[&str]) -> Summary {
        Summary {
            certificate: "/c/server.pem".into(),
            facts: facts(names, 1),
            ca: ca.map(Into::into),
            pin: Pin([0xab; 32]),
            fault: None,
            doubts: Vec::new(),
        }
    }

    fn at(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn the_welcome_has_what_to_paste() {
        let own = summary(Some("/it's here/ca.pem"), &["localhost", "box"]);
        let pin = "ab".repeat(32);
        assert_eq!(
            render(&at(&["127.0.0.1:3000", "[::1]:3000"]), &own, "tcp-chat-cli", None),
            format!(
                "tcp-chatd listens on 127.0.0.1:3000, [::1]:3000\n  CA       /it's here/ca.pem\n  SHA-256  {pin}\n  \
                 join     tcp-chat-cli --ca '/it'\\''s here/ca.pem' localhost:3000"
            )
        );
        let theirs = summary(None, &["chat.example", "*.chat.example"]);
        let text = render(&at(&["0.0.0.0:4000"]), &theirs, "tcp-chat-cli", Some("https://chat.example:3443"));
        let end = format!(
            "join     tcp-chat-cli --pin {pin} chat.example:4000\n  page     https://chat.example:3443"
        );
        assert!(text.ends_with(&end), "{text}");
    }

    #[test]
    fn an_invitation_names_a_host_that_the_certificate_has() {
        let ca = (PathBuf::from("ca.pem"), facts(&[], 2));
        let leaf = |names: &[&str]| vec![ca.clone(), (PathBuf::from("server.pem"), facts(names, 3))];
        let pin = "02".repeat(32);
        let usual = ["127.0.0.1", "::1", "localhost", "box"];
        for (addresses, names, given, host) in [
            (&["127.0.0.1:3000"][..], &usual[..], None, "localhost:3000"),
            (&["0.0.0.0:81"], &usual, None, "box:81"),
            (&["0.0.0.0:81"], &usual, Some("chat.lan"), "chat.lan:81"),
            (&["192.0.2.7:81"], &["localhost", "192.0.2.7"], None, "192.0.2.7:81"),
            (&["[::]:81"], &["localhost", "::1"], None, "localhost:81"),
            (&["[2001:db8::1]:81"], &["2001:db8::1"], None, "[2001:db8::1]:81"),
        ] {
            let room = Some("ops".parse().unwrap());
            let line = invitation(&at(addresses), &leaf(names), true, room, given, None).unwrap();
            assert_eq!(line, format!("tcp-chat-cli tcps://{host}/ops#{pin}"), "{addresses:?} {names:?}");
        }
    }
}
