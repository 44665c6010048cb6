//! Owns the handling of each request of the control socket: passes it to the hub, the store or the daemon, and
//! makes the reply. Called by [`super::serve`], one line after the other. Never holds state.

use super::{AdminContext, AdminReply, AdminRequest, DaemonRequest, users};
use crate::hub::{Control, Entry};
use serde_json::{Value, json};
use std::time::Duration;
use tcp_chat_protocol::{Action, Timestamp, text};
use tcp_chat_state::{Audit, By, Cursor, Listing, Row};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::info;

/// How long the hub may take to answer.
const HUB_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest text of `say`, in bytes.
const SAY_BYTES: usize = 64 * 1024;
/// The largest number of audit log lines in one reply.
const AUDIT_LINES: usize = 10_000;

/// Handles a request of the system user `uid`.
pub(super) async fn handle(request: AdminRequest, uid: u32, context: &AdminContext) -> AdminReply {
    answer(request, uid, context).await.map_or_else(AdminReply::error, |data| AdminReply::ok(&data))
}

async fn answer(request: AdminRequest, uid: u32, context: &AdminContext) -> Result<Value, String> {
    if let Some(done) = users::answer(&request, uid, context).await {
        return done;
    }
    let listing =
        async |at| serde_json::to_value(all_rows(context, at).await?).map_err(|why| why.to_string());
    match request {
        AdminRequest::Status => {
            let status = ask_daemon(context, DaemonRequest::Status).await?;
            serde_json::to_value(&status).map_err(|why| why.to_string())
        }
        AdminRequest::Reload => {
            let reloaded = ask_daemon(context, DaemonRequest::Reload).await??;
            serde_json::to_value(&reloaded).map_err(|why| why.to_string())
        }
        AdminRequest::Drain => {
            // The daemon gets the request only after the reply is sent: soon afterwards the connection ends.
            info!(event = "drain", uid, "an operator requested an orderly stop");
            Ok(json!({}))
        }
        AdminRequest::Log { level } => {
            ask_daemon(context, |answer| DaemonRequest::Log(level.clone(), answer)).await??;
            info!(event = "log_level", uid, to = level, "log level set until the next reload");
            Ok(json!({ "level": level }))
        }
        AdminRequest::Backup { file } if !file.is_absolute() => {
            Err("the path of the file must be absolute".to_owned())
        }
        AdminRequest::Backup { file } => {
            context.readers.backup(&file).await.map_err(|why| why.to_string())?;
            info!(event = "backup", file = %file.display(), "store copied");
            Ok(json!({ "file": file }))
        }
        AdminRequest::Say { msg } => {
            text::check(&msg, SAY_BYTES).map_err(|why| why.to_string())?;
            ask_hub(context, |answer| Control::Say(msg, answer)).await??;
            Ok(json!({}))
        }
        AdminRequest::Who => listing(Listing::Users).await,
        AdminRequest::Rooms => listing(Listing::Rooms).await,
        AdminRequest::Mutes => listing(Listing::Mutes).await,
        AdminRequest::Bans => listing(Listing::Bans).await,
        AdminRequest::Grants => listing(Listing::Grants).await,
        AdminRequest::Audit { limit } => {
            let lines =
                context.readers.read_audit(limit.min(AUDIT_LINES)).await.map_err(|why| why.to_string())?;
            Ok(lines.iter().map(audit_line).collect())
        }
        AdminRequest::Action(asked) => act(context, uid, Box::new(asked.action()?)).await,
        AdminRequest::UserAdd { .. }
        | AdminRequest::UserRemove { .. }
        | AdminRequest::UserErase { .. }
        | AdminRequest::UserList
        | AdminRequest::UserPassword { .. }
        | AdminRequest::CertRevoke(_)
        | AdminRequest::CertIssued(_) => Err("this request has no handler".to_owned()),
    }
}

/// A line of the audit log as a JSON object.
fn audit_line(line: &Audit) -> Value {
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

async fn act(context: &AdminContext, uid: u32, action: Box<Action>) -> Result<Value, String> {
    let did = action.op().to_lowercase();
    let done = ask_hub(context, |answer| Control::Action(uid, action, answer)).await??;
    let whom = done.user.as_ref().or(done.address.as_ref()).or(done.certificate.as_ref());
    info!(
        event = "acted",
        did,
        whom = whom.map(String::as_str),
        room = done.room.as_deref(),
        uid,
        "an operator took a moderation action"
    );
    serde_json::to_value(&done).map_err(|why| why.to_string())
}

/// All pages of a listing.
pub(super) async fn all_rows(context: &AdminContext, at: Listing) -> Result<Vec<Row>, String> {
    let (mut rows, mut from) = (Vec::new(), Cursor::default());
    loop {
        let page = ask_hub(context, |answer| Control::Listing(at, from, answer)).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => from = next,
            None => return Ok(rows),
        }
    }
}

async fn ask_daemon<T>(
    context: &AdminContext,
    make: impl FnOnce(oneshot::Sender<T>) -> DaemonRequest,
) -> Result<T, String> {
    let (sender, receiver) = oneshot::channel();
    let none = "the daemon did not answer";
    context.daemon.send(make(sender)).await.map_err(|_| none)?;
    receiver.await.map_err(|_| none.to_owned())
}

pub(super) async fn ask_hub<T>(
    context: &AdminContext,
    make: impl FnOnce(oneshot::Sender<T>) -> Control,
) -> Result<T, String> {
    match timeout(HUB_TIMEOUT, ask_hub_patiently(context, make)).await {
        Ok(Some(answer)) => Ok(answer),
        // A node of a cluster that waited too long for the request to come back, or a daemon that ends.
        Ok(None) => Err("nothing came back for the request, so it may or may not be done".to_owned()),
        Err(_) => {
            let seconds = HUB_TIMEOUT.as_secs();
            Err(format!(
                "the daemon did not answer within {seconds} seconds, so the request may or may not be done"
            ))
        }
    }
}

/// The same for a request that takes long. `None`: nothing came back for it, or the hub has ended.
pub(super) async fn ask_hub_patiently<T>(
    context: &AdminContext,
    make: impl FnOnce(oneshot::Sender<T>) -> Control,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    context.inbox.put(Entry::Control(make(sender))).await.ok()?;
    receiver.await.ok()
}
