//! Owns server addresses as users paste them: `host`, `host:port`, `host1,host2:port` for several servers of one chat,
//! `tcps://host:port/room#pin`, which `tcp-chatd invite` prints, and the join line of `tcp-chatd user add`, `tcps://user:code@host:port#pin`, or with
//! `user:cert:code` for a certificate. The client reads them. Never looks a name up.

use crate::host::{self, HostError};
use crate::paste::{without_scheme, without_surroundings};
use crate::server::SERVERS;
use crate::{DEFAULT_PORT, Name, NameError, ServerAddress};
use std::fmt;
use zeroize::Zeroizing;

/// A server, optionally with a room to join and a CA to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Further servers of the same chat.
    pub more: Vec<ServerAddress>,
    /// The room to join.
    pub room: Option<Name>,
    /// The SHA-256 of the CA's certificate.
    pub pin: Option<Pin>,
    /// The enrolment of a registered user.
    pub join: Option<Join>,
}

/// The one-time right of a registered user to set a password or get a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Join {
    /// The user.
    pub user: Name,
    /// The code: a secret until it is used.
    pub code: Zeroizing<String>,
    /// Whether the code is for a certificate instead of a password.
    pub certificate: bool,
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").field("user", &self.user).field("code", &"…").finish_non_exhaustive()
    }
}

/// The SHA-256 of a certificate in DER, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

/// Why a text is not a server address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InviteError {
    /// It has no host.
    #[error("the address has no host: write HOST, HOST:PORT or tcps://HOST:PORT/ROOM#PIN")]
    Host,
    /// The host is invalid.
    #[error("{0:?} is no host name and no address: {1}")]
    NoHost(String, HostError),
    /// It has another scheme.
    #[error("an address of a server begins with tcps:// or with its host")]
    Scheme,
    /// There are too many servers.
    #[error("these are more than {SERVERS} servers")]
    TooMany,
    /// A colon without a port.
    #[error("no port stands behind the colon: write 1 to 65535 there, or leave the colon out")]
    NoPort,
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} is no port: 1 to 65535")]
    Port(String),
    /// The room is not a valid name.
    #[error("the room: {0}")]
    Room(NameError),
    /// The part before the `@` is not a user with a code.
    #[error("a join line is tcps://USER:CODE@HOST:PORT#PIN, as `tcp-chatd user add` prints it")]
    Join,
    /// The pin is not 64 hexadecimal digits.
    #[error("a pin is the SHA-256 of a certificate: 64 hexadecimal digits")]
    Pin,
}

impl std::str::FromStr for Invite {
    type Err = InviteError;

    fn from_str(s: &str) -> Result<Self, InviteError> {
        Self::read(s).map(|(invite, _)| invite)
    }
}

impl Invite {
    /// Reads an address, and the port in it, if it has one.
    ///
    /// # Errors
    /// The reason why it is not an address.
    pub fn read(text: &str) -> Result<(Self, Option<u16>), InviteError> {
        let s = without_surroundings(text);
        // Users also paste the whole command of the invitation.
        let s = s.strip_prefix("tcp-chat-cli ").map_or(s, without_surroundings);
        let rest = without_scheme(s);
        if rest.contains("://") {
            return Err(InviteError::Scheme);
        }
        let (rest, pin) = match rest.split_once('#') {
            Some((rest, pin)) => (rest, Some(pin.parse()?)),
            None => (rest, None),
        };
        let (rest, room) = match rest.split_once('/') {
            Some((rest, "")) => (rest, None),
            Some((rest, room)) => (rest, Some(Name::parse(room).map_err(InviteError::Room)?)),
            None => (rest, None),
        };
        let (join, rest) = match rest.rsplit_once('@') {
            Some((join, rest)) => (Some(join.parse()?), rest),
            None => (None, rest),
        };
        let mut all = rest.split(',');
        let (host, given) = host_and_port(all.next().unwrap_or_default())?;
        let mut more = Vec::new();
        for text in all {
            let (host, port) = host_and_port(text)?;
            more.push(ServerAddress { host, port: port.unwrap_or(DEFAULT_PORT) });
            if more.len() >= SERVERS {
                return Err(InviteError::TooMany);
            }
        }
        Ok((Self { host, port: given.unwrap_or(DEFAULT_PORT), more, room, pin, join }, given))
    }
}

