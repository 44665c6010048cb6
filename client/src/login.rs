//! Owns one login on a fresh connection: what is sent, and what the answer means. Called by `life`
//! at the start and after every lost connection. Never connects, never keeps anything.

use crate::Error;
use crate::outstanding::Ids;
use crate::wire::Connection;
use serde::Serialize;
use std::time::Duration;
use tcp_chat_protocol::reply::{Incoming, LoginReply};
use tcp_chat_protocol::{ErrorKind, RequestId, Seq};
use zeroize::Zeroizing;

/// Who logs in, and how.
pub(crate) struct Credentials {
    pub(crate) name: Option<String>,
    pub(crate) color: Option<String>,
    pub(crate) rooms: Option<Vec<String>>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) timeout: Duration,
}

/// The session that is to go on.
#[derive(Clone, Copy)]
pub(crate) struct Resume<'a> {
    pub(crate) name: &'a str,
    pub(crate) token: &'a str,
    pub(crate) after: Seq,
}

#[derive(Serialize)]
struct LoginData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Seq>,
}

#[derive(Serialize)]
struct LoginLine<'a> {
    op: &'static str,
    data: LoginData<'a>,
    id: &'a RequestId,
}

/// Logs in: with the session where there is one, and anew where the daemon no longer knows it.
/// Returns whether it was resumed.
pub(crate) async fn log_in(
    connection: &mut Connection,
    who: &Credentials,
    resume: Option<Resume<'_>>,
    ids: &mut Ids,
) -> Result<(LoginReply, bool), Error> {
    let logging_in = async {
        let mut resume = resume;
        loop {
            let id = ids.next();
            let fresh = resume.is_none();
            let data = LoginData {
                name: resume.map(|r| r.name).or(who.name.as_deref()),
                color: who.color.as_deref().filter(|_| fresh),
                rooms: who.rooms.as_deref().filter(|_| fresh),
                password: who.password.as_deref().map(String::as_str),
                session: resume.map(|r| r.token),
                after: resume.map(|r| r.after),
            };
            let line = LoginLine { op: "LOGIN", data, id: &id };
            // Writing into memory cannot fail.
            let _ = serde_json::to_writer(&mut connection.writer.out, &line);
            connection.writer.out.push(b'\n');
            match answer(connection, &id).await? {
                Ok(login) => return Ok((login, !fresh)),
                Err((ErrorKind::SessionExpired, ..)) if !fresh => resume = None,
                Err((ErrorKind::RateLimited, _, Some(wait))) => tokio::time::sleep(wait).await,
                Err((kind, msg, _)) => return Err(Error::LoginRefused { kind, msg }),
            }
        }
    };
    let after = who.timeout;
    tokio::time::timeout(after, logging_in).await.map_err(|_| Error::TimedOut { what: "LOGIN", after })?
}

type Refusal = (ErrorKind, String, Option<Duration>);

async fn answer(
    connection: &mut Connection,
    login: &RequestId,
) -> Result<Result<LoginReply, Refusal>, Error> {
    if let Err(e) = connection.writer.finish().await {
        // What the server said before it closed explains more than the failed write.
        return match connection.reader.next().await {
            Ok(Incoming::Error(_, e)) => Ok(Err((e.kind, e.msg, None))),
            Ok(_) => Err(Error::Protocol(format!("the connection broke during the login: {e}"))),
            Err(why) => Err(why),
        };
    }
    loop {
        match connection.reader.next().await? {
            Incoming::Reply { id: Some(id), data, .. } if id == *login => {
                return serde_json::from_str(data.get())
                    .map(Ok)
                    .map_err(|e| Error::Protocol(format!("the answer to LOGIN: {e}")));
            }
            // Without an id it is about the connection: full, too late.
            Incoming::Error(id, e) if id.as_ref().is_none_or(|id| id == login) => {
                return Ok(Err((e.kind, e.msg, e.retry_after_ms.map(Duration::from_millis))));
            }
            _ => {}
        }
    }
}
