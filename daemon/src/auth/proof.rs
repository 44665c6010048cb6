//! Owns [`Proof`]: what a check has shown about the sender of a LOGIN. `net` asks for the checks; the state reads
//! their evidence and decides, because a password, a code or a certificate may have changed in between. Never lets a user in.

use super::{AuthMode, verify, verify_nobodys};
use std::sync::Arc;
use tcp_chat_protocol::request::Login;
use tcp_chat_state::{Evidence, Presented, User, UserId, Users};

/// What a check has shown about the sender of a LOGIN. The edge takes no LOGIN without one.
///
/// The field is private and each constructor checks something. So a transport that forgets the check does not
/// compile:
///
/// ```compile_fail,E0451
/// use tcp_chat_state::{Evidence, Users};
/// use tcp_chatd::auth::{AuthMode, Proof};
/// use tcp_chatd::edge::{Ask, Secret};
/// use tcp_chat_protocol::request::Login;
///
/// fn ask(login: Box<Login>, fresh: Secret, mode: AuthMode, users: &Users) -> Option<Ask> {
///     let proof = Proof { evidence: Evidence::NotNeeded };
///     Some(Ask::Login { login, fresh, resumes: None, proof })
/// }
/// ```
///
/// The same function with a check compiles:
///
/// ```
/// use tcp_chat_state::{Evidence, Users};
/// use tcp_chatd::auth::{AuthMode, Proof};
/// use tcp_chatd::edge::{Ask, Secret};
/// use tcp_chat_protocol::request::Login;
///
/// fn ask(login: Box<Login>, fresh: Secret, mode: AuthMode, users: &Users) -> Option<Ask> {
///     let proof = Proof::without_password(&login, mode, users)?;
///     Some(Ask::Login { login, fresh, resumes: None, proof })
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

    /// The one password of the server, for names that no user owns. `None`: none is set.
    pub(crate) fn of_server(hash: Option<Arc<str>>) -> Self {
        Self { hash, proves: Evidence::Accepted }
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
    pub fn without_password(login: &Login, mode: AuthMode, users: &Users) -> Option<Self> {
        let is_owned = || login.name.as_ref().is_some_and(|name| users.by_name(name).is_some());
        let is_free = login.session.is_some() || (mode == AuthMode::Open && !is_owned());
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
        for (login, mode, needs_none) in [
            (&name, AuthMode::Open, true),
            (&name, AuthMode::Password, false),
            (&name, AuthMode::Accounts, false),
            (&token, AuthMode::Accounts, true),
        ] {
            let proof = Proof::without_password(login, mode, &nobody);
            let expected = needs_none.then(|| Proof::for_tests(Evidence::NotNeeded));
            assert_eq!(proof, expected, "{login:?} {mode:?}");
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
        assert_eq!(by(Expected::of_server(Some(Arc::clone(&made))), "sesame"), Evidence::Accepted);
        assert_eq!(by(Expected::of_server(None), "sesame"), Evidence::Refused);
        assert_eq!(by(Expected::nothing(), "sesame"), Evidence::Refused);
        assert_eq!(hashed, 5, "a user that does not exist takes as long");
    }
}
