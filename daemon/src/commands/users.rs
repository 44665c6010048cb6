//! Owns `tcp-chatd user` and `cert revoke`: sends the requests to the running daemon, and prints the results.
//! Called by `commands`. Never changes anything itself.

use super::control::{REPLY_TIMEOUT, ask};
use super::{Failure, User, exit, print, welcome};
use crate::admin::{AdminRequest, ClientCertificate, Revoked};
use crate::settings::Settings;
use crate::tls::ClientFacts;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tcp_chat_progress::{Shown, Watch, thousands};
use tcp_chat_protocol::Name;
use tcp_chat_protocol::invite::{Join, Pin};
use zeroize::Zeroizing;

/// Runs a `user` command.
pub(super) fn user(wanted: User, settings: &Settings) -> Result<(), Failure> {
    let socket = settings.control_socket();
    let socket = socket.as_deref();
    match wanted {
        User::Add { name, cert, room } => {
            let request = AdminRequest::UserAdd { user: name, certificate: cert };
            join(settings, &request, cert, room.as_deref())
        }
        User::Password { name, cert, room } => {
            let request = AdminRequest::UserPassword { user: name, certificate: cert };
            join(settings, &request, cert, room.as_deref())
        }
        User::Remove { name } => {
            print_rooms_without_owner(&ask_daemon(socket, &AdminRequest::UserRemove { user: name })?)
        }
        User::Erase { name, lift, json } => {
            let progress = watch_erasure(socket);
            let data =
                ask(socket, &AdminRequest::UserErase { user: name.clone(), lift }, None, exit::INTERNAL);
            drop(progress);
            let data = data?;
            match data.get("user").and_then(Value::as_str) {
                Some(user) if !json => {
                    print(&format!("erased; the name in its place is {user}\n"))?;
                    match data.get("messages").and_then(Value::as_u64) {
                        Some(0) => print(&format!("messages: 0: none was by {name}\n"))?,
                        Some(messages) => print(&format!("messages: {messages}\n"))?,
                        None => {}
                    }
                    print_rooms_without_owner(&data)
                }
                _ => print(&format!("{data}\n")),
            }
        }
        User::List { json } => {
            let data = ask_daemon(socket, &AdminRequest::UserList)?;
            if json {
                return print(&format!("{data}\n"));
            }
            let users: Users = serde_json::from_value(data)
                .map_err(|e| Failure::new(exit::INTERNAL, format!("the daemon has another version: {e}")))?;
            print(&table(&users.users))
        }
    }
}

fn print_rooms_without_owner(data: &Value) -> Result<(), Failure> {
    let rooms = data.get("without_owner").and_then(Value::as_array).into_iter().flatten();
    rooms.filter_map(Value::as_str).try_for_each(|room| {
        print(&format!("{room} has no owner now: tcp-chatd grant NAME owner --room {room}\n"))
    })
}

/// Shows how many messages are still to be looked at.
fn watch_erasure(socket: Option<&Path>) -> Watch {
    let socket = socket.map(Path::to_owned);
    Watch::start(Shown::Always, move |since| {
        let status = ask(socket.as_deref(), &AdminRequest::Status, Some(REPLY_TIMEOUT), exit::INTERNAL);
        match status.ok().and_then(|status| status.get("erasing_left")?.as_u64()) {
            Some(left) if left > 0 => format!("{} messages left to look at", thousands(left)),
            _ => format!("the daemon erases: {} s", since.as_secs()),
        }
    })
}

/// Revokes certificates: the one in a file, the one with a SHA-256, or all of a user.
pub(super) fn revoke(socket: Option<&Path>, which: &str) -> Result<(), Failure> {
    let revoked = if Path::new(which).is_file() {
        Revoked::Certificate(ClientFacts::of_file(Path::new(which))?.into())
    } else if which.parse::<Pin>().is_ok() {
        Revoked::Key(which.to_owned())
    } else {
        Revoked::User(which.to_owned())
    };
    let data = ask_daemon(socket, &AdminRequest::CertRevoke(revoked))?;
    let count = data.get("revoked").and_then(Value::as_u64).unwrap_or_default();
    print(&format!("revoked: {count}\n"))
}

/// Registers a certificate with the running daemon, if there is one.
pub(super) fn register_issued(socket: Option<&Path>, issued: ClientCertificate) {
    // If no daemon answers, it learns of the certificate at the first handshake with it.
    if socket.is_some_and(Path::exists) {
        let _ = ask_daemon(socket, &AdminRequest::CertIssued(issued));
    }
}

fn ask_daemon(socket: Option<&Path>, request: &AdminRequest) -> Result<Value, Failure> {
    ask(socket, request, Some(REPLY_TIMEOUT), exit::INTERNAL)
}

/// Asks for a code and prints its join line.
fn join(settings: &Settings, request: &AdminRequest, cert: bool, room: Option<&str>) -> Result<(), Failure> {
    // Checks everything that may fail first, so no code is wasted.
    welcome::invite(settings, room, None)?;
    let socket = settings.control_socket();
    let data = ask_daemon(socket.as_deref(), request)?;
    let text = |field: &str| data.get(field).and_then(Value::as_str).unwrap_or_default();
    let user = Name::parse(text("user")).map_err(|e| Failure::new(exit::INTERNAL, e.to_string()))?;
    let join = Join { user: user.clone(), code: Zeroizing::new(text("code").to_owned()), certificate: cert };
    let line = welcome::invite(settings, room, Some(join))?;
    welcome::note_if_loopback_only(settings);
    welcome::print_instructions(&user);
    print(&format!("{line}\n"))
}

#[derive(Deserialize)]
struct Users {
    users: Vec<UserRow>,
}

#[derive(Deserialize)]
struct UserRow {
    user: String,
    password: bool,
    join_until: Option<u64>,
    sessions: usize,
    certificates: Vec<CertificateRow>,
}

#[derive(Deserialize)]
struct CertificateRow {
    key: String,
    until: u64,
    revoked: bool,
}

fn table(users: &[UserRow]) -> String {
    let width = users.iter().map(|row| row.user.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for UserRow { user, password, join_until, sessions, certificates } in users {
        let password = if *password { "password" } else { "no password" };
        out.push_str(&format!("{user:width$}  {password:11}  {sessions} sessions"));
        if let Some(until) = join_until {
            out.push_str(&format!("  join line open until {}", rfc3339(*until)));
        }
        out.push('\n');
        for CertificateRow { key, until, revoked } in certificates {
            let state = if *revoked { "REVOKED".to_owned() } else { format!("until {}", rfc3339(*until)) };
            out.push_str(&format!("{:width$}  certificate  {key}  {state}\n", ""));
        }
    }
    out
}

fn rfc3339(ms: u64) -> String {
    // RFC 3339 ends with the year 9999; certificates may end later.
    let latest = Duration::from_secs(253_402_300_799);
    let since = Duration::from_millis(ms).min(latest);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_a_table() {
        let certificate = |revoked| CertificateRow { key: "ab12".into(), until: u64::MAX, revoked };
        let row = |user: &str, password, join_until, certificates| UserRow {
            user: user.to_owned(),
            password,
            join_until,
            sessions: 2,
            certificates,
        };
        let rows = [
            row("ana", true, None, vec![]),
            row("bo", false, Some(0), vec![certificate(false), certificate(true)]),
        ];
        assert_eq!(
            table(&rows),
            "ana  password     2 sessions\n\
             bo   no password  2 sessions  join line open until 1970-01-01T00:00:00Z\n     \
             certificate  ab12  until 9999-12-31T23:59:59Z\n     certificate  ab12  REVOKED\n"
        );
    }
}
