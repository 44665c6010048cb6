//! Owns the step from a line to what the chat is asked: parsed, its secrets made or hashed, its
//! text encoded, so that the hub has little left to do. Never decides whether it is allowed.

use crate::chat::{Ask, Command, Proof, Secret};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::request::{self, Bounds, Login, Request};
use tcp_chat_protocol::{ErrorKind, Line, Refusal};

/// Bytes of randomness in a session's token.
const TOKEN_BYTES: usize = 32;

/// What a line asks.
pub(super) fn command(line: Line<'_>, line_bytes: usize, bounds: &Bounds) -> Command {
    let line = match line {
        Line::Bytes(line) => line,
        Line::TooLong => {
            let msg = format!("the line is longer than {line_bytes} bytes; it was skipped");
            return Command::Refused(Refusal::new(ErrorKind::TooLarge, msg));
        }
    };
    match request::parse(line, bounds) {
        Err(refusal) => Command::Refused(refusal),
        Ok((id, request)) => match ask(request) {
            Ok(ask) => Command::Ask(id, ask),
            Err(refusal) => Command::Refused(refusal.with_id(id)),
        },
    }
}

fn ask(request: Request<'_>) -> Result<Ask, Refusal> {
    Ok(match request {
        Request::Login(login) => login_ask(login)?,
        Request::Join(name) => Ask::Join(name),
        Request::Leave(place) => Ask::Leave(place),
        Request::Msg { to, text } => Ask::Say(to, json_text(&text)),
        Request::Who(place) => Ask::Who(place),
        Request::Rooms => Ask::Rooms,
        Request::History(history) => Ask::History(history),
        Request::Search(search) => Ask::Search(search),
        Request::Act(act) => Ask::Act(Box::new((*act).into())),
        Request::Ping => Ask::Ping,
        Request::Quit => Ask::Quit,
    })
}

fn login_ask(login: Box<Login>) -> Result<Ask, Refusal> {
    let resumes = login.session.as_deref().and_then(token_hash);
    let fresh = if login.session.is_some() {
        Secret { token: "".into(), hash: [0; 32] }
    } else {
        fresh_secret().ok_or_else(|| {
            Refusal::new(
                ErrorKind::Internal,
                "the server has no randomness to make a session; try again later",
            )
        })?
    };
    Ok(Ask::Login { login, fresh, resumes, proof: Proof::NotNeeded })
}

fn fresh_secret() -> Option<Secret> {
    let mut token = [0; TOKEN_BYTES];
    getrandom::fill(&mut token).ok()?;
    Some(Secret { token: BASE64.encode(token).into(), hash: hash(&token) })
}

fn token_hash(token: &str) -> Option<[u8; 32]> {
    let bytes = BASE64.decode(token).ok()?;
    (bytes.len() == TOKEN_BYTES).then(|| hash(&bytes))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { msg_bytes: 100 };

    #[test]
    fn a_token_is_random_and_known_by_its_hash() {
        let (a, b) = (fresh_secret().unwrap(), fresh_secret().unwrap());
        assert_ne!(a.token, b.token);
        assert_eq!(token_hash(&a.token), Some(a.hash));
        assert_eq!(a.token.len(), 43);
        for bad in ["", "x", "AAAA", &"A".repeat(44), "é"] {
            assert_eq!(token_hash(bad), None, "{bad}");
        }
        assert!(!format!("{a:?}").contains(&*a.token));
    }

    #[test]
    fn a_text_is_encoded_before_the_hub_sees_it() {
        let line = Line::Bytes(br#"{"op":"MSG","id":1,"data":"a\u0022\n"}"#);
        let Command::Ask(Some(_), Ask::Say(_, json)) = command(line, 100, &BOUNDS) else { panic!() };
        assert_eq!(&*json, r#""a\"\n""#);
        let Command::Refused(refusal) = command(Line::TooLong, 100, &BOUNDS) else { panic!() };
        assert_eq!(refusal.kind, ErrorKind::TooLarge);
        assert!(refusal.msg.contains("100"));
    }
}
