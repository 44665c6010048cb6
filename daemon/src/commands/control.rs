//! Owns asking a running daemon through its control socket: one JSON line there, one back. The
//! daemon's side is `admin`. Never waits for ever but for a backup, which takes what it takes.

use super::{Failure, exit, print};
use crate::admin::Request;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The longest answer, in bytes.
const ANSWER_BYTES: u64 = 64 << 20;
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
    act(socket, &Request::Status, as_json)
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
        if value.is_null() {
            continue;
        }
        let name = name.replace('_', " ");
        out.push_str(&format!("{name:width$}  {}\n", shown(value)));
    }
    out
}

/// Reads the configuration again; prints what changed.
pub(super) fn reload(socket: Option<&Path>) -> Result<(), Failure> {
    let data = ask(socket, &Request::Reload, Some(ANSWERS_WITHIN), exit::CONFIG)?;
    let list = |name: &str| -> Vec<&str> {
        let list = data.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let (changed, needs_restart) = (list("changed").join(", "), list("needs_restart").join(", "));
    list("warnings").iter().for_each(|warning| eprintln!("warning: {warning}"));
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
    let Some(shown) = file.to_str() else {
        return Err(Failure::new(exit::USAGE, format!("{}: the path is no UTF-8", file.display())));
    };
    let printed = format!("{shown}\n");
    ask(socket, &Request::Backup { file }, None, exit::DISK)?;
    print(&printed)
}

/// Does something that needs no answer but whether it was done.
pub(super) fn tell(socket: Option<&Path>, request: &Request) -> Result<(), Failure> {
    ask(socket, request, Some(ANSWERS_WITHIN), exit::INTERNAL).map(drop)
}

/// Does something, and prints what was done.
pub(super) fn act(socket: Option<&Path>, request: &Request, as_json: bool) -> Result<(), Failure> {
    let data = ask(socket, request, Some(ANSWERS_WITHIN), exit::INTERNAL)?;
    match data {
        Value::Object(fields) if !as_json => print(&for_people(&fields)),
        data => print(&format!("{data}\n")),
    }
}

/// Prints a list of objects: as a table of these fields, or as one object a line.
pub(super) fn list(
    socket: Option<&Path>,
    request: &Request,
    as_json: bool,
    fields: &[&str],
) -> Result<(), Failure> {
    let data = ask(socket, request, Some(ANSWERS_WITHIN), exit::INTERNAL)?;
    let rows = data.as_array().map(Vec::as_slice).unwrap_or_default();
    if as_json {
        return print(&rows.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
    print(&table(rows, fields))
}

/// Aligned columns, with the names of the fields above them; nothing where there are no rows.
fn table(rows: &[Value], fields: &[&str]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = fields.iter().map(|field| field.to_uppercase()).collect();
    let rows = rows.iter().map(|row| fields.iter().map(|field| cell(row, field)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..fields.len()).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A field for a person. `by` and `whom` are whichever of several fields is there.
fn cell(row: &Value, field: &str) -> String {
    let names: &[&str] = match field {
        "whom" => &["whom", "user", "address", "certificate"],
        "by" => &["by", "user", "uid"],
        other => &[other],
    };
    let found = names.iter().find_map(|name| row.get(name).filter(|v| !v.is_null()).map(|v| (name, v)));
    match found {
        None => "-".to_owned(),
        Some((&"uid", uid)) => format!("operator (uid {uid})"),
        Some((_, value)) => shown(value),
    }
}

/// A value for a person; what could move the cursor is a blank.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    };
    let text = text.replace(char::is_control, " ");
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Asks and gives the answer's data; `refused` is the exit code where the daemon says no.
pub(super) fn ask(
    socket: Option<&Path>,
    request: &Request,
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

fn talk(path: &Path, request: &Request, within: Option<Duration>) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(within)?;
    stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
    stream.write_all(format!("{}\n", request.to_json()).as_bytes())?;
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
