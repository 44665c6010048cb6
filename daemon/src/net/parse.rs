//! Owns the step from a line to a command: parses it, makes or hashes its secrets, and encodes its text, so that
//! the hub has little to do. Called by `reader`. Never decides whether a request is allowed.

use super::prove::{Parsed, Unproven};
use crate::auth;
use crate::edge::Command;
use crate::edge::{Ask, Proving, Secret};
use tcp_chat_protocol::request::{self, Bounds, Login};
use tcp_chat_protocol::{ErrorKind, Line, Refusal, RequestId};

use zeroize::Zeroizing;

/// Parses one line into a command, or into a claim that must be proven first.
pub(super) fn parse_line(line: Line<'_>, line_bytes: usize, bounds: &Bounds) -> Parsed {
    let line = match line {
        Line::Bytes(line) => line,
        Line::TooLong => {
            let msg = format!("the line is longer than {line_bytes} bytes; it was skipped");
            return Parsed::Command(Command::Refused(Refusal::new(ErrorKind::TooLarge, msg)));
        }
    };
    match request::parse(line, bounds) {
        Err(refusal) => Parsed::Command(Command::Refused(refusal)),
        Ok((id, request)) => match Ask::of(request) {
            Ok(ask) => Parsed::Command(Command::Ask(id, ask)),
            Err(Proving::Login(login)) => self::login(id, login),
            Err(Proving::Enrol(enrol)) => {
                let code = auth::token_hash(&enrol.code);
                Parsed::Unproven(Unproven::enrol(id, enrol, code))
            }
        },
    }
}

fn login(id: Option<RequestId>, login: Box<Login>) -> Parsed {
    let resumes = login.session.as_deref().and_then(|token| auth::token_hash(token)).map(|hash| hash.0);
    let fresh = if login.session.is_some() {
        Secret { token: Zeroizing::default(), hash: [0; 32] }
    } else {
        let Some((token, hash)) = auth::token() else {
            let msg = "the server has no randomness to make a session; try again later";
            let refusal = Refusal::new(ErrorKind::Internal, msg).with_id(id);
            return Parsed::Command(Command::Refused(refusal));
        };
        Secret { token, hash: hash.0 }
    };
    Parsed::Unproven(Unproven::login(id, login, fresh, resumes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { msg_bytes: 100, rooms: 0 };

    #[test]
    fn a_text_is_encoded_before_the_hub_sees_it() {
        let line = Line::Bytes(br#"{"op":"MSG","id":1,"data":"a\u0022\n"}"#);
        let Parsed::Command(Command::Ask(Some(_), Ask::Say(_, json))) = parse_line(line, 100, &BOUNDS) else {
            panic!()
        };
        assert_eq!(&*json, r#""a\"\n""#);
        let Parsed::Command(Command::Refused(refusal)) = parse_line(Line::TooLong, 100, &BOUNDS) else {
            panic!()
        };
        assert_eq!(refusal.kind, ErrorKind::TooLarge);
        assert!(refusal.msg.contains("100"));
    }
}
