//! Owns [`Proof`]: what a check has shown about the sender of a LOGIN. `net` asks for the checks; the state reads
//! their evidence and decides, because a password, a code or a certificate may have changed in between. Never lets a user in.

use super::{verify, verify_nobodys};
use std::sync::Arc;
use tcp_chat_protocol::request::Login;
use tcp_chat_state::{Access, Evidence, Presented, User, UserId, Users};

/// What a check has shown about the sender of a LOGIN. The edge takes no LOGIN without one.
///
/// The field is private and each constructor checks something. So a transport that forgets the check does not
/// compile:
///
/// ```compile_fail,E0451
/// use tcp_chat_state::{Access, Evidence, Users};
/// use tcp_chatd::auth::Proof;
/// use tcp_chatd::edge::{Ask, LoginAsk, Secret};
/// use tcp_chat_protocol::request::Login;
///
/// fn ask(login: Login, fresh: Secret, access: &Access, users: &Users) -> Option<Ask> {
///     let proof = Proof { evidence: Evidence::NotNeeded };
///     Some(Ask::Login(Box::new(LoginAsk { login, fresh, resumes: None, proof })))
/// }
/// ```
///
/// The same function with a check compiles:
///
/// ```
/// use tcp_chat_state::{Access, Evidence, Users};
/// use tcp_chatd::auth::Proof;
/// use tcp_chatd::edge::{Ask, LoginAsk, Secret};
/// use tcp_chat_protocol::request::Login;
///
/// fn ask(login: Login, fresh: Secret, access: &Access, users: &Users) -> Option<Ask> {
///     let proof = Proof::without_password(&login, access, users)?;
///     Some(Ask::Login(Box::new(LoginAsk { login, fresh, resumes: None, proof })))
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    evidence: Evidence,
}

/// What a password is compared with, and what it proves if it is correct.
pub struct Expected {
    /// `None`: no password is correct. The comparison takes as long as any other.
    hash: Option<Arc<str>>,
    proves: Evidence,
}

impl Expected {
    /// The password of this user.
    pub(crate) fn of_user(user: &User) -> Self {
        match &user.password {
            Some(hash) => Self::of_hash(user.id, Arc::clone(hash)),
            None => Self::nothing(),
        }
    }

    /// The password with this hash, which this user has set.
    pub(crate) fn of_hash(user: UserId, hash: Arc<str>) -> Self {
        Self { hash: Some(Arc::clone(&hash)), proves: Evidence::Password(user, hash) }
    }

    /// The one password of the server, for names that no user owns.
    pub(crate) fn of_server(hash: Arc<str>) -> Self {
        Self { hash: Some(Arc::clone(&hash)), proves: Evidence::Accepted(hash) }
    }

    /// No password is correct.
    pub(crate) fn nothing() -> Self {
        Self { hash: None, proves: Evidence::Refused }
    }
}

impl Proof {
    /// The proof of a LOGIN that needs no password: it resumes a session by its token, or no password is set and no
    /// user owns the name. `None`: it needs one.
    #[must_use]
    pub fn without_password(login: &Login, access: &Access, users: &Users) -> Option<Self> {
        let is_owned = || login.name.as_ref().is_some_and(|name| users.by_name(name).is_some());
        let is_free = login.session.is_some() || (*access == Access::Open && !is_owned());
        is_free.then_some(Self { evidence: Evidence::NotNeeded })
    }

    /// Compares a password. This takes tens of milliseconds and 19 MiB: the caller keeps it off the async threads
    /// and bounds how many run at once. `ran` is called when a password was hashed.
    pub(crate) fn by_password(expected: Expected, password: &str, ran: impl FnOnce()) -> Self {
        let Expected { hash, proves } = expected;
        let is_correct = match hash {
            Some(hash) => verify(&hash, password, ran),
            None => verify_nobodys(password, ran),
        };
        if is_correct { Self { evidence: proves } } else { Self::refused() }
    }

    /// By the certificate that the peer of a connection has shown and TLS has verified.
    pub(crate) fn by_certificate(shown: Box<Presented>) -> Self {
        Self { evidence: Evidence::Certificate(shown) }
    }

    /// For the session of the HTTP endpoint, and for nothing that a peer sends.
    pub(crate) fn of_endpoint() -> Self {
        Self { evidence: Evidence::Endpoint }
    }

    /// Nothing is proven: the LOGIN fails.
    #[must_use]
    pub fn refused() -> Self {
        Self { evidence: Evidence::Refused }
    }

    /// The certificate names no user, for this reason: the LOGIN fails.
    #[must_use]
    pub fn unusable(why: Arc<str>) -> Self {
        Self { evidence: Evidence::Unusable(why) }
    }

    /// Without a check. The daemon is built without this function.
    #[cfg(any(test, feature = "test-proofs"))]
    #[must_use]
    pub fn for_tests(evidence: Evidence) -> Self {
        Self { evidence }
    }

    /// What was found.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

impl From<Proof> for Evidence {
    fn from(proof: Proof) -> Self {
        proof.evidence
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.evidence.fmt(f)
    }
}

impl std::fmt::Debug for Expected {
    /// A hash is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expected").field("proves", &self.proves).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::hash;
    use tcp_chat_protocol::request::{Bounds, Request, parse};

    fn login(data: &str) -> Box<Login> {
        let line = format!(r#"{{"op":"LOGIN","data":{data}}}"#);
        let Ok((_, Request::Login(login))) = parse(line.as_bytes(), &Bounds { msg_bytes: 1, rooms: 0 })
        else {
            panic!("{line}")
        };
        login
    }

    #[test]
    fn only_a_free_name_or_a_token_needs_no_password() {
        let (name, token) = (login(r#"{"name":"ana"}"#), login(r#"{"session":"x"}"#));
        let nobody = Users::default();
        for (login, access, needs_none) in [
            (&name, Access::Open, true),
            (&name, Access::Password("hash".into()), false),
            (&name, Access::Accounts, false),
            (&token, Access::Accounts, true),
        ] {
            let proof = Proof::without_password(login, &access, &nobody);
            let expected = needs_none.then(|| Proof::for_tests(Evidence::NotNeeded));
            assert_eq!(proof, expected, "{login:?} {access:?}");
        }
    }

    #[test]
    fn a_password_proves_what_it_is_compared_with_and_nothing_else() {
        let made: Arc<str> = hash("sesame").unwrap().into();
        let mut hashed = 0;
        let mut by =
            |expected, password| Evidence::from(Proof::by_password(expected, password, || hashed += 1));
        let own = || Expected::of_hash(UserId(7), Arc::clone(&made));
        assert_eq!(by(own(), "sesame"), Evidence::Password(UserId(7), Arc::clone(&made)));
        assert_eq!(by(own(), "sesam"), Evidence::Refused);
        let of_server = || Expected::of_server(Arc::clone(&made));
        assert_eq!(by(of_server(), "sesame"), Evidence::Accepted(Arc::clone(&made)));
        assert_eq!(by(of_server(), "sesam"), Evidence::Refused);
        assert_eq!(by(Expected::nothing(), "sesame"), Evidence::Refused);
        assert_eq!(hashed, 5, "a user that does not exist takes as long");
    }
}
