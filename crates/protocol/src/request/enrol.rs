//! Owns ENROL: what turns the code of a join line into a password or a certificate. Called by the
//! parser only. Never knows whether the code is good.

use super::fields::{Raw, bad, field, name, object, optional};
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
    /// What is asked for.
    pub wants: Wants,
}

/// What an [`Enrol`] asks for.
#[derive(Clone, PartialEq, Eq)]
pub enum Wants {
    /// This password is to be the user's: 1 to [`PASSWORD_BYTES`] bytes.
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

#[derive(serde::Deserialize)]
struct EnrolData<'a> {
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    code: Raw<'a>,
    #[serde(borrow)]
    password: Raw<'a>,
    #[serde(borrow)]
    csr: Raw<'a>,
}

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

#[cfg(test)]
mod tests {
    use super::super::{Bounds, Request, parse};
    use super::*;
    use crate::ErrorKind;

    fn read(data: &str) -> Result<Enrol, Refusal> {
        let line = format!(r#"{{"op":"ENROL","data":{data}}}"#);
        match parse(line.as_bytes(), &Bounds { msg_bytes: 100, rooms: 0 })?.1 {
            Request::Enrol(enrol) => Ok(*enrol),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_password_or_a_request_and_not_both() {
        let password = read(r#"{"name":"ana","code":"c","password":"sesame"}"#).unwrap();
        assert!(matches!(&password.wants, Wants::Password(p) if p.as_str() == "sesame"));
        assert!(!format!("{password:?}").contains("sesame"));
        let csr = read(r#"{"name":"ana","code":"c","csr":"x"}"#).unwrap();
        assert!(matches!(&csr.wants, Wants::Certificate(x) if x == "x"));
        let long = "x".repeat(PASSWORD_BYTES + 1);
        for (data, field) in [
            (r#"{"name":"ana","code":"c"}"#.to_owned(), "password"),
            (r#"{"name":"ana","password":"p"}"#.to_owned(), "code"),
            (r#"{"code":"c","password":"p"}"#.to_owned(), "name"),
            (r#"{"name":"ana","code":"c","password":"p","csr":"x"}"#.to_owned(), "csr"),
            (r#"{"name":"ana","code":"c","password":""}"#.to_owned(), "password"),
            (r#"{"name":"ana","code":7,"password":"p"}"#.to_owned(), "code"),
            (format!(r#"{{"name":"ana","code":"c","password":"{long}"}}"#), "password"),
        ] {
            let refusal = read(&data).unwrap_err();
            assert_eq!(refusal.kind, ErrorKind::Data, "{data}");
            assert!(refusal.msg.contains(field), "{}", refusal.msg);
        }
        assert_eq!(read(r#"{"name":"a b","code":"c","csr":"x"}"#).unwrap_err().kind, ErrorKind::NameInvalid);
    }
}
