//! Owns the part of the net in these tests: it makes commands of lines, with proofs of names and new credentials.
//! Never parses like the net does.

use super::world::World;
use super::*;
use crate::auth::EnrolProof;
use crate::edge::Command;
use crate::edge::{LoginAsk, Proving, Secret};
use tcp_chat_protocol::Name;
use tcp_chat_protocol::request::{Bounds, Login, Wants, parse};

/// The stand-in for the hash of a password.
fn hash_of(password: &str) -> std::sync::Arc<str> {
    format!("hash of {password}").into()
}

fn code_hash(code: &str) -> Digest {
    crate::auth::sha256(code.as_bytes())
}

/// A code for a password.
pub(super) fn code(text: &str, until: u64) -> Code {
    Code { hash: code_hash(text), until, gives: CodePurpose::Password }
}

impl World {
    /// The command of a line, as the read side of the connection would pass it on.
    pub(super) fn command(&mut self, line: &str) -> Command {
        match parse(line.as_bytes(), &Bounds { msg_bytes: 8192, rooms: 0 }) {
            Err(refusal) => Command::Refused(refusal),
            Ok((id, request)) => {
                Command::Ask(id, Ask::of(request).unwrap_or_else(|proving| self.proving(proving)))
            }
        }
    }

    fn proving(&mut self, proving: Proving) -> Ask {
        match proving {
            Proving::Login(login) => {
                self.logins = self.logins.checked_add(1).expect("few logins");
                let n = self.logins;
                let mut hash = [1; 32];
                hash[..2].copy_from_slice(&n.to_be_bytes());
                let fresh = Secret { token: format!("token{n}").into(), hash };
                if let (Some(name), None) = (&login.name, &login.session) {
                    let called = self.called.take().unwrap_or_else(|| name.to_string());
                    self.tokens.insert(called, (fresh.token.to_string(), fresh.hash));
                }
                let known = |token: &str| {
                    self.tokens.values().find(|(t, _)| *t == *token).map_or([0; 32], |(_, hash)| *hash)
                };
                let resumes = login.session.as_deref().map(|token| known(token));
                let proof = Proof::for_tests(self.evidence(&login));
                Ask::Login(Box::new(LoginAsk { login: *login, fresh, resumes, proof }))
            }
            Proving::Enrol(enrol) => {
                let made = match &enrol.wants {
                    Wants::Password(password) => NewCredential::Password(hash_of(password)),
                    Wants::Certificate(_) => NewCredential::Nothing,
                };
                let code = Some(code_hash(&enrol.code));
                Ask::Enrol(Box::new(EnrolProof::for_tests(EnrolOp { code, name: enrol.name, made })))
            }
        }
    }

    /// The result of the net's check of a login.
    fn evidence(&mut self, login: &Login) -> Evidence {
        if std::mem::take(&mut self.is_endpoint) {
            return Evidence::Endpoint;
        }
        if let Some(shown) = self.shows.take() {
            return Evidence::Certificate(Box::new(Presented { certificate: shown, issued: self.issued }));
        }
        let proven = login.name.as_ref().filter(|name| self.proven.contains(&name.as_str()));
        if let Some(name) = proven {
            let certificate = self.certificate_of(name);
            return Evidence::Certificate(Box::new(Presented { certificate, issued: self.issued }));
        }
        let user = login.name.as_ref().and_then(|name| self.state.users().by_name(name));
        match (user, &login.password) {
            (Some(user), Some(password)) if user.password == Some(hash_of(password)) => {
                Evidence::Password(user.id, hash_of(password))
            }
            (Some(_), _) if login.session.is_none() => Evidence::Refused,
            _ => Evidence::NotNeeded,
        }
    }

    /// The certificate by which a user proves a name.
    pub(super) fn certificate_of(&self, name: &Name) -> Certificate {
        let year = 365 * 24 * 3600 * 1000;
        Certificate {
            key: code_hash(name.as_str()),
            name: name.clone(),
            until: self.now.wall + year,
            revoked: Revocation::None,
        }
    }

    /// A command of an operator that must be granted.
    pub(super) fn grants(&mut self, command: UserCommand) {
        self.commands(command).unwrap();
    }

    /// Registers a user with the password `pw`.
    pub(super) fn registers(&mut self, name: &str) {
        let code = code(&format!("code of {name}"), self.now.wall + 1);
        self.grants(UserCommand::Add(name.parse().unwrap(), code));
        let who = self.connect();
        self.sends(
            who,
            &format!(
                r#"{{"op":"ENROL","data":{{"name":"{name}","code":"code of {name}","password":"pw"}}}}"#
            ),
        );
        assert_eq!(self.hears(who), ["ENROL"]);
        self.loses(who);
    }

    /// One more session of a registered user, `called` so in the test.
    pub(super) fn logs_in(&mut self, called: &str, name: &str) -> ConnectionId {
        let who = self.connect();
        self.called = Some(called.to_owned());
        self.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"name":"{name}","password":"pw"}}}}"#));
        who
    }
}
