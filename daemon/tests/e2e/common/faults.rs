//! Owns faults of the daemon's own calls: a small C library (`faults.c`) that the daemon is started with, and
//! the table in which a test writes which `recv` or `send` fails, how and when. Needs a C compiler, as the
//! build does.

use super::in_shell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// A call of the daemon on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Recv = 1,
    Send = 2,
}

/// A fault: after so many successful calls, one fails with this error number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) errno: u8,
    pub(crate) after: u8,
}

/// The table of a daemon's faults.
pub(crate) struct Faults {
    folder: TempDir,
    table: File,
}

impl Faults {
    /// No faults yet.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/common/faults.c");
        let made = in_shell(&format!(
            "${{CC:-cc}} -shared -fPIC -o {0}/faults.so {source}",
            folder.path().display()
        ));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let path = folder.path().join("table");
        let table = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        table.set_len(65536 * 4).unwrap();
        Self { folder, table }
    }

    /// The environment variables of the daemon.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        let path = |file: &str| -> PathBuf { self.folder.path().join(file) };
        [("LD_PRELOAD", path("faults.so")), ("FAULTS", path("table"))]
            .map(|(k, v)| (k, v.display().to_string()))
    }

    /// From now on this fault applies to the connection from this port.
    pub(crate) fn set(&self, port: u16, fault: Fault) {
        // The call is written last: it activates the rule.
        let at = u64::from(port) * 4;
        self.table.write_all_at(&[0], at).unwrap();
        self.table.write_all_at(&[fault.errno, fault.after, 0], at + 1).unwrap();
        self.table.write_all_at(&[fault.call as u8], at).unwrap();
    }

    /// Removes the fault of the connection from this port.
    pub(crate) fn clear(&self, port: u16) {
        self.table.write_all_at(&[0; 4], u64::from(port) * 4).unwrap();
    }

    /// How often this port's fault occurred; 255 means 255 or more.
    pub(crate) fn count(&self, port: u16) -> u8 {
        let mut count = [0];
        self.table.read_exact_at(&mut count, u64::from(port) * 4 + 3).unwrap();
        count[0]
    }
}
