//! Owns [`EnrolProof`]: an ENROL whose code was checked, with the credential that was made for it. `net` asks for the check;
//! the state checks the code again, because it may be used or replaced meanwhile. Never changes a user.

use super::hash;
use tcp_chat_protocol::{Name, Refusal};
use tcp_chat_state::{Certificate, CodePurpose, Digest, EnrolOp, NewCredential, UserId, Users};

/// An ENROL with its credential. The edge accepts no ENROL without one.
///
/// The field is private, and only a [`CheckedCode`] makes a credential. So a transport that forgets the check does not
/// compile:
///
/// ```compile_fail,E0451
/// use std::sync::Arc;
/// use tcp_chat_protocol::{Name, Refusal};
/// use tcp_chat_state::{CodePurpose, Digest, EnrolOp, NewCredential, Users};
/// use tcp_chatd::auth::{CheckedCode, EnrolProof, HashFailure};
/// use tcp_chatd::edge::Ask;
///
/// fn ask(name: Name, code: Option<Digest>, users: &Users) -> Result<Ask, Refusal> {
///     let made = NewCredential::Password(Arc::from("a hash"));
///     let proof = EnrolProof { op: EnrolOp { name, code, made } };
///     Ok(Ask::Enrol(Box::new(proof)))
/// }
/// ```
///
/// The same function with a check compiles:
///
/// ```
/// use std::sync::Arc;
/// use tcp_chat_protocol::{Name, Refusal};
/// use tcp_chat_state::{CodePurpose, Digest, EnrolOp, NewCredential, Users};
/// use tcp_chatd::auth::{CheckedCode, EnrolProof, HashFailure};
/// use tcp_chatd::edge::Ask;
///
/// fn ask(name: Name, code: Option<Digest>, users: &Users) -> Result<Ask, Refusal> {
///     let checked = CheckedCode::check(name.clone(), code, CodePurpose::Password, users, 0)?;
///     let proof = checked.password("sesame").unwrap_or_else(|_| EnrolProof::nothing(name, code));
///     Ok(Ask::Enrol(Box::new(proof)))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct EnrolProof {
    op: EnrolOp,
}

/// A code that was valid for a user and a purpose when it was checked.
#[derive(Debug)]
pub struct CheckedCode {
    /// The name in the request.
    name: Name,
    code: Option<Digest>,
    /// The user as registered.
    user: (UserId, Name),
}

impl CheckedCode {
    /// Checks the code of an ENROL. `now`: milliseconds since 1970.
    ///
    /// # Errors
    /// See [`Users::admits`].
    pub fn check(
        name: Name,
        code: Option<Digest>,
        purpose: CodePurpose,
        users: &Users,
        now: u64,
    ) -> Result<Self, Refusal> {
        let user = users.admits(&name, code, purpose, now)?;
        let user = (user.id, user.name.clone());
        Ok(Self { name, code, user })
    }

    /// The user of the code.
    pub(crate) fn user(&self) -> UserId {
        self.user.0
    }

    /// The name with which the user is registered.
    pub(crate) fn user_name(&self) -> &Name {
        &self.user.1
    }

    /// Hashes the new password. This takes tens of milliseconds and 19 MiB: the caller keeps it off the async threads and
    /// bounds how many run at once.
    ///
    /// # Errors
    /// The hash could not be made.
    pub fn password(self, password: &str) -> Result<EnrolProof, HashFailure> {
        let made = hash(password).map_err(|why| HashFailure(why.to_string()))?;
        Ok(self.proof(NewCredential::Password(made.into())))
    }

    /// With the certificate that was issued for the user, and its PEM form.
    pub(crate) fn certificate(self, certificate: Certificate, pem: String) -> EnrolProof {
        self.proof(NewCredential::Certificate(Box::new(certificate), pem))
    }

    fn proof(self, made: NewCredential) -> EnrolProof {
        EnrolProof { op: EnrolOp { name: self.name, code: self.code, made } }
    }
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HashFailure(String);

impl EnrolProof {
    /// Without a credential: the ENROL fails.
    #[must_use]
    pub fn nothing(name: Name, code: Option<Digest>) -> Self {
        Self { op: EnrolOp { name, code, made: NewCredential::Nothing } }
    }

    /// Without a check. The daemon is built without this function.
    #[cfg(any(test, feature = "test-proofs"))]
    #[must_use]
    pub fn for_tests(op: EnrolOp) -> Self {
        Self { op }
    }

    /// The credential.
    #[must_use]
    pub fn credential(&self) -> &NewCredential {
        &self.op.made
    }
}

impl From<EnrolProof> for EnrolOp {
    fn from(proof: EnrolProof) -> Self {
        proof.op
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_protocol::ErrorKind;

    #[test]
    fn a_code_that_no_user_has_makes_no_credential() {
        let name: Name = "ana".parse().unwrap();
        let code = Some(Digest([7; 32]));
        let checked = CheckedCode::check(name.clone(), code, CodePurpose::Password, &Users::default(), 0);
        assert_eq!(checked.map(drop).map_err(|why| why.kind), Err(ErrorKind::AuthFailed));
        assert_eq!(*EnrolProof::nothing(name, code).credential(), NewCredential::Nothing);
    }
}
