//! Owns the step from a line to what the chat is asked: parsed, its secrets made or hashed, its
//! text encoded, so that the hub has little left to do. Never decides whether it is allowed.

use crate::auth;
use crate::chat::{Ask, Command, Made, Proof, Proving, Secret};
use tcp_chat_protocol::request::{self, Bounds, Login, Request};
use tcp_chat_protocol::{ErrorKind, Line, Refusal};
use zeroize::Zeroizing;

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
    Ask::of(request).or_else(|proving| match proving {
        Proving::Login(login) => login_ask(login),
        Proving::Enrol(enrol) => {
            let code = auth::token_hash(&enrol.code);
            Ok(Ask::Enrol { enrol, code, made: Made::Nothing })
        }
    })
}

fn login_ask(login: Box<Login>) -> Result<Ask, Refusal> {
    let resumes = login.session.as_deref().and_then(|token| auth::token_hash(token)).map(|hash| hash.0);
    let fresh = if login.session.is_some() {
        Secret { token: Zeroizing::default(), hash: [0; 32] }
    } else {
        let (token, hash) = auth::token().ok_or_else(|| {
            Refusal::new(
                ErrorKind::Internal,
                "the server has no randomness to make a session; try again later",
            )
        })?;
        Secret { token, hash: hash.0 }
    };
    Ok(Ask::Login { login, fresh, resumes, proof: Proof::NotNeeded })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { msg_bytes: 100, rooms: 0 };

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
