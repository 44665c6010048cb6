//! Owns the client side of the control socket: one JSON line to a running daemon, one line back. The daemon's
//! side is `admin`. Called by `commands`. Never waits without a limit, except for a backup.

use super::{Failure, exit, print};
use crate::admin::AdminRequest;
use crate::store;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use tcp_chat_progress::{Shown, Watch, mebibytes, percent};

/// The longest reply, in bytes.
const ANSWER_BYTES: u64 = 64 << 20;
/// How long the daemon may take to reply.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
struct RawReply {
    ok: bool,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    error: String,
}

/// Prints the status, for a person or as JSON.
pub(super) fn status(socket: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    send_and_print(socket, &AdminRequest::Status, as_json)
}

/// What a running daemon says about its cluster.
#[cfg(feature = "cluster")]
pub(super) fn node_status(socket: Option<&Path>) -> Result<Value, Failure> {
    let mut data = ask(socket, &AdminRequest::Status, Some(REPLY_TIMEOUT), exit::INTERNAL)?;
    Ok(data.get_mut("cluster").map(Value::take).unwrap_or_default())
}

/// The fields below each other; fields that are `null` are left out.
fn render_fields(fields: &Map<String, Value>) -> String {
    let width = fields.keys().map(String::len).max().unwrap_or_default();
    let mut out = String::new();
    // The most important fields come first.
    let first = ["state", "summary", "warning", "store_failing"];
    let (above, below): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(name, _)| first.contains(&name.as_str()));
    for (name, value) in above.into_iter().chain(below) {
        if value.is_null() {
            continue;
        }
        let name = name.replace('_', " ");
        out.push_str(&format!("{name:width$}  {}\n", display_value(value)));
    }
    out
}

