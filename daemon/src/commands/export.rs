//! Owns `tcp-chatd export`: its arguments, and the messages as lines of JSON on standard output. Reads the store itself,
//! so a daemon may run or not. Called by `commands`. Never writes to the store, and holds about two mebibytes of it at a
//! time.

use super::{Failure, exit};
use crate::settings::History;
use crate::store::{self, ExportError, ExportFilter, StoreError};
use clap::Args;
use std::io::{ErrorKind, Write};
use std::time::Duration;
use tcp_chat_progress::{Progress, Shown, percent, thousands};
use tcp_chat_protocol::{Name, Timestamp};

/// `export`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Export {
    /// Only the messages of this room
    #[arg(long, value_name = "ROOM", value_parser = name)]
    pub room: Option<Name>,
    /// Only messages that this user wrote, and the direct messages to this user
    #[arg(long, value_name = "USER", value_parser = name)]
    pub user: Option<Name>,
    /// Only messages from this time on: RFC 3339 (2026-11-24T10:00:00Z), or a duration before now (7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Timestamp>,
}

/// Prints the messages.
pub(super) fn export(history: &History, wanted: Export) -> Result<(), Failure> {
    let Export { room, user, since } = wanted;
    let mut export = store::Export::open(history, ExportFilter { room, user, since })?;
    let (start, end) = export.range();
    let mut progress = Progress::new(Shown::WithoutOutput);
    let mut out = std::io::stdout().lock();
    let (mut lines, mut all) = (Vec::new(), 0);
    while let Some(count) = export.next(&mut lines).map_err(ExportError::from)? {
        match out.write_all(&lines).and_then(|()| out.flush()) {
            // The reader has what it wanted.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            done => done.map_err(|e| Failure::new(exit::DISK, format!("standard output: {e}")))?,
        }
        lines.clear();
        all += count;
        let done = export.range().0.saturating_sub(start);
        progress.show(|| format!("{} messages, {}", thousands(all), percent(done, end - start)));
    }
    Ok(())
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let exit = match &error {
            ExportError::Store(why) if why.is_permission() => exit::PERMISSION,
            ExportError::Store(_) => exit::DISK,
            ExportError::InMemory => exit::CONFIG,
            ExportError::NoRoom(_) => exit::USAGE,
        };
        let text = match &error {
            // The files are right: it is the user who is not.
            ExportError::Store(StoreError::Permission { path, .. }) => {
                format!("no permission to read {}: export as the daemon's user or as root", path.display())
            }
            _ => error.to_string(),
        };
        Self::new(exit, text)
    }
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse_kept(text).map_err(|why| why.to_string())
}

/// A time, or a duration before now.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Some(time) = time(text) {
        return Ok(time);
    }
    let before = humantime::parse_duration(text).map_err(|_| {
        "write a time such as 2026-11-24T10:00:00Z, or a duration before now such as 7d".to_owned()
    })?;
    let before = u64::try_from(before.as_millis()).unwrap_or(u64::MAX);
    Ok(Timestamp(Timestamp::now().0.saturating_sub(before)))
}

/// RFC 3339 with any offset. humantime reads UTC alone.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
    let local: Timestamp = format!("{local}Z").parse().ok()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset_ms = Duration::from_secs((hours * 60 + minutes) * 60).as_millis();
    let offset_ms = u64::try_from(offset_ms).ok()?;
    match offset.as_bytes().first()? {
        b'+' => Some(Timestamp(local.0.saturating_sub(offset_ms))),
        b'-' => Some(Timestamp(local.0.saturating_add(offset_ms))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations() {
        let ten = "2026-11-24T10:00:00Z".parse::<Timestamp>().unwrap();
        for text in [
            "2026-11-24T10:00:00Z",
            "2026-11-24T10:00:00.000Z",
            "2026-11-24T11:00:00+01:00",
            "2026-11-24T04:30:00-05:30",
        ] {
            assert_eq!(since(text), Ok(ten), "{text}");
        }
        let week = Timestamp::now().0 - since("7d").unwrap().0;
        assert!((604_800_000 - 60_000..=604_800_000).contains(&week), "{week}");
        assert_eq!(since("9000000d"), Ok(Timestamp(0)));
        for wrong in [
            "",
            "7",
            "yesterday",
            "2026-11-24",
            "2026-11-24T10:00:00*01:00",
            "2026-11-24T10:00:00+24:00",
            "é+01:00",
        ] {
            assert!(since(wrong).is_err_and(|why| why.contains("7d")), "{wrong}");
        }
    }
}
