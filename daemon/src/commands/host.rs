//! Owns what `check` looks at beyond the settings: how they meet this host. Ports, names, clock, disk,
//! modes of files, open files: each finding with its remedy. Called by `check`; never changes anything,
//! and never says that a start would fail where it might not.

use crate::settings::{Log, MaxBytes, OTHER_FILES, Settings, unknown_targets};
use crate::{admin, clock, log, store, tls};
use std::io::ErrorKind;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tcp_chat_protocol::Timestamp;

/// A disk with less room than this fills soon: a day of busy chat.
const ROOM: u64 = 256 << 20;
/// How long names may take to be looked up, all together.
const LOOK_UP: Duration = Duration::from_secs(5);
/// A certificate that ends sooner is worth a word.
const ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a start would stumble over, and what is only worth a look.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// A start fails.
    pub(super) bad: Vec<String>,
    /// It starts, and something will not work as it should.
    pub(super) warnings: Vec<String>,
}

/// Looks at everything; `newest` is when the newest message in the store was said.
pub(super) fn look(settings: &Settings, newest: Option<Timestamp>) -> Findings {
    let mut found = Findings::default();
    ports(settings, &mut found);
    control_socket(settings, &mut found);
    log_target(&settings.log, &mut found);
    clocks(Timestamp::now(), newest, &mut found);
    certificate(settings, &mut found);
    look_up(&settings.tls.names, &mut found);
    modes(settings, &mut found);
    disk(settings, &mut found);
    open_files(settings.limits.connections as u64, &mut found);
    found
}

fn ports(settings: &Settings, found: &mut Findings) {
    // The daemon that runs has its ports: nothing is wrong with that.
    let runs = settings.control_socket().is_some_and(|path| UnixStream::connect(path).is_ok());
    let chat = settings.listen.address.iter().map(|address| ("listen.address", "tcp-chatd.socket", address));
    let web = settings.web.address.iter().map(|address| ("web.address", "tcp-chatd-web.socket", address));
    for (key, unit, address) in chat.chain(web) {
        match TcpListener::bind(address) {
            Err(e) if e.kind() == ErrorKind::AddrInUse && !runs => found.warnings.push(format!(
                "{key}: {address} is taken, and no daemon answers; unless {unit} holds it, a \
                 start fails: see who it is with `ss -ltnp sport = :{}`",
                address.port()
            )),
            Err(e) if e.kind() == ErrorKind::AddrNotAvailable => found.bad.push(format!(
                "{key}: {address} is not an address of this host now; a start is tried again until it is: \
                 see `ip addr`"
            )),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
                found.bad.push(format!(
                    "{key}: {address}: this host's kernel has no IPv6: give an IPv4 address, such as \
                     \"0.0.0.0:{}\"",
                    address.port()
                ));
            }
            _ => {}
        }
    }
}

fn control_socket(settings: &Settings, found: &mut Findings) {
    let Some(path) = settings.control_socket() else { return };
    if let Err(why) = admin::check_path(&path) {
        found.bad.push(format!("admin.socket: {}: {why}", path.display()));
    }
}

fn log_target(wanted: &Log, found: &mut Findings) {
    if let Err(why) = log::check(wanted) {
        found.bad.push(why.to_string());
    }
    found.warnings.extend(unknown_targets(&wanted.level).into_iter().map(|why| format!("log.level: {why}")));
}

fn clocks(now: Timestamp, newest: Option<Timestamp>, found: &mut Findings) {
    if let Err(why) = clock::check(UNIX_EPOCH + Duration::from_millis(now.0)) {
        found.bad.push(why.to_string());
    }
    if let Some(newest) = newest.filter(|newest| now < *newest) {
        found.warnings.push(format!(
            "clock: it shows {now}, and the newest message in the store is of {newest}: the next ones would \
             seem older than it, though their order stays; set the clock (`timedatectl`), or, where it was \
             ahead then and is right now, leave it"
        ));
    }
}

