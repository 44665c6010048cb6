//! Owns secrets: Argon2id hashes of passwords and their checks, and the random tokens and codes of which only the
//! SHA-256 is stored. A check of a password takes tens of milliseconds and 19 MiB by design: the caller limits
//! how many run at once, and keeps them off the async threads. Never logs or stores a password.

mod enrolment;
mod proof;

pub use enrolment::{CheckedCode, EnrolProof, HashFailure};
pub use proof::{Expected, Proof};
pub use tcp_chat_state::Digest;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use zeroize::Zeroizing;

/// The logins that the server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthMode {
    /// All logins.
    #[default]
    Open,
    /// Logins with the shared password.
    Password,
    /// Logins of registered users.
    Accounts,
}

/// Random bytes in a session token or a code.
const TOKEN_BYTES: usize = 32;

/// Why a text is not a usable hash.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HashError {
    /// Not in the PHC form.
    #[error("this is not a password hash")]
    Form,
    /// Another algorithm, or one of the weaker Argon2 variants.
    #[error("this is not an Argon2id hash")]
    Algorithm,
    /// Parameters are missing, or so large that they would endanger the daemon.
    #[error("its parameters are missing or out of bounds (at most 256 MiB, 16 passes, 16 lanes)")]
    Params,
}

/// Checks that [`verify`] can use `hash`.
///
/// # Errors
/// The fault of the hash. The error contains nothing of the text, which may be the password itself.
pub fn check(hash: &str) -> Result<(), HashError> {
    let parsed = PasswordHash::new(hash).map_err(|_| HashError::Form)?;
    if parsed.algorithm != Algorithm::Argon2id.ident() {
        return Err(HashError::Algorithm);
    }
    if parsed.salt.is_none() || parsed.hash.is_none() {
        return Err(HashError::Form);
    }
    let params = Params::try_from(&parsed).map_err(|_| HashError::Params)?;
    let sane = params.m_cost() <= 256 * 1024 && params.t_cost() <= 16 && params.p_cost() <= 16;
    sane.then_some(()).ok_or(HashError::Params)
}

/// Whether the password is right; false for an invalid hash. Calls `ran` only if it really hashed, so that the
/// metric counts the work done.
#[must_use]
pub fn verify(hash: &str, password: &str, ran: impl FnOnce()) -> bool {
    check(hash).is_ok()
        && PasswordHash::new(hash).is_ok_and(|hash| {
            let is_right = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
            ran();
            is_right
        })
}

/// The Argon2id hash of a password in PHC form, with a new salt.
///
/// # Errors
/// The system has no randomness, or the password is longer than Argon2 allows.
pub fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

/// The hash of a random password that was never stored.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$By/uHXed2pgXlbXvW2s4kw$0BjQhRYsb86n8uykYG0FcdfANkEg+ix3QWp9NcNehwY";

/// Checks a password for which there is no hash: false, after the same time as [`verify`]. So a client cannot
/// tell an unknown user from a wrong password.
#[must_use]
pub fn verify_nobodys(password: &str, ran: impl FnOnce()) -> bool {
    let _ = verify(NOBODYS, password, ran);
    false
}

/// A new secret of 256 random bits as text, with its hash. `None`: the system has no randomness.
#[must_use]
pub fn token() -> Option<(Zeroizing<String>, Digest)> {
    let mut token = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(&mut *token).ok()?;
    Some((Zeroizing::new(BASE64.encode(*token)), sha256(&*token)))
}

/// The hash of such a secret. `None`: the text cannot be one.
#[must_use]
pub fn token_hash(token: &str) -> Option<Digest> {
    let bytes = Zeroizing::new(BASE64.decode(token).ok()?);
    (bytes.len() == TOKEN_BYTES).then(|| sha256(&bytes))
}

/// The SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_random_and_known_by_its_hash() {
        let ((a, kept), (b, _)) = (token().unwrap(), token().unwrap());
        assert_ne!(a, b);
        assert_eq!(token_hash(&a), Some(kept));
        assert_eq!(a.len(), 43);
        for bad in ["", "x", "AAAA", &"A".repeat(44), "é"] {
            assert_eq!(token_hash(bad), None, "{bad}");
        }
    }

    #[test]
    fn nobodys_hash_costs_what_ours_cost() {
        let parameters = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(parameters(NOBODYS), parameters(&hash("x").unwrap()));
        let mut hashed = 0;
        assert!(check(NOBODYS).is_ok() && !verify_nobodys("", || hashed += 1));
        assert_eq!(hashed, 1);
    }

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let made = hash("open sesame").unwrap();
        assert!(made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{made}");
        assert_ne!(made, hash("open sesame").unwrap(), "each has its own salt");
        assert!(verify(&made, "open sesame", || {}));
        for wrong in ["open sesam", "open sesame\n", "", "Open sesame"] {
            assert!(!verify(&made, wrong, || {}), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_hash_is_said_to_be_none() {
        let good = hash("x").unwrap();
        for (text, why) in [
            ("", HashError::Form),
            ("hunter2", HashError::Form),
            ("$argon2id$v=19$m=19456,t=2,p=1", HashError::Form),
            (&good.replace("argon2id", "argon2i"), HashError::Algorithm),
            (&good.replace("m=19456", "m=4000000"), HashError::Params),
            (&good.replace("t=2", "t=400"), HashError::Params),
        ] {
            assert_eq!(check(text), Err(why), "{text}");
            assert!(!verify(text, "x", || panic!("hashed")));
        }
        assert_eq!(check(&good), Ok(()));
    }
}
