//! Owns the exit codes of `tcp-chatd`. Used by `commands` and `daemon`. Never exits itself.

/// Done.
pub const OK: u8 = 0;
/// The command line is wrong.
pub const USAGE: u8 = 64;
/// No daemon answers on the control socket.
pub const UNAVAILABLE: u8 = 69;
/// A fault of the program, or the daemon refused a request.
pub const INTERNAL: u8 = 70;
/// The store or the disk.
pub const DISK: u8 = 74;
/// A fault that may pass, so the start is tried again: an address that is missing or in use, a clock that is not
/// set.
pub const TEMPORARY: u8 = 75;
/// The permissions of this user are not enough.
pub const PERMISSION: u8 = 77;
/// The configuration or the certificates.
pub const CONFIG: u8 = 78;

/// The exit code for a fault of a certificate.
#[must_use]
pub fn of_tls(error: &crate::tls::TlsError) -> u8 {
    match error.fault {
        crate::tls::Fault::Content => CONFIG,
        crate::tls::Fault::Permission => PERMISSION,
        crate::tls::Fault::Disk => DISK,
    }
}

/// The exit code for a fault of the configuration.
#[must_use]
pub fn of_problems(problems: &crate::settings::Problems) -> u8 {
    if problems.permission { PERMISSION } else { CONFIG }
}
