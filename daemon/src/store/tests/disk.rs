//! Small disks for the store's tests: a tmpfs each. If none can be mounted, the tests print this and pass.
//! Never writes to a disk.

use super::super::location;
use std::process::Command;

/// The size of the disk in most of these tests, in MiB.
pub(super) const MIB: u64 = 24;

/// A disk that is unmounted at the end of the test.
pub(super) struct Disk(pub(super) tempfile::TempDir);

impl Disk {
    pub(super) fn small() -> Option<Self> {
        Self::of(MIB)
    }

    /// Mounts a disk of so many MiB. 0: of a size that the system does not report.
    pub(super) fn of(mib: u64) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0700"), "none"]).arg(at.path());
        let is_mounted = mount.output().is_ok_and(|done| done.status.success());
        if !is_mounted {
            eprintln!("skipped: no tmpfs can be mounted here");
        }
        is_mounted.then_some(Self(at))
    }

    pub(super) fn store(&self) -> std::path::PathBuf {
        self.0.path().join("chat.db")
    }

    pub(super) fn free(&self) -> u64 {
        location::free_bytes(self.0.path()).unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}
