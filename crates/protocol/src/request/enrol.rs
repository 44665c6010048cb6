//! Owns ENROL: the code of a join line, and the password or certificate request for it. Called only by the
//! parser. Never knows whether the code is valid.

use super::fields::{Raw, bad, field, name, object, optional, raw_fields};
use crate::{Name, Refusal};
use std::fmt;
use zeroize::Zeroizing;

/// The data of `ENROL`.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrol {
    /// The user that was registered.
    pub name: Name,
    /// The code of the join line.
    pub code: Zeroizing<String>,
    /// The requested credential.
    pub wants: Wants,
}

/// The credential that an [`Enrol`] requests.
#[derive(Clone, PartialEq, Eq)]
pub enum Wants {
    /// The new password of the user: 1 to [`PASSWORD_BYTES`] bytes.
    Password(Zeroizing<String>),
    /// A certificate for this request (PKCS #10), in PEM.
    Certificate(String),
}

/// The longest password, in bytes.
pub const PASSWORD_BYTES: usize = 1024;

impl fmt::Debug for Enrol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrol").field("name", &self.name).field("code", &"…").finish_non_exhaustive()
    }
}

raw_fields!(EnrolData: name, code, password, csr);

pub(super) fn enrol(data: Raw<'_>) -> Result<Enrol, Refusal> {
    let parts = object::<EnrolData<'_>>(data)?;
    let name = name(&parts.name, "name")?;
    let code = field(parts.code, "code").map(Zeroizing::new)?;
    let password: Option<String> = optional(parts.password, "password")?;
    let wants = match (password.map(Zeroizing::new), optional(parts.csr, "csr")?) {
        (Some(password), None) if password.is_empty() || password.len() > PASSWORD_BYTES => {
            return Err(bad(format!("`password`: 1 to {PASSWORD_BYTES} bytes")));
        }
        (Some(password), None) => Wants::Password(password),
        (None, Some(csr)) => Wants::Certificate(csr),
        (None, None) => return Err(bad("`password` or `csr` is missing")),
        (Some(_), Some(_)) => return Err(bad("`password` and `csr` exclude each other")),
    };
    Ok(Enrol { name, code, wants })
}
