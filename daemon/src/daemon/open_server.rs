//! Owns the open-server warning: strangers can reach the server and log in. Called once, after all addresses are
//! bound. Never refuses anything.

use std::net::{IpAddr, SocketAddr};
use tcp_chat_state::{Access, Rules};
use tracing::warn;

/// Warns of each public address if everyone may log in, which is seldom intended. In a cluster the policy of all nodes counts, and
/// not the file of this one.
pub(super) fn warn_if_open(rules: &Rules, addresses: impl Iterator<Item = SocketAddr>) {
    if !is_open(rules) {
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

/// May everyone log in?
fn is_open(rules: &Rules) -> bool {
    rules.access == Access::Open && !rules.certificate_required
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
    use crate::settings::{AuthMode, ClientAuth, Settings};

    #[test]
    fn a_server_is_open_if_the_policy_lets_everyone_in() {
        for (mode, client_auth, open) in [
            (AuthMode::Open, ClientAuth::Optional, true),
            (AuthMode::Open, ClientAuth::Required, false),
            (AuthMode::Accounts, ClientAuth::Optional, false),
        ] {
            let mut settings = Settings::default();
            (settings.auth.mode, settings.tls.client_auth) = (mode, client_auth);
            assert_eq!(is_open(&Rules::from(&settings)), open, "{mode:?} {client_auth:?}");
        }
    }

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