/// What was found wrong with the files was said already: here is only what is in them.
fn certificate(settings: &Settings, found: &mut Findings) {
    let Some((file, leaf)) =
        tls::show(&settings.tls).ok().and_then(|all| all.into_iter().find(|(_, facts)| !facts.is_ca))
    else {
        return;
    };
    let file = file.display();
    let own = settings.tls.own().is_some();
    for name in settings.tls.names.iter().filter(|name| !leaf.names.contains(*name)) {
        found.warnings.push(if own {
            format!("{file}: it is not good for {name} (tls.names): get one that is, or take the name out")
        } else {
            format!(
                "{file}: it is not good for {name} (tls.names) yet: a start or a reload makes one that is"
            )
        });
    }
    let left = leaf.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    if own && left < ENDS_SOON {
        found.warnings.push(format!(
            "{file}: it ends in {} days: renew it where it comes from, and reload",
            left.as_secs() / 86_400
        ));
    }
}

fn look_up(names: &[String], found: &mut Findings) {
    let (answers, heard) = mpsc::channel();
    let wanted: Vec<&String> = names.iter().filter(|name| !name.contains('*')).collect();
    for name in &wanted {
        let (name, answers) = ((*name).clone(), answers.clone());
        // The system's look-up cannot be given up: a thread of its own can be left behind.
        std::thread::spawn(move || {
            let known = (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut all| all.next().is_some());
            let _ = answers.send((name, known)); // Who has waited long enough has gone.
        });
    }
    drop(answers);
    let until = std::time::Instant::now() + LOOK_UP;
    let mut known = Vec::new();
    while let Ok((name, is_known)) =
        heard.recv_timeout(until.saturating_duration_since(std::time::Instant::now()))
    {
        if is_known {
            known.push(name);
        }
    }
    for name in wanted.into_iter().filter(|name| !known.contains(name)) {
        found.warnings.push(format!(
            "tls.names: {name} cannot be looked up from here; clients that use it need it in DNS or /etc/hosts"
        ));
    }
}

fn modes(settings: &Settings, found: &mut Findings) {
    let (tls, http) = (&settings.tls, &settings.http);
    let key = tls.own().map_or_else(|| tls.dir.join("server.key"), |(_, key)| key.to_owned());
    let mut files: Vec<PathBuf> = vec![key];
    if tls.own().is_none() {
        files.push(tls.dir.join("ca.key"));
    }
    files.extend(settings.web.key.clone());
    files.extend(http.token_file.as_ref().map(|secret| secret.file.clone()));
    files.extend(settings.history.path.clone());
    for file in files {
        let Ok(facts) = std::fs::metadata(&file) else { continue };
        if facts.mode() & 0o007 != 0 {
            found.warnings.push(format!(
                "{file}: everyone on this host may use it (mode {mode:03o}): chmod o= {file}",
                file = file.display(),
                mode = facts.mode() & 0o777
            ));
        }
    }
}

fn disk(settings: &Settings, found: &mut Findings) {
    let Some(path) = &settings.history.path else { return };
    let Some(left) = store::free(&folder_of(path)) else { return };
    let taken = path.metadata().map_or(0, |file| file.len());
    if let MaxBytes::Bytes(most) = settings.history.max_bytes
        && most > left.saturating_add(taken)
    {
        found.warnings.push(format!(
            "history.max_bytes: {} MiB are more than the {} MiB that the disk of {} has for it; when that is \
             full, messages are refused: lower it, or make room",
            most >> 20,
            left.saturating_add(taken) >> 20,
            path.display()
        ));
    }
    if left < ROOM {
        found.warnings.push(format!(
            "{}: {} MiB are left on its disk; when it is full, messages are refused: make room, or shorten \
             history.retain",
            path.display(),
            left >> 20
        ));
    }
}

