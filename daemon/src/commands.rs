//! x
use std::net::SocketAddr;
/// x
#[must_use]
pub fn welcome(addresses: &[SocketAddr], summary: &crate::tls::Summary) -> String {
    format!("listening on {addresses:?}, ca {:?}, pin {}", summary.ca, summary.pin)
}
