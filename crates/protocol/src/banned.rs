//! Owns the targets of a ban: a user, a certificate, a range of addresses, and the text form of each. Used by the
//! state, the store and the control socket. Never decides whether a ban is permitted.

use crate::Name;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The SHA-256 of the public key in a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// The target of a ban.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Banned {
    /// A user.
    User(Name),
    /// Every client with that certificate.
    Certificate(Fingerprint),
    /// Every client with an address in that range.
    Address(#[serde(with = "range_text")] IpNet),
}

/// The text is not a target of a ban.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no user, no address (192.0.2.7, 192.0.2.0/24, 2001:db8::/48) and no SHA-256 of a certificate"
)]
pub struct NothingToBan(String);

/// Normalises a range: an IPv4 address that is mapped into IPv6 becomes IPv4; an IPv6 range becomes at least a
/// /64, which is the share of one customer.
fn range_of(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(v6) => {
            if let (Some(v4), 96..) = (v6.addr().to_ipv4_mapped(), v6.prefix_len())
                && let Ok(net) = IpNet::new(v4.into(), v6.prefix_len() - 96)
            {
                return net.trunc();
            }
            IpNet::new(v6.addr().into(), v6.prefix_len().min(64)).unwrap_or(net).trunc()
        }
        IpNet::V4(_) => net.trunc(),
    }
}

/// A range in the log of turns: as text, and normalised.
mod range_text {
    use super::{IpNet, range_of};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(range: &IpNet, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(range)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<IpNet, D::Error> {
        Cow::<'de, str>::deserialize(d)?.parse().map(range_of).map_err(D::Error::custom)
    }
}

/// Whether the address is in the range.
#[must_use]
pub fn is_in(range: &IpNet, address: IpAddr) -> bool {
    range.contains(&address.to_canonical())
}

impl FromStr for Fingerprint {
    type Err = NothingToBan;

    /// Reads 64 hexadecimal digits, with or without colons.
    fn from_str(text: &str) -> Result<Self, NothingToBan> {
        let none = || NothingToBan(text.to_owned());
        let digits: Vec<u32> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()
            .ok_or_else(none)?;
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(none());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] << 4 | pair[1]).map_err(|_| none())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Banned {
    type Err = NothingToBan;

    /// Reads `user:NAME`, `address:RANGE`, `certificate:SHA256`, or one of them without the prefix: a text that
    /// can be an address or a SHA-256 is one, and any other is a user.
    fn from_str(text: &str) -> Result<Self, NothingToBan> {
        let none = || NothingToBan(text.to_owned());
        let address = |text: &str| {
            let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            net.map(|net| Self::Address(range_of(net)))
        };
        let certificate = |text: &str| text.parse().ok().map(Self::Certificate);
        let user = |text: &str| Name::parse(text).ok().map(Self::User);
        if let Some(name) = text.strip_prefix("user:") {
            return user(name).ok_or_else(none);
        }
        if let Some(range) = text.strip_prefix("address:") {
            return address(range).ok_or_else(none);
        }
        if let Some(sha256) = text.strip_prefix("certificate:") {
            return certificate(sha256).ok_or_else(none);
        }
        address(text).or_else(|| certificate(text)).or_else(|| user(text)).ok_or_else(none)
    }
}

impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Certificate(fingerprint) => write!(f, "certificate:{fingerprint}"),
            Self::Address(range) => write!(f, "address:{range}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_banned_is_read_and_written() {
        let sha256 = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for (text, written) in [
            ("mallory", "user:mallory"),
            ("user:10.0.0.1", "user:10.0.0.1"),
            ("10.0.0.1", "address:10.0.0.1/32"),
            ("10.0.0.77/24", "address:10.0.0.0/24"),
            ("::ffff:10.0.0.1", "address:10.0.0.1/32"),
            ("::ffff:10.0.0.9/120", "address:10.0.0.0/24"),
            ("2001:db8::1", "address:2001:db8::/64"),
            ("2001:db8::1/100", "address:2001:db8::/64"),
            ("2001:db8:7::/48", "address:2001:db8:7::/48"),
            (&sha256, &format!("certificate:{sha256}")),
            (&colons, &format!("certificate:{sha256}")),
        ] {
            let banned: Banned = text.parse().unwrap();
            assert_eq!(banned.to_string(), written, "{text}");
            assert_eq!(written.parse::<Banned>().unwrap(), banned, "{text}");
        }
        for text in ["", "a b", "10.0.0.0/33", "user:", "address:bo", "certificate:ab", "é:"] {
            assert!(text.parse::<Banned>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_its_own() {
        let Ok(Banned::Address(range)) = "10.0.0.0/24".parse() else { panic!() };
        for (address, inside) in
            [("10.0.0.200", true), ("::ffff:10.0.0.3", true), ("10.0.1.1", false), ("2001:db8::1", false)]
        {
            assert_eq!(is_in(&range, address.parse().unwrap()), inside, "{address}");
        }
    }
}
