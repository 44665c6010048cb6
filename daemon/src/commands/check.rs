//! Owns `tcp-chatd check`: reports at once every fault that would fail a start or make clients refuse the
//! certificate, and warnings about this host. Called by `commands`. Never makes or changes anything.

use super::{Failure, exit, host, print};
use crate::settings::{History, Loaded, Settings};
use crate::store::{Checked, Store};
use crate::tls::{self, TlsError, TlsReport};
use crate::web;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;
use tcp_chat_progress::{Shown, Watch, mebibytes};
use tcp_chat_state::RoomTwin;

/// Checks certificates, store and host. The caller has already read the configuration.
pub(super) fn check(loaded: &Loaded) -> Result<(), Failure> {
    let mut good = match &loaded.file {
        Some(file) => format!("{}: fine\n", file.display()),
        None => "configuration: no file, the built-in defaults\n".to_owned(),
    };
    let (mut bad, mut warnings) = (Vec::new(), Vec::new());
    let mut exit = exit::CONFIG;
    match tls::check(&loaded.settings.tls, SystemTime::now()) {
        Ok(found) => {
            good.push_str(&found.good);
            bad.extend(found.refused);
            warnings = found.doubts;
        }
        Err(e) => {
            if e.fault == tls::Fault::Permission {
                exit = exit::PERMISSION;
            }
            bad.push(e.to_string());
        }
    }
    match page(&loaded.settings, SystemTime::now()) {
        Ok(found) => {
            good.push_str(&found.good);
            bad.extend(found.refused);
            warnings.extend(found.doubts);
        }
        Err(e) => {
            if e.fault == tls::Fault::Permission {
                exit = exit::PERMISSION;
            }
            bad.push(e.to_string());
        }
    }
    let mut newest = None;
    if let Some(wal) = Store::foreign_wal(&loaded.settings.history) {
        warnings.push(format!(
            "{}: this write-ahead log belongs to an earlier store: a start does not replay it, and renames it \
             to the ending .of-the-store-before",
            wal.display()
        ));
    }
    match store(&loaded.settings.history) {
        Ok((found, Checked { newest: of, rooms, .. })) => {
            good.push_str(&format!("{found}\n"));
            newest = of;
            let Settings { rooms: configured, http, .. } = &loaded.settings;
            let configured = [&configured.default[..], http.open_rooms()].concat();
            warnings.extend(RoomTwin::find(&configured, &rooms).iter().map(ToString::to_string));
        }
        Err(reason) => bad.push(reason),
    }
    let host = host::inspect(&loaded.settings, newest);
    bad.extend(host.bad);
    print(&good)?;
    for warning in warnings.into_iter().chain(host.warnings) {
        eprintln!("warning: {warning}");
    }
    if bad.is_empty() { Ok(()) } else { Err(Failure::new(exit, bad.join("\n"))) }
}

/// The findings about the page: its certificate, its names, and whether browsers can log in.
fn page(settings: &Settings, now: SystemTime) -> Result<TlsReport, TlsError> {
    let mut found = TlsReport::default();
    let Some(pair) = settings.web.tls(&settings.tls) else { return Ok(found) };
    if let Some(names) = tls::issued_for_page(&settings.tls, &pair, now) {
        let file = pair.certificate.unwrap_or_default();
        found.good = format!("{}: the page uses this certificate, which a start issues\n", file.display());
        found.refused.extend(web::check(settings, &file, &names).err());
    } else {
        found = tls::check(&pair, now)?;
        let shown = tls::show(&pair).unwrap_or_default();
        let leaf = shown.first();
        found.refused.extend(leaf.and_then(|(file, facts)| web::check(settings, file, &facts.names).err()));
    }
    found.doubts.extend(web::login_fault(settings));
    Ok(found)
}

/// A sentence about the store, and the facts found in it.
fn store(history: &History) -> Result<(String, Checked), String> {
    let Some(path) = &history.path else {
        return Ok(("store: in memory, no message is kept".to_owned(), Checked::default()));
    };
    let shown = path.display();
    // What cannot be looked at may exist.
    let exists = path.try_exists().map_err(|e| format!("{shown}: it cannot be read: {e}"))?;
    if !exists {
        // Its write-ahead log may exist.
        Store::check(history).map_err(|why| why.to_string())?;
        return Ok((format!("{shown}: does not exist yet; a start creates it"), Checked::default()));
    }
    // Opening creates files (SQLite's log, the lock). If root opens the store they belong to root, and the daemon
    // can no longer open them.
    if !is_own(path) {
        let found = format!("{shown}: not opened, because it belongs to another user; check as that user");
        return Ok((found, Checked::default()));
    }
    let bytes = path.metadata().map_or(0, |file| file.len());
    let text = format!("reading every page of {shown} ({})", mebibytes(bytes));
    let watch = Watch::start(Shown::Always, move |since| format!("{text}: {} s", since.as_secs()));
    let checked = Store::check(history);
    drop(watch);
    match checked {
        Ok(found) => Ok((format!("{shown}: fine"), found)),
        Err(why) => Err(why.to_string()),
    }
}

fn is_own(path: &Path) -> bool {
    let own = std::fs::metadata("/proc/self").map(|process| process.uid());
    let owner = std::fs::metadata(path).map(|file| file.uid());
    matches!((own, owner), (Ok(own), Ok(owner)) if own == owner)
}
