//! Owns the open-server warning: strangers can reach the server and log in. Called once, after all addresses are
//! bound. Never refuses anything.

use crate::settings::{AuthMode, ClientAuth, Settings};
use std::net::{IpAddr, SocketAddr};
use tracing::warn;

/// Warns of each public address if everyone may log in, which is seldom intended.
pub(super) fn warn_if_open(settings: &Settings, addresses: impl Iterator<Item = SocketAddr>) {
    let is_guarded = settings.auth.mode != AuthMode::Open || settings.tls.client_auth == ClientAuth::Required;
    if is_guarded {
        return;
    }
    for address in addresses.filter(|address| is_public(address.ip())) {
        warn!(
            event = "open_to_all",
            address = %address,
            "every user who reaches this address may log in: set auth.mode to \"accounts\" or \"password\", or \
             listen on a private address"
        );
    }
}

/// Whether hosts outside of this host and its private network may reach the address. An unspecified address
/// counts as public.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let is_shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_strangers_reach() {
        for (address, public) in [
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("192.168.0.1", false),
            ("172.31.0.1", false),
            ("169.254.1.1", false),
            ("100.64.0.1", false),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", false),
            ("0.0.0.0", true),
            ("::", true),
            ("172.32.0.1", true),
            ("100.128.0.1", true),
            ("2001:db8::1", true),
            ("198.51.100.7", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }
}
