//! Owns the check that the peer of a loopback connection is a process of our user. Called by `serve` for each connection,
//! before a byte of it is read. Any user of a machine can connect to a port on loopback, because ports have no file mode.
//! Never reads from the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state `ESTABLISHED` in Linux's table. The table lists a socket in another state as root's if its owner has ended.
const ESTABLISHED: &str = "01";

/// Whether the socket at the other end belongs to the user of this process. False if the tables do not list it. Blocks the
/// thread while it reads `/proc/net/tcp`.
///
/// # Errors
/// A table cannot be read.
#[cfg(target_os = "linux")]
pub(crate) fn is_ours(peer: SocketAddr, local: SocketAddr) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self")?.uid();
    // A browser may use an IPv6 socket for IPv4.
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

/// Other systems do not report the owner of a socket. There only the ticket protects.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_ours(_peer: SocketAddr, _local: SocketAddr) -> std::io::Result<bool> {
    Ok(true)
}

/// The user of the socket `of` that is connected to `with`, from a table in the form of `/proc/net/tcp`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has the table"))]
fn owner(table: &str, of: SocketAddr, with: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
        let uid = columns.nth(3)?;
        let is_wanted = state == ESTABLISHED && address(local)? == of && address(remote)? == with;
        if is_wanted { uid.parse().ok() } else { None }
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
    fn the_owner_is_read_from_the_table_of_the_kernel() {
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
        assert_eq!(of(50001), None, "it is not established");
        assert_eq!(of(50002), Some(1001), "IPv4 through a socket of IPv6");
        assert_eq!(of(50003), None);
        assert_eq!(owner(table, at(50000), at(8081)), None);
    }

    #[test]
    fn a_socket_of_this_process_is_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (here, peer) = listener.accept().unwrap();
        assert_eq!(peer, there.local_addr().unwrap());
        assert!(is_ours(peer, here.local_addr().unwrap()).unwrap());
    }
}
