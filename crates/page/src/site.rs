//! Owns the addresses of a host of the page: the values of `Host` and `Origin` that it accepts. Created by the hosts from
//! their settings, used by `decide`. Never resolves a name.

use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Uri};
use std::fmt;

/// How browsers reach the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS: the relay, on loopback alone.
    Http,
    /// With TLS, from the host itself or from a proxy in front of it.
    Https,
}

impl Scheme {
    /// The default port, which browsers omit.
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A name that cannot be part of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteError {
    /// The name, unchanged.
    pub name: String,
}

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not the name of a web host: write NAME, NAME:PORT, or an IPv6 address in brackets",
            self.name
        )
    }
}

impl std::error::Error for SiteError {}

/// The addresses of a host: `HOST` or `HOST:PORT`, as browsers write them into `Host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    scheme: Scheme,
    authorities: Vec<String>,
}

impl Site {
    /// The addresses for `names`. A name with a port keeps it, as behind a proxy (`chat.example:443`); the others get
    /// `port`. Case is ignored. An IPv6 address must be in brackets. An international name must be in its ASCII form,
    /// because browsers send that form.
    ///
    /// # Errors
    /// The first name that cannot be part of an address.
    pub fn new<N: AsRef<str>>(
        scheme: Scheme,
        names: impl IntoIterator<Item = N>,
        port: u16,
    ) -> Result<Self, SiteError> {
        let mut authorities = Vec::new();
        for name in names {
            let authority = authority_of(scheme, name.as_ref(), port)?;
            if !authorities.contains(&authority) {
                authorities.push(authority);
            }
        }
        Ok(Self { scheme, authorities })
    }

    /// The addresses, as browsers write them into `Host`.
    #[must_use]
    pub fn authorities(&self) -> &[String] {
        &self.authorities
    }

    /// The origin of the first address (`https://chat.example:8443`), which a reader opens. `None`: there is no address.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        self.authorities.first().map(|authority| format!("{}://{authority}", self.scheme.as_str()))
    }

    /// The address that a request names, if it is one of these. `Host` must occur exactly once. If the first line of the
    /// request has an address, as for a proxy, it must be the same one.
    pub(crate) fn addressed(&self, uri: &Uri, headers: &HeaderMap) -> Option<&str> {
        let host = self.find(single(headers, HOST)?.as_bytes())?;
        let is_same = |named: &Authority| self.find(named.as_str().as_bytes()) == Some(host);
        uri.authority().is_none_or(is_same).then_some(host)
    }

    /// Whether the request comes from a page of this address. `Origin` must occur exactly once.
    pub(crate) fn is_own(&self, authority: &str, headers: &HeaderMap) -> bool {
        let Some(origin) = single(headers, ORIGIN) else { return false };
        let rest = origin.as_bytes().strip_prefix(self.scheme.as_str().as_bytes());
        rest.and_then(|rest| rest.strip_prefix(b"://")) == Some(authority.as_bytes())
    }

    fn find(&self, authority: &[u8]) -> Option<&str> {
        self.authorities.iter().map(String::as_str).find(|own| own.as_bytes().eq_ignore_ascii_case(authority))
    }
}

/// The value of a header that occurs exactly once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// An address in the form of browsers: in lower case, and with a port only if it is not the default port of the scheme.
fn authority_of(scheme: Scheme, name: &str, port: u16) -> Result<String, SiteError> {
    let wrong = || SiteError { name: name.to_owned() };
    let authority: Authority = name.parse().map_err(|_| wrong())?;
    let host = authority.host().to_ascii_lowercase();
    let ending = authority.as_str().get(authority.host().len()..).ok_or_else(wrong)?;
    let has_user = authority.as_str().contains('@');
    let is_port = ending.is_empty() || authority.port_u16().is_some_and(|port| ending == format!(":{port}"));
    if host.is_empty() || has_user || !is_port {
        return Err(wrong());
    }
    let port = authority.port_u16().unwrap_or(port);
    Ok(if port == scheme.default_port() { host } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_form_that_browsers_send() {
        let site = Site::new(Scheme::Https, ["Chat.example", "[::1]", "proxy.example:443", "10.0.0.1"], 8443);
        let site = site.unwrap();
        let want = ["chat.example:8443", "[::1]:8443", "proxy.example", "10.0.0.1:8443"];
        assert_eq!(site.authorities(), want);
        assert_eq!(site.origin().as_deref(), Some("https://chat.example:8443"));
        let usual = Site::new(Scheme::Http, ["a:80", "b", "A"], 80).unwrap();
        assert_eq!(usual.authorities(), ["a", "b"]);
        assert_eq!(Site::new(Scheme::Http, ["a"], 443).unwrap().authorities(), ["a:443"]);
    }

    #[test]
    fn invalid_names_are_errors() {
        for name in
            ["", " ", "a b", "a/b", "http://a", "me@a", "a:", "a:x", "a:70000", "a:080", "::1", "[::1", ":80"]
        {
            let made = Site::new(Scheme::Http, [name], 80);
            assert_eq!(made.unwrap_err().name, name);
        }
    }
}