/// The folder that holds the store, or will hold it; of those that a start makes, the first one that is there. It is
/// on the disk that the daemon measures: SQLite follows symbolic links, and makes the file that a link leads to.
fn folder_of(store: &Path) -> PathBuf {
    let mut path = store::followed(store);
    if let Ok(to) = path.read_link() {
        path = path.parent().map_or_else(|| to.clone(), |folder| folder.join(&to));
    }
    let there = path.ancestors().skip(1).find(|folder| folder.exists() || folder.as_os_str().is_empty());
    there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn open_files(connections: u64, found: &mut Findings) {
    let wanted = connections + OTHER_FILES;
    if let Ok((_, most)) = rlimit::Resource::NOFILE.get()
        && most < wanted
    {
        found.warnings.push(format!(
            "limits.connections: {connections} need {wanted} open files, and here are at most {most}: raise \
             LimitNOFILE (ulimit -Hn), or lower the limit"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_target_that_is_not_there_is_said() {
        let mut found = Findings::default();
        let mut wanted = Log::default();
        log_target(&wanted, &mut found);
        assert!(found.bad.is_empty() && found.warnings.is_empty(), "{found:?}");
        wanted.level = "info,tcp_chatd::stor=debug".into();
        log_target(&wanted, &mut found);
        assert!(
            found.warnings[0].starts_with("log.level: the program has no part tcp_chatd::stor"),
            "{found:?}"
        );
        // Where there is no journal, a start fails.
        wanted.format = crate::settings::LogFormat::Journald;
        let mut found = Findings::default();
        log_target(&wanted, &mut found);
        assert_eq!(
            found.bad.len(),
            usize::from(!Path::new("/run/systemd/journal/socket").exists()),
            "{found:?}"
        );
    }

    #[test]
    fn a_clock_from_before_this_program_is_said() {
        let mut found = Findings::default();
        clocks(Timestamp::now(), None, &mut found);
        assert!(found.warnings.is_empty() && found.bad.is_empty());
        clocks(Timestamp(86_400_000), None, &mut found);
        assert!(found.bad[0].starts_with("clock: "), "{found:?}");
    }

    #[test]
    fn a_clock_behind_the_newest_message_is_said_with_both_moments() {
        let (now, mut found) = (Timestamp(1_800_000_000_000), Findings::default());
        clocks(now, Some(now), &mut found);
        assert!(found.warnings.is_empty());
        clocks(now, Some(Timestamp(now.0 + 3_600_000)), &mut found);
        let both =
            "it shows 2027-01-15T08:00:00.000Z, and the newest message in the store is of 2027-01-15T09:00";
        assert!(found.warnings[0].contains(both), "{found:?}");
    }

    #[test]
    fn a_history_that_may_grow_beyond_its_disk_is_said_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.history.path = Some(folder.path().join("chat.db"));
        for (most, is_said) in [(MaxBytes::Bytes(1 << 20), false), (MaxBytes::Bytes(1 << 60), true)] {
            settings.history.max_bytes = most;
            let mut found = Findings::default();
            disk(&settings, &mut found);
            let said =
                found.warnings.iter().any(|w| w.starts_with("history.max_bytes: 1099511627776 MiB are "));
            assert_eq!(said, is_said, "{found:?}");
        }
    }

    #[test]
    fn the_disk_that_counts_is_that_of_the_store_behind_a_link() {
        let (links, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, store) = (links.path().join("chat.db"), disk.path().join("chat.db"));
        std::os::unix::fs::symlink(&store, &link).unwrap();
        for is_there in [false, true] {
            if is_there {
                std::fs::write(&store, "").unwrap();
            }
            let folder = folder_of(&link).canonicalize().unwrap();
            assert_eq!(folder, disk.path().canonicalize().unwrap(), "{is_there}");
        }
        assert_eq!(folder_of(&links.path().join("not/there/chat.db")), links.path());
        assert_eq!(folder_of(Path::new("chat.db")), Path::new("."));
    }

    #[test]
    fn more_connections_than_open_files_are_said_with_both_numbers() {
        let mut found = Findings::default();
        open_files(8, &mut found);
        assert!(found.warnings.is_empty());
        open_files(1 << 50, &mut found);
        assert!(found.warnings[0].contains("1125899906842624 need 1125899906842688 open files"), "{found:?}");
    }

    #[test]
    fn names_that_nobody_knows_are_said_and_known_ones_are_not() {
        let mut found = Findings::default();
        look_up(&["localhost".into(), "127.0.0.1".into(), "no-such-host.invalid".into()], &mut found);
        assert_eq!(found.warnings.len(), 1, "{found:?}");
        assert!(found.warnings[0].starts_with("tls.names: no-such-host.invalid "), "{found:?}");
    }
}
