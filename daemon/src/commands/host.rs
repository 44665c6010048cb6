//! Owns the part of `check` that compares the settings with this host: ports, names, clock, disk, file modes,
//! open files. Each finding names its remedy. Called by `check`. Never changes anything, and reports a failing
//! start only if the start would really fail.

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

/// Below this free space a disk fills soon: about a day of busy chat. In bytes.
const LOW_SPACE: u64 = 256 << 20;
/// How long all name lookups together may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A certificate that ends within this time is reported.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// The findings about this host.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Faults with which a start fails.
    pub(super) bad: Vec<String>,
    /// Faults with which the daemon starts, but something does not work.
    pub(super) warnings: Vec<String>,
}

/// Checks everything; `newest` is the time of the newest message in the store.
pub(super) fn inspect(settings: &Settings, newest: Option<Timestamp>) -> Findings {
    let mut found = Findings::default();
    ports(settings, &mut found);
    control_socket(settings, &mut found);
    log_target(&settings.log, &mut found);
    clocks(Timestamp::now(), newest, &mut found);
    certificate(settings, &mut found);
    resolve(&settings.tls.names, &mut found);
    modes(settings, &mut found);
    disk(settings, &mut found);
    open_files(settings.limits.connections as u64, &mut found);
    found
}

fn ports(settings: &Settings, found: &mut Findings) {
    // A running daemon holds its own ports, which is no fault.
    let runs = settings.control_socket().is_some_and(|path| UnixStream::connect(path).is_ok());
    let chat = settings.listen.address.iter().map(|address| ("listen.address", "tcp-chatd.socket", address));
    let web = settings.web.address.iter().map(|address| ("web.address", "tcp-chatd-web.socket", address));
    for (key, unit, address) in chat.chain(web) {
        match TcpListener::bind(address) {
            Err(e) if e.kind() == ErrorKind::AddrInUse && !runs => found.warnings.push(format!(
                "{key}: {address} is in use, and no daemon answers; unless {unit} holds it, a \
                 start fails: find the process with `ss -ltnp sport = :{}`",
                address.port()
            )),
            Err(e) if e.kind() == ErrorKind::AddrNotAvailable => found.bad.push(format!(
                "{key}: {address} is not an address of this host now; the start is retried until it is: \
                 see `ip addr`"
            )),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
                found.bad.push(format!(
                    "{key}: {address}: the kernel of this host has no IPv6: give an IPv4 address, such as \
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
            "clock: it shows {now}, but the newest message in the store is of {newest}: new messages would \
             look older than it, although their order stays; set the clock (`timedatectl`). If the clock was \
             ahead then and is right now, leave it"
        ));
    }
}

/// Checks the content of the certificate files; `tls::check` has reported faults of the files themselves.
fn certificate(settings: &Settings, found: &mut Findings) {
    let Some((file, leaf)) =
        tls::show(&settings.tls).ok().and_then(|all| all.into_iter().find(|(_, facts)| !facts.is_ca))
    else {
        return;
    };
    let file = file.display();
    let own = settings.tls.operator_pair().is_some();
    for name in settings.tls.names.iter().filter(|name| !leaf.names.contains(*name)) {
        found.warnings.push(if own {
            format!("{file}: it is not valid for {name} (tls.names): get a certificate that is, or remove the name")
        } else {
            format!(
                "{file}: it is not valid for {name} (tls.names) yet: a start or a reload issues one that is"
            )
        });
    }
    let left = leaf.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    if own && left < EXPIRES_SOON {
        found.warnings.push(format!(
            "{file}: it ends in {} days: renew it at its CA, then reload",
            left.as_secs() / 86_400
        ));
    }
}

fn resolve(names: &[String], found: &mut Findings) {
    let (sender, receiver) = mpsc::channel();
    let wanted: Vec<&String> = names.iter().filter(|name| !name.contains('*')).collect();
    for name in &wanted {
        let (name, sender) = ((*name).clone(), sender.clone());
        // The lookup of the system cannot be cancelled, so it runs on a thread that may outlive this function.
        std::thread::spawn(move || {
            let known = (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut all| all.next().is_some());
            let _ = sender.send((name, known)); // The receiver may be gone after the timeout.
        });
    }
    drop(sender);
    let until = std::time::Instant::now() + RESOLVE_TIMEOUT;
    let mut known = Vec::new();
    while let Ok((name, is_known)) =
        receiver.recv_timeout(until.saturating_duration_since(std::time::Instant::now()))
    {
        if is_known {
            known.push(name);
        }
    }
    for name in wanted.into_iter().filter(|name| !known.contains(name)) {
        found.warnings.push(format!(
            "tls.names: {name} does not resolve on this host; clients that use it need it in DNS or /etc/hosts"
        ));
    }
}

fn modes(settings: &Settings, found: &mut Findings) {
    let (tls, http, cluster) = (&settings.tls, &settings.http, &settings.cluster);
    let key = tls.operator_pair().map_or_else(|| tls.dir.join("server.key"), |(_, key)| key.to_owned());
    let mut files: Vec<PathBuf> = vec![key];
    if tls.operator_pair().is_none() {
        files.push(tls.dir.join("ca.key"));
    }
    files.extend(settings.web.key.clone());
    files.extend(http.token_file.as_ref().map(|secret| secret.file.clone()));
    files.extend(settings.history.path.clone());
    if cluster.node().is_some() {
        let logins = [&cluster.credentials, &cluster.password_file, &cluster.key];
        files.extend(logins.into_iter().flatten().cloned());
    }
    for file in files {
        let Ok(facts) = std::fs::metadata(&file) else { continue };
        if facts.mode() & 0o007 != 0 {
            found.warnings.push(format!(
                "{file}: every user of this host has access to it (mode {mode:03o}): chmod o= {file}",
                file = file.display(),
                mode = facts.mode() & 0o777
            ));
        }
    }
}

fn disk(settings: &Settings, found: &mut Findings) {
    let Some(path) = &settings.history.path else { return };
    let Some(left) = store::free_bytes(&folder_of(path)) else { return };
    let taken = path.metadata().map_or(0, |file| file.len());
    if let MaxBytes::Bytes(allowed) = settings.history.max_bytes
        && allowed > left.saturating_add(taken)
    {
        found.warnings.push(format!(
            "history.max_bytes: {} MiB are more than the {} MiB that the disk of {} has for it; when the disk is \
             full, messages are refused: lower the value, or free space",
            allowed >> 20,
            left.saturating_add(taken) >> 20,
            path.display()
        ));
    }
    if left < LOW_SPACE {
        found.warnings.push(format!(
            "{}: {} MiB are free on its disk; when it is full, messages are refused: free space, or shorten \
             history.retain",
            path.display(),
            left >> 20
        ));
    }
}

/// The folder of the store, or the nearest existing folder above it. It is on the disk that the daemon measures:
/// SQLite follows symbolic links, and creates the file that a link points to.
fn folder_of(store: &Path) -> PathBuf {
    let mut path = store::resolve_links(store);
    if let Ok(to) = path.read_link() {
        path = path.parent().map_or_else(|| to.clone(), |folder| folder.join(&to));
    }
    let there = path.ancestors().skip(1).find(|folder| folder.exists() || folder.as_os_str().is_empty());
    there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn open_files(connections: u64, found: &mut Findings) {
    let wanted = connections + OTHER_FILES;
    if let Ok((_, allowed)) = rlimit::Resource::NOFILE.get()
        && allowed < wanted
    {
        found.warnings.push(format!(
            "limits.connections: {connections} need {wanted} open files, and this host allows {allowed}: raise \
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
            found.warnings[0].starts_with("log.level: the program has no module tcp_chatd::stor"),
            "{found:?}"
        );
        // A host without the journal fails a start.
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
            "it shows 2027-01-15T08:00:00.000Z, but the newest message in the store is of 2027-01-15T09:00";
        assert!(found.warnings[0].contains(both), "{found:?}");
    }

    #[test]
    fn a_history_that_may_grow_beyond_its_disk_is_said_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.history.path = Some(folder.path().join("chat.db"));
        for (allowed, is_said) in [(MaxBytes::Bytes(1 << 20), false), (MaxBytes::Bytes(1 << 60), true)] {
            settings.history.max_bytes = allowed;
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
        resolve(&["localhost".into(), "127.0.0.1".into(), "no-such-host.invalid".into()], &mut found);
        assert_eq!(found.warnings.len(), 1, "{found:?}");
        assert!(found.warnings[0].starts_with("tls.names: no-such-host.invalid "), "{found:?}");
    }
}
