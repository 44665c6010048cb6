//! Owns asking a running daemon through its control socket: one JSON line there, one back. The
//! daemon's side is `admin`. Never waits for ever but for a backup, which takes what it takes.

use super::{Failure, exit, print};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The longest answer, in bytes.
const ANSWER_BYTES: u64 = 1 << 20;
/// How long the daemon may take to answer.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    error: String,
}

/// How the daemon is: for a person, or as JSON.
pub(super) fn status(socket: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    let data = ask(socket, &json!({"command": "status"}), Some(ANSWERS_WITHIN), exit::INTERNAL)?;
    match data {
        Value::Object(fields) if !as_json => print(&for_people(&fields)),
        data => print(&format!("{data}\n")),
    }
}

/// The fields below each other; what is nothing is left out.
fn for_people(fields: &Map<String, Value>) -> String {
    let width = fields.keys().map(String::len).max().unwrap_or_default();
    let mut out = String::new();
    // What matters most first.
    let first = ["state", "summary", "warning", "store_failing"];
    let (above, below): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(name, _)| first.contains(&name.as_str()));
    for (name, value) in above.into_iter().chain(below) {
        let shown = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Array(list) => {
                let list: Vec<String> =
                    list.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
                list.join(", ")
            }
            other => other.to_string(),
        };
        let name = name.replace('_', " ");
        out.push_str(&format!("{name:width$}  {}\n", shown.replace(char::is_control, " ")));
    }
    out
}

/// Reads the configuration again; prints what changed.
pub(super) fn reload(socket: Option<&Path>) -> Result<(), Failure> {
    let data = ask(socket, &json!({"command": "reload"}), Some(ANSWERS_WITHIN), exit::CONFIG)?;
    let list = |name: &str| {
        let list = data.get(name).and_then(Value::as_array);
        let list: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
        list.join(", ")
    };
    let (changed, needs_restart) = (list("changed"), list("needs_restart"));
    let changed = if changed.is_empty() { "nothing".to_owned() } else { changed };
    print(&format!("reloaded; changed: {changed}\n"))?;
    if needs_restart.is_empty() {
        return Ok(());
    }
    print(&format!("changed in the file, but needs a restart: {needs_restart}\n"))
}

/// Copies the store to a file.
pub(super) fn backup(socket: Option<&Path>, file: &Path) -> Result<(), Failure> {
    // The daemon's working folder is not the caller's.
    let file = std::path::absolute(file)
        .map_err(|e| Failure::new(exit::USAGE, format!("{}: {e}", file.display())))?;
    let Some(path) = file.to_str() else {
        return Err(Failure::new(exit::USAGE, format!("{}: the path is no UTF-8", file.display())));
    };
    ask(socket, &json!({"command": "backup", "file": path}), None, exit::DISK)?;
    print(&format!("{path}\n"))
}

/// Says something to everyone.
pub(super) fn say(socket: Option<&Path>, text: &str) -> Result<(), Failure> {
    ask(socket, &json!({"command": "say", "msg": text}), Some(ANSWERS_WITHIN), exit::INTERNAL).map(drop)
}

/// Ends a user's session.
pub(super) fn kick(socket: Option<&Path>, user: &str) -> Result<(), Failure> {
    ask(socket, &json!({"command": "kick", "user": user}), Some(ANSWERS_WITHIN), exit::INTERNAL).map(drop)
}

/// Asks and gives the answer's data; `refused` is the exit code where the daemon says no.
pub(super) fn ask(
    socket: Option<&Path>,
    request: &Value,
    within: Option<Duration>,
    refused: u8,
) -> Result<Value, Failure> {
    let Some(path) = socket else {
        let reason = "there is no control socket: history.path is \":memory:\", and admin.socket is not set";
        return Err(Failure::new(exit::CONFIG, reason));
    };
    let line = talk(path, request, within).map_err(|e| unanswered(path, &e))?;
    let answer: Answer = serde_json::from_str(&line).map_err(|e| {
        let shown = path.display();
        Failure::new(
            exit::INTERNAL,
            format!("{shown}: what answers there is no tcp-chatd, or another version: {e}"),
        )
    })?;
    if answer.ok { Ok(answer.data) } else { Err(Failure::new(refused, answer.error)) }
}

fn talk(path: &Path, request: &Value, within: Option<Duration>) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(within)?;
    stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut line)?;
    if line.ends_with('\n') { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn unanswered(path: &Path, error: &io::Error) -> Failure {
    let (exit, what) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => (
            exit::UNAVAILABLE,
            "no daemon is running with this configuration; start it, or name its configuration with --config"
                .to_owned(),
        ),
        io::ErrorKind::PermissionDenied => {
            (exit::PERMISSION, "you may not ask this daemon: ask as its user, or as root".to_owned())
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            let seconds = ANSWERS_WITHIN.as_secs();
            (exit::UNAVAILABLE, format!("the daemon did not answer within {seconds} seconds"))
        }
        io::ErrorKind::UnexpectedEof => (exit::UNAVAILABLE, "the daemon ended without an answer".to_owned()),
        _ => (exit::UNAVAILABLE, error.to_string()),
    };
    Failure::new(exit, format!("{}: {what}", path.display()))
}
