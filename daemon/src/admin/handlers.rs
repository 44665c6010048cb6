//! Owns what each request of the control socket comes to: whom it asks, and what is answered. Called
//! for one line after the other. Never holds state.

use super::{Desk, Reply, Request, Wish, users};
use crate::chat::{Audit, By, Cursor, Look, Row};
use crate::hub::{Control, Entry};
use serde_json::{Value, json};
use std::time::Duration;
use tcp_chat_protocol::{Action, Timestamp, text};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::info;

/// How long the hub may take to answer.
const HUB_ANSWERS: Duration = Duration::from_secs(10);
/// The longest text that is said to everyone, in bytes.
const SAY_BYTES: usize = 64 * 1024;
/// Lines of the audit log that are given at once.
const AUDIT_LINES: usize = 10_000;

/// Does what is asked by the system's user `uid`.
pub(super) async fn carry_out(request: Request, uid: u32, desk: &Desk) -> Reply {
    answer(request, uid, desk).await.map_or_else(Reply::error, |data| Reply::ok(&data))
}

async fn answer(request: Request, uid: u32, desk: &Desk) -> Result<Value, String> {
    if let Some(done) = users::answer(&request, uid, desk).await {
        return done;
    }
    let look = async |at| serde_json::to_value(see(desk, at).await?).map_err(|why| why.to_string());
    match request {
        Request::Status => {
            let status = wish(desk, Wish::Status).await?;
            serde_json::to_value(&status).map_err(|why| why.to_string())
        }
        Request::Reload => {
            let reloaded = wish(desk, Wish::Reload).await??;
            serde_json::to_value(&reloaded).map_err(|why| why.to_string())
        }
        Request::Drain => {
            // The wish follows once this is told: soon after there is nobody to tell it.
            info!(event = "drain", uid, "told to end in order");
            Ok(json!({}))
        }
        Request::Log { level } => {
            wish(desk, |answer| Wish::Log(level.clone(), answer)).await??;
            info!(event = "log_level", uid, to = level, "log level set until the next reload");
            Ok(json!({ "level": level }))
        }
        Request::Backup { file } if !file.is_absolute() => {
            Err("the file needs a path from the root".to_owned())
        }
        Request::Backup { file } => {
            desk.readers.backup(&file).await.map_err(|why| why.to_string())?;
            info!(event = "backup", file = %file.display(), "store copied");
            Ok(json!({ "file": file }))
        }
        Request::Say { msg } => {
            text::check(&msg, SAY_BYTES).map_err(|why| why.to_string())?;
            ask_hub(desk, |answer| Control::Say(msg, answer)).await?;
            Ok(json!({}))
        }
        Request::Who => look(Look::Users).await,
        Request::Rooms => look(Look::Rooms).await,
        Request::Mutes => look(Look::Mutes).await,
        Request::Bans => look(Look::Bans).await,
        Request::Grants => look(Look::Grants).await,
        Request::Audit { limit } => {
            let lines = desk.readers.audit(limit.min(AUDIT_LINES)).await.map_err(|why| why.to_string())?;
            Ok(lines.iter().map(audited).collect())
        }
        Request::Action(action) => act(desk, uid, action).await,
        Request::UserAdd { .. }
        | Request::UserRemove { .. }
        | Request::UserList
        | Request::UserPassword { .. }
        | Request::CertRevoke(_)
        | Request::CertIssued(_) => Err("this was to be answered before".to_owned()),
    }
}

/// A line of the audit log, for a script.
fn audited(line: &Audit) -> Value {
    let Audit { at, by, did, whom, room, what, until, reason } = line;
    let mut shown = json!({
        "at": Timestamp(*at),
        "did": did,
        "whom": whom,
        "room": room,
        "what": what,
        "until": until.map(Timestamp),
        "reason": reason,
    });
    match by {
        By::User(user) => shown["user"] = json!(user),
        By::Operator(uid) => shown["uid"] = json!(uid),
    }
    shown
}

async fn act(desk: &Desk, uid: u32, action: Box<Action>) -> Result<Value, String> {
    let did = action.op().to_lowercase();
    let done = ask_hub(desk, |answer| Control::Action(uid, action, answer)).await??;
    let whom = done.user.as_ref().or(done.address.as_ref()).or(done.certificate.as_ref());
    info!(
        event = "acted",
        did,
        whom = whom.map(String::as_str),
        room = done.room.as_deref(),
        uid,
        "an operator acted"
    );
    serde_json::to_value(&done).map_err(|why| why.to_string())
}

/// A whole listing.
pub(super) async fn see(desk: &Desk, at: Look) -> Result<Vec<Row>, String> {
    let (mut rows, mut from) = (Vec::new(), Cursor::default());
    loop {
        let page = ask_hub(desk, |answer| Control::Look(at, from, answer)).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => from = next,
            None => return Ok(rows),
        }
    }
}

async fn wish<T>(desk: &Desk, make: impl FnOnce(oneshot::Sender<T>) -> Wish) -> Result<T, String> {
    let (sender, receiver) = oneshot::channel();
    let none = "the daemon did not answer";
    desk.wishes.send(make(sender)).await.map_err(|_| none)?;
    receiver.await.map_err(|_| none.to_owned())
}

pub(super) async fn ask_hub<T>(
    desk: &Desk,
    make: impl FnOnce(oneshot::Sender<T>) -> Control,
) -> Result<T, String> {
    let (sender, receiver) = oneshot::channel();
    let asked = async {
        desk.inbox.put(Entry::Control(make(sender))).await.ok()?;
        receiver.await.ok()
    };
    let late = || {
        let seconds = HUB_ANSWERS.as_secs();
        format!("the daemon did not answer within {seconds} seconds; it is not known whether it was done")
    };
    timeout(HUB_ANSWERS, asked).await.ok().flatten().ok_or_else(late)
}
