//! Owns `tcp-chatd check`: everything that a start would stumble over or clients refuse, at once, and what
//! is worth a look on this host. Never makes or changes anything.

use super::{Failure, exit, host, print};
use crate::chat::RoomTwin;
use crate::settings::{History, Loaded, Settings};
use crate::store::{Checked, Store};
use crate::{tls, web};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// Reads configuration (the caller did), certificates and store.
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
    if let Some(own) = loaded.settings.web.tls(&loaded.settings.tls) {
        match tls::check(&own, SystemTime::now()) {
            Ok(found) => {
                good.push_str(&found.good);
                bad.extend(found.refused);
                warnings.extend(found.doubts);
                let shown = tls::show(&own).unwrap_or_default();
                bad.extend(
                    shown
                        .first()
                        .and_then(|(file, facts)| web::check(&loaded.settings, file, &facts.names).err()),
                );
            }
            Err(e) => {
                if e.fault == tls::Fault::Permission {
                    exit = exit::PERMISSION;
                }
                bad.push(e.to_string());
            }
        }
    }
    let mut newest = None;
    if let Some(wal) = Store::foreign_wal(&loaded.settings.history) {
        warnings.push(format!(
            "{}: the write-ahead log of the store that was there before this one: a start does not mix them, and sets \
             it aside with the ending .of-the-store-before",
            wal.display()
        ));
    }
    match store(&loaded.settings.history) {
        Ok((found, Checked { newest: of, rooms })) => {
            good.push_str(&format!("{found}\n"));
            newest = of;
            let Settings { rooms: configured, http, .. } = &loaded.settings;
            let configured = [&configured.default[..], http.open_rooms()].concat();
            warnings.extend(RoomTwin::find(&configured, &rooms).iter().map(ToString::to_string));
        }
        Err(reason) => bad.push(reason),
    }
    let host = host::look(&loaded.settings, newest);
    bad.extend(host.bad);
    print(&good)?;
    for warning in warnings.into_iter().chain(host.warnings) {
        eprintln!("warning: {warning}");
    }
    if bad.is_empty() { Ok(()) } else { Err(Failure::new(exit, bad.join("\n"))) }
}

/// What is to be said of it, and what was found in it.
fn store(history: &History) -> Result<(String, Checked), String> {
    let Some(path) = &history.path else {
        return Ok(("store: in memory, nothing is kept".to_owned(), Checked::default()));
    };
    let shown = path.display();
    if !path.exists() {
        // Its write-ahead log may be there.
        Store::check(history).map_err(|why| why.to_string())?;
        return Ok((format!("{shown}: not there yet; a start makes it"), Checked::default()));
    }
    // Opening leaves files behind (SQLite's log, the lock). As root they would be root's, and the
    // daemon could not open them any more.
    if !is_own(path) {
        let said = format!("{shown}: not opened, since it belongs to another user; check as that user");
        return Ok((said, Checked::default()));
    }
    match Store::check(history) {
        Ok(found) => Ok((format!("{shown}: fine"), found)),
        Err(why) => Err(why.to_string()),
    }
}

fn is_own(path: &Path) -> bool {
    let own = std::fs::metadata("/proc/self").map(|process| process.uid());
    let owner = std::fs::metadata(path).map(|file| file.uid());
    matches!((own, owner), (Ok(own), Ok(owner)) if own == owner)
}
