//! Owns the addresses of the nodes of one chat, as `servers` has them: `host:port`, an IPv6 address in brackets.
//! Clients read them from replies, from files and from users. Never looks a name up.

use crate::host;
use std::fmt;
use std::str::FromStr;

/// The largest number of addresses that a client takes from one list.
pub const SERVERS: usize = 16;
/// The longest address in bytes: a host of 253, brackets, a colon and a port.
pub const SERVER_BYTES: usize = 261;

/// The address of one node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// A name or an address in ASCII and lower case; an IPv6 address without brackets.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

/// The text is not `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address of a server is HOST:PORT")]
pub struct NoAddress;

impl FromStr for ServerAddress {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if text.len() > SERVER_BYTES {
            return Err(NoAddress);
        }
        let (host, port) = text.rsplit_once(':').ok_or(NoAddress)?;
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']').filter(|v6| v6.contains(':')).ok_or(NoAddress)?,
            None if host.contains(':') => return Err(NoAddress),
            None => host,
        };
        // `u16` also takes a sign.
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.and_then(|port| port.parse().ok()).filter(|port| *port > 0).ok_or(NoAddress)?;
        // A scope such as `%eth0` is of one machine alone.
        let host = host::ascii(host).ok().filter(|host| !host.contains('%')).ok_or(NoAddress)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The addresses of a list that can be used, in order, each once, at most [`SERVERS`]. Others are skipped: a later
/// version may write them in another form.
pub fn usable<'a>(list: impl IntoIterator<Item = &'a str>) -> Vec<ServerAddress> {
    let mut usable: Vec<ServerAddress> = Vec::new();
    for address in list.into_iter().take(4 * SERVERS).filter_map(|text| text.parse().ok()) {
        if usable.len() < SERVERS && !usable.contains(&address) {
            usable.push(address);
        }
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_the_same() {
        for (text, host, port) in [
            ("chat1.example.org:3000", "chat1.example.org", 3000),
            ("Chat1.Example.ORG.:1", "chat1.example.org", 1),
            ("192.0.2.7:65535", "192.0.2.7", 65535),
            ("[2001:DB8::1]:3000", "2001:db8::1", 3000),
        ] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":",
            "chat",
            "chat:",
            ":3000",
            "chat:0",
            "chat:65536",
            "chat:+80",
            "chat:8 0",
            "a b:80",
            "a/b:80",
            "user@chat:80",
            "tcps://chat:80",
            "chat#pin:80",
            "::1:3000",
            "[::1]",
            "[chat]:80",
            "[::1:80",
            "[fe80::1%eth0]:80",
            "chat\n:80",
            "1.2.3:80",
            "💬.example:80",
        ] {
            assert_eq!(text.parse::<ServerAddress>(), Err(NoAddress), "{text:?}");
        }
        assert!(format!("{}:3000", "a.".repeat(200)).parse::<ServerAddress>().is_err());
    }

    #[test]
    fn a_list_is_bounded_and_has_each_address_once() {
        let long: Vec<String> = (1..=40).map(|port| format!("chat:{port}")).collect();
        assert_eq!(usable(long.iter().map(String::as_str)).len(), SERVERS);
        let list = ["b:1", "no address", "a:1", "B:1", "a:2"];
        let usable: Vec<String> = usable(list).iter().map(ToString::to_string).collect();
        assert_eq!(usable, ["b:1", "a:1", "a:2"]);
        assert_eq!(super::usable(vec!["nonsense"; 1_000_000]), []);
    }
}
