//! Owns the definition of a network for limits, and the factor for loopback. Used by the ops, and by all limits by
//! peer address. Never counts anything.

use std::net::IpAddr;

/// The network of an address: an IPv4 address itself, also mapped into IPv6, and the /64 of an IPv6 address, which is
/// what one customer gets.
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

/// The number of networks that loopback counts as.
pub(super) const THIS_HOST_IS: u32 = 4;

/// Is it a loopback address?
#[must_use]
pub fn is_this_host(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