/// One `host` or `host:port`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), InviteError> {
    let (host, port) = if let Some(v6) = text.strip_prefix('[') {
        let (host, after) = v6.split_once(']').ok_or(InviteError::Host)?;
        match after {
            "" => (host, None),
            _ => (host, Some(after.strip_prefix(':').ok_or(InviteError::Host)?)),
        }
    } else {
        match text.rsplit_once(':') {
            // More than one colon without brackets: an IPv6 address without a port.
            Some((head, _)) if head.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() {
        return Err(InviteError::Host);
    }
    let given = match port {
        None => None,
        Some("") => return Err(InviteError::NoPort),
        Some(p) => match p.parse() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(InviteError::Port(p.to_owned())),
        },
    };
    let host = host::ascii(host).map_err(|e| InviteError::NoHost(host.to_owned(), e))?;
    Ok((host, given))
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        f.write_str("tcps://")?;
        if let Some(Join { user, code, certificate }) = &self.join {
            let kind = if *certificate { "cert:" } else { "" };
            write!(f, "{user}:{kind}{}@", code.as_str())?;
        }
        if host.contains(':') {
            write!(f, "[{host}]:{port}")?
        } else {
            write!(f, "{host}:{port}")?
        }
        self.more.iter().try_for_each(|server| write!(f, ",{server}"))?;
        if let Some(room) = &self.room {
            write!(f, "/{room}")?;
        }
        if let Some(pin) = &self.pin {
            write!(f, "#{pin}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Join {
    type Err = InviteError;

    fn from_str(s: &str) -> Result<Self, InviteError> {
        let (user, code) = s.split_once(':').ok_or(InviteError::Join)?;
        let (certificate, code) = match code.strip_prefix("cert:") {
            Some(code) => (true, code),
            None => (false, code),
        };
        let is_code = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if code.is_empty() || !code.chars().all(is_code) {
            return Err(InviteError::Join);
        }
        let user = Name::parse(user).map_err(|_| InviteError::Join)?;
        Ok(Self { user, code: Zeroizing::new(code.to_owned()), certificate })
    }
}

impl std::str::FromStr for Pin {
    type Err = InviteError;

    /// Reads 64 hexadecimal digits, in either case. Colons between pairs, which `openssl x509 -fingerprint`
    /// prints, and a leading `sha256:` are skipped.
    fn from_str(s: &str) -> Result<Self, InviteError> {
        let s = s.trim();
        let s = s.strip_prefix("sha256:").or_else(|| s.strip_prefix("SHA256:")).unwrap_or(s);
        let digits: Vec<u8> = s
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(InviteError::Pin))
            .collect::<Result<_, _>>()?;
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |n, d| n << 4 | d)).collect();
        if digits.len() != 64 {
            return Err(InviteError::Pin);
        }
        bytes.try_into().map(Self).map_err(|_| InviteError::Pin)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_paste() {
        let pin = "ab".repeat(32);
        let full = format!("tcps://chat.example:4444/ops#{pin}");
        for (text, shown) in [
            ("localhost", "tcps://localhost:3000"),
            ("localhost:81", "tcps://localhost:81"),
            ("::1", "tcps://[::1]:3000"),
            ("[::1]:81", "tcps://[::1]:81"),
            ("tcps://10.0.0.1/", "tcps://10.0.0.1:3000"),
            (&full, &full),
        ] {
            assert_eq!(text.parse::<Invite>().unwrap().to_string(), shown, "{text}");
        }
        for bad in ["", ":3000", "a:0", "a:x", "a:70000", "a/b c", "a#12", "a b", "[::1", "tcps://"] {
            assert!(bad.parse::<Invite>().is_err(), "{bad}");
        }
    }

    #[test]
    fn several_servers_of_one_chat() {
        let pin = "ab".repeat(32);
        for (text, shown) in [
            ("a,b", "tcps://a:3000,b:3000".to_owned()),
            ("a:81,[::1]:82,::2", "tcps://a:81,[::1]:82,[::2]:3000".to_owned()),
            (&format!("tcps://A,b:1/ops#{pin}"), format!("tcps://a:3000,b:1/ops#{pin}")),
            ("tcps://ana:code@a:1,b:2", "tcps://ana:code@a:1,b:2".to_owned()),
        ] {
            let read: Invite = text.parse().unwrap();
            assert_eq!(read.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(read));
        }
        for bad in ["a,,b", ",a", "a,b c", "a,b:0", "a,b@c"] {
            assert!(bad.parse::<Invite>().is_err(), "{bad}");
        }
        assert_eq!(["a"; 17].join(",").parse::<Invite>(), Err(InviteError::TooMany));
        assert_eq!(["a"; 16].join(",").parse::<Invite>().unwrap().more.len(), 15);
    }

    #[test]
    fn a_colon_without_a_port_is_refused() {
        for bad in [
            "localhost:",
            "LOCALHOST:.",
            "<localhost:>",
            "[::1]:",
            "tcps://a:/ops",
            "tcps://a:",
            "tcps://ana:code@a:",
        ] {
            assert_eq!(bad.parse::<Invite>(), Err(InviteError::NoPort), "{bad}");
        }
    }

    #[test]
    fn a_port_that_is_given_is_told_from_the_usual_one() {
        for (text, port) in [
            ("localhost", None),
            ("localhost:3000", Some(3000)),
            ("::1", None),
            ("[::1]", None),
            ("<[::1]:81>", Some(81)),
            ("TCPS://a/b", None),
            ("tcps://a:1/b", Some(1)),
            ("tcps://ana:code@a/b", None),
            ("tcps://ana:cert:code@a:1", Some(1)),
        ] {
            assert_eq!(Invite::read(text).unwrap().1, port, "{text}");
        }
    }

    #[test]
    fn a_join_line_has_a_user_and_a_code() {
        let pin = "ab".repeat(32);
        for (text, certificate) in [
            (format!("tcps://ana:c0-d_e@chat.example:3000/ops#{pin}"), false),
            (format!("tcps://山田:cert:c0-d_e@[::1]:3000#{pin}"), true),
        ] {
            let read: Invite = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            let join = read.join.unwrap();
            assert_eq!((join.code.as_str(), join.certificate), ("c0-d_e", certificate));
            assert!(!format!("{join:?}").contains("c0"));
        }
        for bad in ["ana@host", "ana:@host", ":code@host", "a b:code@host", "ana:cert:@host", "ana:c:d@host"]
        {
            assert_eq!(bad.parse::<Invite>(), Err(InviteError::Join), "{bad}");
        }
    }

    #[test]
    fn pins_are_read_as_openssl_prints_them() {
        let plain = "0f".repeat(32);
        let colons = vec!["0F"; 32].join(":");
        assert_eq!(plain.parse::<Pin>().unwrap(), colons.parse::<Pin>().unwrap());
        assert_eq!(plain.parse::<Pin>().unwrap().to_string(), plain);
        assert!("0f".repeat(31).parse::<Pin>().is_err());
        assert!("zz".repeat(32).parse::<Pin>().is_err());
    }
}
