//! Owns the shared password: made into an Argon2id hash, checked against one. A check takes tens
//! of milliseconds and 19 MiB on purpose: the caller bounds how many run at once and keeps them
//! off the async threads. Never logs or keeps a password.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier};

/// Why a text is no hash that can be checked against.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HashError {
    /// Not in the PHC form.
    #[error("this is no password hash")]
    Form,
    /// Another algorithm, or one of the weaker Argon2 variants.
    #[error("this is no Argon2id hash")]
    Algorithm,
    /// Parameters that would take the daemon down, or none.
    #[error("its parameters are missing or out of bounds (at most 256 MiB, 16 passes, 16 lanes)")]
    Params,
}

/// Is `hash` one that [`verify`] can work with?
///
/// # Errors
/// What is wrong with it. Nothing of the text is in the error: it may be a bare password.
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

/// Is this the password? False for anything that is no hash, too.
#[must_use]
pub fn verify(hash: &str, password: &str) -> bool {
    check(hash).is_ok()
        && PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// The Argon2id hash of a password, in PHC form, with a salt of its own.
///
/// # Errors
/// The system has no randomness, or the password is longer than Argon2 takes.
pub fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let made = hash("open sesame").unwrap();
        assert!(made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{made}");
        assert_ne!(made, hash("open sesame").unwrap(), "each has its own salt");
        assert!(verify(&made, "open sesame"));
        for wrong in ["open sesam", "open sesame\n", "", "Open sesame"] {
            assert!(!verify(&made, wrong), "{wrong:?}");
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
            assert!(!verify(text, "x"));
        }
        assert_eq!(check(&good), Ok(()));
    }
}
