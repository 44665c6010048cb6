//! Owns the small disks of the store's tests: a tmpfs each. Where none can be mounted, the tests say so and pass. Never
//! writes to one.

use super::super::place;
use std::process::Command;

/// What the disk of most of these tests has room for, in MiB.
pub(super) const MIB: u64 = 24;

/// A disk that is gone with the test.
pub(super) struct Disk(pub(super) tempfile::TempDir);

impl Disk {
    pub(super) fn small() -> Option<Self> {
        Self::of(MIB)
    }

    /// Of so many MiB; 0: of a size that the system does not tell.
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
        place::free(self.0.path()).unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}