/// Makes the daemon read its configuration again, and prints the changes.
pub(super) fn reload(socket: Option<&Path>) -> Result<(), Failure> {
    let data = ask(socket, &AdminRequest::Reload, Some(REPLY_TIMEOUT), exit::CONFIG)?;
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

/// Shows how much of the store is copied. The daemon does the work, so the size of the copy is what there is to see.
fn watch_backup(store: Option<&Path>, folder: Option<&Path>) -> Option<Watch> {
    let (store, folder) = (store?.to_owned(), folder?.to_owned());
    Some(Watch::start(Shown::Always, move |since| {
        let all = store.metadata().map_or(0, |file| file.len());
        match store::backup_bytes(&folder) {
            Some(done) if all > 0 => {
                format!("{} of {} copied, {}", mebibytes(done), mebibytes(all), percent(done, all))
            }
            _ => format!("the daemon copies its store: {} s", since.as_secs()),
        }
    }))
}

/// Copies the store to a file. `store` is the file of the store, if the settings name it.
pub(super) fn backup(socket: Option<&Path>, file: &Path, store: Option<&Path>) -> Result<(), Failure> {
    // The daemon's working directory is not the caller's.
    let file = std::path::absolute(file)
        .map_err(|e| Failure::new(exit::USAGE, format!("{}: {e}", file.display())))?;
    let Some(display_value) = file.to_str() else {
        return Err(Failure::new(exit::USAGE, format!("{}: the path is not UTF-8", file.display())));
    };
    let printed = format!("{display_value}\n");
    let progress = watch_backup(store, file.parent());
    ask(socket, &AdminRequest::Backup { file }, None, exit::DISK)?;
    drop(progress);
    print(&printed)
}

/// Sends a request whose reply has no data.
pub(super) fn send(socket: Option<&Path>, request: &AdminRequest) -> Result<(), Failure> {
    ask(socket, request, Some(REPLY_TIMEOUT), exit::INTERNAL).map(drop)
}

/// Sends a request and prints the data of its reply.
pub(super) fn send_and_print(
    socket: Option<&Path>,
    request: &AdminRequest,
    as_json: bool,
) -> Result<(), Failure> {
    let data = ask(socket, request, Some(REPLY_TIMEOUT), exit::INTERNAL)?;
    match data {
        Value::Object(fields) if !as_json => print(&render_fields(&fields)),
        data => print(&format!("{data}\n")),
    }
}

/// Prints a list of objects: as a table of these fields, or as one object a line.
pub(super) fn list(
    socket: Option<&Path>,
    request: &AdminRequest,
    as_json: bool,
    fields: &[&str],
) -> Result<(), Failure> {
    let data = ask(socket, request, Some(REPLY_TIMEOUT), exit::INTERNAL)?;
    let rows = data.as_array().map(Vec::as_slice).unwrap_or_default();
    if as_json {
        return print(&rows.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
    print(&table(rows, fields))
}

/// Aligned columns below the names of the fields; empty if there are no rows.
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

/// A field for a person. `by` and `whom` stand for the first of several fields that the row has.
fn cell(row: &Value, field: &str) -> String {
    let names: &[&str] = match field {
        // In a line of the audit log, `user` is the one who acted.
        "whom" if row.get("did").is_some() => &["whom"],
        "whom" => &["whom", "user", "address", "certificate"],
        "by" => &["by", "user", "uid"],
        other => &[other],
    };
    let found = names.iter().find_map(|name| row.get(name).filter(|v| !v.is_null()).map(|v| (name, v)));
    match found {
        None => "-".to_owned(),
        Some((&"uid", uid)) => format!("operator (uid {uid})"),
        Some((_, value)) => display_value(value),
    }
}

/// A value for a person; control characters become blanks.
fn display_value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(display_value).collect::<Vec<_>>().join(", "),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    };
    let text = text.replace(char::is_control, " ");
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Sends a request and returns the data of the reply. `refused` is the exit code if the daemon refuses.
pub(super) fn ask(
    socket: Option<&Path>,
    request: &AdminRequest,
    within: Option<Duration>,
    refused: u8,
) -> Result<Value, Failure> {
    let Some(path) = socket else {
        let reason = "there is no control socket: history.path is \":memory:\", and admin.socket is not set";
        return Err(Failure::new(exit::CONFIG, reason));
    };
    let line = exchange(path, request, within).map_err(|e| connection_failure(path, &e))?;
    let answer: RawReply = serde_json::from_str(&line).map_err(|e| {
        let display_value = path.display();
        Failure::new(
            exit::INTERNAL,
            format!("{display_value}: the reply is not of a tcp-chatd of this version: {e}"),
        )
    })?;
    if answer.ok { Ok(answer.data) } else { Err(Failure::new(refused, answer.error)) }
}

fn exchange(path: &Path, request: &AdminRequest, within: Option<Duration>) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(within)?;
    stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
    stream.write_all(format!("{}\n", request.to_json()).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut line)?;
    if line.ends_with('\n') { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn connection_failure(path: &Path, error: &io::Error) -> Failure {
    let (exit, reason) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => (
            exit::UNAVAILABLE,
            "no daemon is running with this configuration; start it, or name its configuration with --config"
                .to_owned(),
        ),
        io::ErrorKind::PermissionDenied => (
            exit::PERMISSION,
            "you may not use this control socket: use it as the daemon's user or as root".to_owned(),
        ),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            let seconds = REPLY_TIMEOUT.as_secs();
            (exit::UNAVAILABLE, format!("the daemon did not answer within {seconds} seconds"))
        }
        io::ErrorKind::UnexpectedEof => (exit::UNAVAILABLE, "the daemon ended without an answer".to_owned()),
        _ => (exit::UNAVAILABLE, error.to_string()),
    };
    Failure::new(exit, format!("{}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_acted_in_a_line_of_the_audit_log_is_not_whom_it_was_done_to() {
        let ban = json!({"user": "bo", "by": "mo"});
        assert_eq!((cell(&ban, "whom"), cell(&ban, "by")), ("bo".to_owned(), "mo".to_owned()));
        let redact = json!({"user": "ana", "did": "redact", "whom": null});
        assert_eq!((cell(&redact, "whom"), cell(&redact, "by")), ("-".to_owned(), "ana".to_owned()));
    }
}
