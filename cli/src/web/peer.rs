//! Owns the question whose socket is at the other end of a connection over loopback. Called by `host` for each connection
//! before a byte of it is read. Any user of a machine can connect to a port on loopback: file modes do not protect it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How Linux writes `ESTABLISHED`. A socket in another state may have lost its owner, and is listed as root's.
const ESTABLISHED: &str = "01";

/// Does the socket at the other end belong to this process's user? Where the system does not tell, it does not. Blocks
/// the thread while it reads `/proc/net/tcp`.
///
/// # Errors
/// The system's, where the tables cannot be read.
#[cfg(target_os = "linux")]
pub(crate) fn is_ours(peer: SocketAddr, local: SocketAddr) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self")?.uid();
    // A browser's socket may be one of IPv6 that talks IPv4.
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = match std::fs::read_to_string(table) {
            Ok(text) => text,
            // A kernel without IPv6 has no such table.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && table.ends_with('6') => continue,
            Err(e) => return Err(std::io::Error::new(e.kind(), format!("{table}: {e}"))),
        };
        if let Some(uid) = owner(&text, peer, local) {
            return Ok(uid == own);
        }
    }
    Ok(false)
}

/// Other systems do not tell: there the ticket alone protects.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_ours(_peer: SocketAddr, _local: SocketAddr) -> std::io::Result<bool> {
    Ok(true)
}

/// The user of the socket `of` that is connected with `with`, by a table as in `/proc/net/tcp`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has the table"))]
fn owner(table: &str, of: SocketAddr, with: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
        let uid = columns.nth(3)?;
        let is_it = state == ESTABLISHED && address(local)? == of && address(remote)? == with;
        if is_it { uid.parse().ok() } else { None }
    })
}

/// An address of the table: words of 32 bits in the machine's own order, and a port. IPv4 in IPv6 is IPv4.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for at in (0..ip.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_table_of_the_kernel() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 1 1 x\n\
            1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 x\n\
            2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     7        0 3 1 x\n\
            3: 0100007F:C351 0100007F:1F90 04 00000000:00000000 00:00000000 00000000     0        0 0 1 x\n\
            4: 0000000000000000FFFF00000100007F:C352 0000000000000000FFFF00000100007F:1F90 01 0:0 0:0 0 1001 0 4 1 x\n\
            bad\n";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let of = |port| owner(table, at(port), at(8080));
        assert_eq!(of(50000), Some(1000), "the peer's socket, not our end of it");
        assert_eq!(of(50001), None, "nobody owns it any longer");
        assert_eq!(of(50002), Some(1001), "IPv4 through a socket of IPv6");
        assert_eq!(of(50003), None);
        assert_eq!(owner(table, at(50000), at(8081)), None);
    }

    #[test]
    fn our_own_socket_is_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (here, peer) = listener.accept().unwrap();
        assert_eq!(peer, there.local_addr().unwrap());
        assert!(is_ours(peer, here.local_addr().unwrap()).unwrap());
    }
}
