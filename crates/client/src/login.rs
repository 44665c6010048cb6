//! Owns one login on a fresh connection: the request, and the meaning of its reply. Called by `task` at the start
//! and after each lost connection. Never connects, never stores anything.

use crate::Error;
use crate::backoff::before_resend;
use crate::cursor::check_head;
use crate::outstanding::Ids;
use crate::wire::Connection;
use std::time::Duration;
use tcp_chat_protocol::reply::{Incoming, LoginReply};
use tcp_chat_protocol::request::{Login, Request, write};
use tcp_chat_protocol::{Colour, ErrorKind, Name, RequestId, Seq};
use zeroize::Zeroizing;

/// The credentials of a login.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) name: Option<String>,
    pub(crate) color: Option<Colour>,
    pub(crate) rooms: Option<Vec<String>>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) timeout: Duration,
}

/// The session to resume.
#[derive(Clone, Copy)]
pub(crate) struct Resume<'a> {
    pub(crate) name: &'a str,
    pub(crate) token: &'a str,
    pub(crate) after: Seq,
    /// Whether a new session begins if the server no longer has this one.
    pub(crate) or_new: bool,
}

impl Credentials {
    /// The `LOGIN` that resumes the session, or begins a new one.
    fn login(&self, resume: Option<Resume<'_>>, log: Option<&str>) -> Result<Login, Error> {
        let is_fresh = resume.is_none();
        let rooms = self.rooms.as_deref().filter(|_| is_fresh);
        Ok(Login {
            name: resume.map(|r| r.name).or(self.name.as_deref()).map(|n| named(n, "name")).transpose()?,
            color: self.color.filter(|_| is_fresh),
            rooms: rooms.map(|rooms| rooms.iter().map(|r| named(r, "rooms")).collect()).transpose()?,
            password: self.password.clone(),
            session: resume.map(|r| Zeroizing::new(r.token.to_owned())),
            after: resume.map(|r| r.after),
            log: log.map(str::to_owned),
        })
    }
}

/// Refuses an invalid name with the error of the daemon.
fn named(text: &str, field: &str) -> Result<Name, Error> {
    Name::parse_kept(text)
        .map_err(|why| Error::LoginRefused { kind: ErrorKind::NameInvalid, msg: format!("`{field}`: {why}") })
}

/// A login that failed.
#[derive(Debug)]
pub(crate) struct LoginFailure {
    pub(crate) error: Error,
    /// The server said when to try again (`UNAVAILABLE`).
    pub(crate) retry_after: Option<Duration>,
}

impl From<Error> for LoginFailure {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

/// Resumes the session if there is one, and begins a new one if the daemon no longer has it. Returns whether it
/// was resumed. `log` is the log that the caller knows; the reply says up to which seq it equals the server's.
pub(crate) async fn log_in(
    connection: &mut Connection,
    who: &Credentials,
    resume: Option<Resume<'_>>,
    log: Option<&str>,
    ids: &mut Ids,
) -> Result<(LoginReply, bool), LoginFailure> {
    let logging_in = async {
        let (mut resume, mut limited) = (resume, 0);
        loop {
            let id = ids.next();
            let fresh = resume.is_none();
            let login = Request::Login(Box::new(who.login(resume, log)?));
            write(Some(&id), &login, &mut connection.writer.out);
            match answer(connection, &id).await? {
                Ok(login) => {
                    check_head(login.head).map_err(Error::Protocol)?;
                    return Ok((login, !fresh));
                }
                Err((ErrorKind::SessionExpired, ..)) if resume.is_some_and(|r| r.or_new) => resume = None,
                Err((ErrorKind::RateLimited, _, requested @ Some(_))) => {
                    tokio::time::sleep(before_resend(requested, limited)).await;
                    limited += 1;
                }
                Err((kind, msg, requested)) => {
                    let retry_after = requested.filter(|_| kind == ErrorKind::Unavailable);
                    return Err(LoginFailure { error: Error::LoginRefused { kind, msg }, retry_after });
                }
            }
        }
    };
    let after = who.timeout;
    let done = tokio::time::timeout(after, logging_in).await;
    done.map_err(|_| Error::TimedOut { what: "LOGIN", after })?
}

/// The seq after which a session that has seen `after` of the log `known` continues, if the server now has
/// another or a shorter log. `None`: it continues after `after`.
pub(crate) fn common_seq(known: Option<&str>, after: Seq, login: &LoginReply) -> Option<Seq> {
    let is_other = known.zip(login.log.as_deref()).is_some_and(|(known, log)| known != log);
    let common = if is_other { login.log_from.unwrap_or(login.head) } else { login.head };
    (is_other || login.head < after).then(|| after.min(common).min(login.head))
}

type Refusal = (ErrorKind, String, Option<Duration>);

async fn answer(
    connection: &mut Connection,
    login: &RequestId,
) -> Result<Result<LoginReply, Refusal>, Error> {
    if let Err(e) = connection.writer.finish().await {
        // The server's last message explains more than the failed write.
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
                    .map_err(|e| Error::misread("the answer to LOGIN", &e));
            }
            // Without an id it is about the connection: SERVER_FULL, TIMEOUT.
            Incoming::Error(id, e) if id.as_ref().is_none_or(|id| id == login) => {
                return Ok(Err((e.kind, e.msg, e.retry_after_ms.map(Duration::from_millis))));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_two_logs_part() {
        let login = |head: Seq, log: Option<&str>, log_from: Option<Seq>| -> LoginReply {
            let data = serde_json::json!({
                "name": "ana", "color": "", "session": "t", "ttl_s": 1, "rooms": [], "head": head,
                "log": log, "log_from": log_from, "server": {"name": "", "version": "", "protocol": 1},
                "limits": {"line_bytes": 1, "msg_bytes": 1},
            });
            serde_json::from_value(data).unwrap()
        };
        for (known, after, reply, goes_on_after) in [
            (Some("a"), 20, login(30, Some("a"), Some(5)), None),
            (Some("a"), 20, login(20, Some("a"), Some(5)), None),
            (None, 20, login(30, Some("a"), Some(5)), None),
            (Some("a"), 20, login(30, None, None), None),
            (Some("a"), 20, login(30, Some("b"), Some(5)), Some(5)),
            (Some("a"), 3, login(30, Some("b"), Some(5)), Some(3)),
            (Some("a"), 20, login(12, Some("b"), Some(5)), Some(5)),
            (Some("a"), 20, login(12, Some("b"), Some(900)), Some(12)),
            // A server that gives only the id of its log: the session continues after `after`.
            (Some("a"), 20, login(30, Some("b"), None), Some(20)),
            (Some("a"), 20, login(12, Some("a"), Some(5)), Some(12)),
            (None, 20, login(12, None, None), Some(12)),
        ] {
            assert_eq!(common_seq(known, after, &reply), goes_on_after, "{known:?} {after} {reply:?}");
        }
    }
}
