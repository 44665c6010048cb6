//! Tells `--version` what the program was built from: the versions of the TLS libraries, and in a
//! release build the commit, if it can be known. Needs neither git nor a checkout.

use std::fs;
use std::path::Path;
use std::process::Command;

/// When the program was made, where nobody says: 2026-01-01, in seconds since 1970.
const MADE: u64 = 1_767_225_600;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TCP_CHAT_COMMIT");
    println!("cargo::rustc-env=TCP_CHAT_TLS={}", tls());
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let made = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    println!("cargo::rustc-env=TCP_CHAT_MADE={}", made.unwrap_or(MADE));
    let commit = std::env::var("TCP_CHAT_COMMIT").ok().or_else(commit);
    let built_from = commit.map_or_else(String::new, |commit| format!(" (commit {commit})"));
    println!("cargo::rustc-env=TCP_CHAT_BUILT_FROM={built_from}");
}

/// The commit that is checked out, in a release build: other builds would be made anew for each.
fn commit() -> Option<String> {
    let log = Path::new("../.git/logs/HEAD");
    if std::env::var("PROFILE").as_deref() != Ok("release") || !log.exists() {
        return None;
    }
    println!("cargo::rerun-if-changed={}", log.display());
    let shown = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(shown.stdout).ok()?;
    (shown.status.success() && !commit.trim().is_empty()).then(|| commit.trim().to_owned())
}

/// `rustls 0.23.46 with aws-lc-rs 1.19.0`, from the lock file.
fn tls() -> String {
    let path = Path::new("../Cargo.lock");
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let lock = fs::read_to_string(path).unwrap_or_default();
    let version = |name: &str| {
        let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(format!("{name} {}", after.split('"').next()?))
    };
    let named = |name: &str| version(name).unwrap_or_else(|| name.to_owned());
    format!("{} with {}", named("rustls"), named("aws-lc-rs"))
}
