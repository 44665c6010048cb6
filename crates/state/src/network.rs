//! Owns what counts as one network, and as how many this host counts. Used by the ops, and by everything that limits by peer
//! address. Never counts anything.

use std::net::IpAddr;

/// What counts as one network: an IPv4 address, also when it comes mapped into IPv6, and of IPv6
/// the /64, which is what one customer gets.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        other => other,
    }
}

/// As how many networks this host counts where it counts.
pub(super) const THIS_HOST_IS: u32 = 4;

/// Does it come from the daemon's own host?
#[must_use]
pub fn is_this_host(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
