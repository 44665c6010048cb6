//! Minting, recovery from every crash, renewal, an operator's own pair, and real handshakes in
//! memory. `now` is an argument everywhere: nothing here waits.

use super::*;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, NamedGroup, ProtocolVersion, RootCertStore, ServerConnection};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

const DAY: Duration = Duration::from_secs(86_400);
const HOST: &str = "box.lan";

/// A folder for certificates, and a clock that stands still.
struct Place {
    dir: tempfile::TempDir,
    now: SystemTime,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), now: SystemTime::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("certs").join(name)
    }

    fn settings(&self) -> settings::Tls {
        settings::Tls { dir: self.dir.path().join("certs"), ..settings::Tls::default() }
    }

    fn open(&self) -> Result<TlsState, TlsError> {
        open_as(&self.settings(), HOST, self.now)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn all(&self) -> Vec<Vec<u8>> {
        ["ca.pem", "ca.key", "server.pem", "server.key"].map(|name| self.read(name)).to_vec()
    }

    /// A pair of an operator's: from another CA, in the place's own folder.
    fn own_pair(&self, other: &Place, settings: &mut settings::Tls) {
        other.open().unwrap();
        let (certificate, key) = (self.dir.path().join("own.pem"), self.dir.path().join("own.key"));
        replace(&certificate, &other.read("server.pem"));
        replace(&key, &other.read("server.key"));
        settings.own = Some((certificate, key));
    }
}

/// Replaces a file as certbot does: another inode.
fn replace(path: &Path, content: &[u8]) {
    let next = path.with_extension("next");
    fs::write(&next, content).unwrap();
    fs::rename(&next, path).unwrap();
}

fn with_certificate<T>(pem: &[u8], look: impl Fn(&X509Certificate<'_>) -> T) -> T {
    use rustls::pki_types::pem::PemObject;
    let der = CertificateDer::from_pem_slice(pem).unwrap();
    let (rest, parsed) = X509Certificate::from_der(&der).unwrap();
    assert!(rest.is_empty());
    look(&parsed)
}

#[test]
fn the_first_start_makes_four_files_with_their_modes() {
    let place = Place::new();
    let state = place.open().unwrap();
    for (name, mode) in [("ca.pem", 0o644), ("ca.key", 0o600), ("server.pem", 0o644), ("server.key", 0o600)] {
        assert_eq!(fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o7777, mode, "{name}");
    }
    assert_eq!(fs::metadata(place.path("")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 4, "nothing half is left");
    let notes = state.first_notes();
    assert!(matches!(&notes[..], [TlsNote::CaMade { .. }, TlsNote::LeafIssued { .. }]), "{notes:?}");
    assert!(state.first_notes().is_empty(), "said once");
}

#[test]
fn the_ca_may_sign_leaves_and_nothing_else() {
    let place = Place::new();
    place.open().unwrap();
    with_certificate(&place.read("ca.pem"), |ca| {
        let constraints = ca.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        let usage = ca.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
        assert_eq!(usage.value.flags.count_ones(), 2, "{:?}", usage.value);
        assert!(ca.extended_key_usage().unwrap().is_none());
        assert_eq!(ca.subject().to_string(), format!("CN=tcp-chat CA of {HOST}"));
        let (from, until) = (ca.validity().not_before.timestamp(), ca.validity().not_after.timestamp());
        assert_eq!(until - from, 3_650 * 86_400 + 3_600);
        assert_eq!(ca.public_key().algorithm.algorithm.to_string(), "1.2.840.10045.2.1");
        assert_eq!(ca.raw_serial().len(), 16);
        assert!(ca.raw_serial()[0] < 0x80, "positive");
    });
}

#[test]
fn the_leaf_is_for_a_server_with_all_names_for_ninety_days() {
    let place = Place::new();
    let mut settings = place.settings();
    settings.names = vec!["chat.example".into(), "192.0.2.7".into(), "*.wild.example".into()];
    let state = open_as(&settings, HOST, place.now).unwrap();
    let names = state.summary().facts.names;
    let expected = ["127.0.0.1", "192.0.2.7", "*.wild.example", "::1", HOST, "chat.example", "localhost"];
    assert_eq!(names, expected.map(str::to_owned).into());
    let ski = with_certificate(&place.read("ca.pem"), |ca| {
        let extension = ca.extensions().iter().map(|e| e.parsed_extension()).find_map(|e| match e {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        extension.unwrap()
    });
    with_certificate(&place.read("server.pem"), |leaf| {
        assert!(!leaf.is_ca());
        let usage = leaf.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature());
        assert_eq!(usage.flags.count_ones(), 1);
        let extended = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.server_auth && !extended.client_auth && !extended.any);
        let extensions: Vec<_> = leaf.extensions().iter().map(|e| e.parsed_extension()).collect();
        let aki = extensions.iter().find_map(|e| match e {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
            _ => None,
        });
        assert_eq!(aki, Some(ski.clone()), "it names its signer");
        assert!(extensions.iter().any(|e| matches!(e, ParsedExtension::SubjectKeyIdentifier(_))));
        let (from, until) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
        assert_eq!(until - from, 90 * 86_400 + 3_600);
    });
}

#[test]
fn a_second_start_changes_nothing() {
    let place = Place::new();
    place.open().unwrap();
    let before = place.all();
    let state = place.open().unwrap();
    assert!(state.first_notes().is_empty());
    assert_eq!(place.all(), before);
    assert_eq!(state.summary().ca, Some(place.path("ca.pem")));
    let pin = with_certificate(&before[0], |ca| pair::pin(&CertificateDer::from(ca.as_raw().to_vec())));
    assert_eq!(state.summary().pin, pin);
}

#[test]
fn every_crash_of_the_first_start_is_recovered_from() {
    // The order of writing: ca.key, ca.pem, server.key, server.pem.
    let whole = Place::new();
    whole.open().unwrap();
    for written in 0..4 {
        let place = Place::new();
        fs::create_dir(place.path("")).unwrap();
        fs::write(place.path(".tcp-chatd-half-x1"), b"half").unwrap();
        for name in &["ca.key", "ca.pem", "server.key", "server.pem"][..written] {
            fs::write(place.path(name), whole.read(name)).unwrap();
        }
        let state = place.open().unwrap_or_else(|e| panic!("after {written} files: {e}"));
        assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 4, "after {written} files");
        assert_eq!(handshake(&state, &place, |_| {}).unwrap().version, ProtocolVersion::TLSv1_3);
        if written >= 1 {
            assert_eq!(place.read("ca.key"), whole.read("ca.key"), "after {written} files");
        }
        if written >= 2 {
            assert_eq!(place.read("ca.pem"), whole.read("ca.pem"), "after {written} files");
        }
    }
}

#[test]
fn a_crash_of_a_renewal_is_recovered_from() {
    let place = Place::new();
    place.open().unwrap();
    let ca = place.read("ca.pem");
    // The new key is there, the new certificate is not.
    let other = Place::new();
    other.open().unwrap();
    replace(&place.path("server.key"), &other.read("server.key"));
    let state = place.open().unwrap();
    let notes = state.first_notes();
    let [TlsNote::LeafIssued { reason: Reason::Broken(why), .. }] = &notes[..] else { panic!("{notes:?}") };
    assert!(why.contains("server.key: it is not the key of the certificate in"), "{why}");
    assert_eq!(place.read("ca.pem"), ca);
    handshake(&state, &place, |_| {}).unwrap();
}

#[test]
fn the_ca_is_never_made_again_while_any_part_of_it_or_a_leaf_is_there() {
    let anew = "To begin anew with a CA that every client must be told of, move all of ca.pem, ca.key, \
                server.pem and server.key away";
    let other = Place::new();
    other.open().unwrap();
    let missing_key = format!(
        "ca.key: it is missing, and ca.pem is there; bring it back from where it was moved to. {anew}"
    );
    let missing_ca =
        format!("ca.pem: it is missing, and a certificate that it signed is there; bring it back. {anew}");
    type Break = fn(&Place, &Place);
    let cases: [(Break, &str); 8] = [
        (|p, _| fs::remove_file(p.path("ca.key")).unwrap(), &missing_key),
        (|p, _| fs::remove_file(p.path("ca.pem")).unwrap(), &missing_ca),
        (
            |p, _| {
                ["ca.pem", "ca.key", "server.key"].iter().for_each(|n| fs::remove_file(p.path(n)).unwrap())
            },
            &missing_ca,
        ),
        (|p, _| fs::write(p.path("ca.pem"), "").unwrap(), "ca.pem: there is no certificate in it (PEM)"),
        (|p, _| fs::write(p.path("ca.key"), "x").unwrap(), "ca.key: the CA's key cannot be read: "),
        (
            |p, o| fs::write(p.path("ca.key"), o.read("ca.key")).unwrap(),
            "ca.key: it is not the key of the certificate in ca.pem",
        ),
        (
            |p, _| fs::copy(p.path("server.pem"), p.path("ca.pem")).map(drop).unwrap(),
            "ca.pem: there are 2 certificates in it instead of one",
        ),
        (
            |p, _| {
                let minted = issue(&p.settings(), &"ana".parse().unwrap(), p.now).unwrap();
                let first = minted.certificate.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
                fs::write(p.path("ca.pem"), first).unwrap();
            },
            "ca.pem: its certificate may not sign others: it is no CA",
        ),
    ];
    for (break_it, sentence) in cases {
        let place = Place::new();
        place.open().unwrap();
        break_it(&place, &other);
        let before: Vec<_> = ["ca.pem", "ca.key"].map(|n| fs::read(place.path(n)).ok()).to_vec();
        let error = place.open().unwrap_err();
        let text = error.to_string();
        let file = text.rsplit_once("/certs/").unwrap().1;
        assert!(file.starts_with(sentence), "{file}\n{sentence}");
        assert_eq!(error.fault, Fault::Content);
        let after: Vec<_> = ["ca.pem", "ca.key"].map(|n| fs::read(place.path(n)).ok()).to_vec();
        assert_eq!(after, before, "{sentence}");
        assert_eq!(check(&place.settings(), place.now).unwrap_err(), error, "check says the same");
    }
}

#[test]
fn an_expired_ca_is_said_to_be_so() {
    let mut place = Place::new();
    place.open().unwrap();
    place.now += mint::CA_LIFE + DAY;
    let text = place.open().unwrap_err().to_string();
    assert!(text.contains("ca.pem: it expired on 20"), "{text}");
}

#[test]
fn a_leaf_is_issued_anew_at_two_thirds_of_its_life_and_when_names_change() {
    let mut place = Place::new();
    let state = place.open().unwrap();
    let first = state.summary();
    place.now += 59 * DAY;
    assert_eq!(state.check_due_as(HOST, place.now), []);
    place.now += 2 * DAY;
    let notes = state.check_due_as(HOST, place.now);
    assert!(matches!(&notes[..], [TlsNote::LeafIssued { reason: Reason::Due, .. }]), "{notes:?}");
    let second = state.summary();
    assert!(second.facts.not_after > first.facts.not_after + 60 * DAY);
    assert_eq!(second.pin, first.pin, "the same CA");
    assert_eq!(state.check_due_as(HOST, place.now), [], "once");

    let notes = state.check_due_as("other.lan", place.now);
    assert!(matches!(&notes[..], [TlsNote::LeafIssued { reason: Reason::Names, .. }]), "{notes:?}");
    let mut settings = place.settings();
    settings.names = vec!["chat.example".into()];
    let changed = state.reload_as(&settings, HOST, place.now).unwrap();
    assert!(changed.certificate && !changed.config);
    assert!(matches!(&changed.notes[..], [TlsNote::LeafIssued { reason: Reason::Names, .. }]));
    assert!(state.summary().facts.names.contains("chat.example"));
    // What runs does so with the new one.
    let seen = handshake(&state, &place, |_| {}).unwrap();
    assert_eq!(seen.leaf, state.summary().facts.pin);
}

#[test]
fn a_start_replaces_a_leaf_that_no_client_would_take() {
    let mut place = Place::new();
    place.open().unwrap();
    let ca = place.read("ca.pem");
    let other = Place::new();
    other.open().unwrap();
    let reasons = |place: &Place| -> Vec<String> {
        let state = place.open().unwrap();
        handshake(&state, place, |_| {}).unwrap();
        state.first_notes().iter().map(ToString::to_string).collect()
    };
    // Signed by somebody else.
    for name in ["server.pem", "server.key"] {
        replace(&place.path(name), &other.read(name));
    }
    let text = reasons(&place).join("\n");
    assert!(text.contains("of no use: "), "{text}");
    fs::write(place.path("server.pem"), "garbage").unwrap();
    assert!(reasons(&place).join("\n").contains("there is no certificate in it (PEM)"));
    fs::remove_file(place.path("server.key")).unwrap();
    assert!(reasons(&place).join("\n").contains("server.key: it cannot be read"));
    place.now += 91 * DAY;
    assert!(reasons(&place).join("\n").contains("it expired on"));
    assert_eq!(place.read("ca.pem"), ca);
}

#[test]
fn near_the_end_of_the_ca_leaves_end_with_it_and_are_not_issued_for_ever() {
    let mut place = Place::new();
    place.open().unwrap();
    place.now += mint::CA_LIFE - 29 * DAY;
    let state = place.open().unwrap();
    let ca = with_certificate(&place.read("ca.pem"), |ca| ca.validity().not_after.timestamp());
    let leaf = with_certificate(&place.read("server.pem"), |leaf| leaf.validity().not_after.timestamp());
    assert_eq!(leaf, ca);
    let days = |notes: Vec<TlsNote>| -> Vec<u64> {
        notes
            .into_iter()
            .map(|note| match note {
                TlsNote::Ends { days, .. } => days,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    // Leaf and CA, each once at 30, 7 and 1 days.
    let mut said = Vec::new();
    for hours in 0..29 * 24 {
        said.extend(days(state.check_due_as(HOST, place.now + Duration::from_secs(hours * 3600))));
    }
    assert_eq!(said, [29, 29, 7, 7, 1, 1]);
}

#[test]
fn an_operators_pair_is_served_and_nothing_is_minted() {
    let (place, other) = (Place::new(), Place::new());
    let mut settings = place.settings();
    place.own_pair(&other, &mut settings);
    let state = open_as(&settings, HOST, place.now).unwrap();
    assert!(!place.path("").exists());
    let summary = state.summary();
    assert_eq!((summary.ca, summary.pin), (None, other.open().unwrap().summary().pin));
    handshake(&state, &other, |_| {}).unwrap();
    let error = renew(&settings, place.now).unwrap_err().to_string();
    assert!(error.contains("this certificate is your own (tls.certificate): renew it where it comes from"));
}

#[test]
fn an_operators_broken_pair_refuses_the_start() {
    let (place, other) = (Place::new(), Place::new());
    let mut settings = place.settings();
    place.own_pair(&other, &mut settings);
    let (certificate, key) = settings.own.clone().unwrap();
    let (good_certificate, good_key) = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());
    let client = issue(&other.settings(), &"ana".parse().unwrap(), place.now).unwrap();
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let stranger = Place::new();
    stranger.open().unwrap();
    let cases: [(&[u8], &[u8], Duration, &str); 8] = [
        (b"", &good_key, DAY, "own.pem: there is no certificate in it (PEM)"),
        (b"-----BEGIN CERTIFICATE-----\n!\n", &good_key, DAY, "own.pem: it is no PEM: "),
        (&good_certificate, b"", DAY, "own.key: there is no private key in it (PEM)"),
        (&good_certificate, encrypted, DAY, "own.key: the key in it is encrypted; "),
        (
            &good_certificate,
            &stranger.read("server.key"),
            DAY,
            "own.key: it is not the key of the certificate in ",
        ),
        (&good_certificate, &good_key, 91 * DAY, "own.pem: it expired on "),
        (
            client.certificate.as_bytes(),
            client.key.as_bytes(),
            DAY,
            "own.pem: its first certificate has no names",
        ),
        (&other.read("ca.pem"), &other.read("ca.key"), DAY, "own.pem: its first certificate has no names"),
    ];
    for (certificate_is, key_is, later, sentence) in cases {
        replace(&certificate, certificate_is);
        replace(&key, key_is);
        let error = open_as(&settings, HOST, place.now + later).unwrap_err().to_string();
        let file = error.rsplit_once("/own.").map(|(_, rest)| format!("own.{rest}")).unwrap();
        assert!(error.contains(sentence), "{file}\n{sentence}");
        assert!(!place.path("").exists(), "never one of our own in its place");
    }
    fs::remove_file(&key).unwrap();
    replace(&certificate, &good_certificate);
    let error = open_as(&settings, HOST, place.now).unwrap_err().to_string();
    assert!(error.contains("own.key: it cannot be read: No such file"), "{error}");
}

#[test]
fn while_running_a_replaced_pair_is_taken_and_a_broken_one_is_not() {
    let (place, other, next) = (Place::new(), Place::new(), Place::new());
    let mut settings = place.settings();
    place.own_pair(&other, &mut settings);
    next.open().unwrap();
    let (certificate, key) = settings.own.clone().unwrap();
    let state = open_as(&settings, HOST, place.now).unwrap();
    let first = state.summary();
    let look = || state.check_due_as(HOST, place.now);

    // Half of it is replaced: the old one stays, and it is said once, at the second look.
    replace(&certificate, &next.read("server.pem"));
    assert_eq!(look(), []);
    let notes = look();
    let [TlsNote::Kept { reason }] = &notes[..] else { panic!("{notes:?}") };
    assert!(reason.contains("own.key: it is not the key of the certificate in"), "{reason}");
    assert_eq!(look(), []);
    assert_eq!(state.summary().fault.as_ref(), Some(reason));
    assert_eq!(state.summary().facts, first.facts);
    handshake(&state, &other, |_| {}).unwrap();
    // A reload says no as well.
    assert!(state.reload_as(&settings, HOST, place.now).is_err());
    assert_eq!(state.summary().facts, first.facts);

    // The other half comes.
    replace(&key, &next.read("server.key"));
    assert_eq!(look(), []);
    let notes = look();
    assert!(matches!(&notes[..], [TlsNote::Replaced { .. }]), "{notes:?}");
    assert_eq!((state.summary().fault, look()), (None, vec![]));
    handshake(&state, &next, |_| {}).unwrap();
    assert!(handshake(&state, &other, |_| {}).is_err(), "the old CA is not the new one");

    // Broken and brought back: the fault goes away.
    let good = fs::read(&key).unwrap();
    let before = fs::metadata(&key).unwrap();
    fs::rename(&key, key.with_extension("away")).unwrap();
    assert_eq!((look().len(), look().len()), (0, 1));
    assert!(state.summary().fault.is_some());
    fs::rename(key.with_extension("away"), &key).unwrap();
    assert_eq!((fs::read(&key).unwrap(), fs::metadata(&key).unwrap().len()), (good, before.len()));
    assert_eq!((look(), state.summary().fault), (vec![], None));
}

#[test]
fn a_renewal_by_the_command_is_taken_by_what_runs() {
    let place = Place::new();
    let state = open_as(&place.settings(), &host_name(), place.now).unwrap();
    let first = state.summary();
    let notes = renew(&place.settings(), place.now).unwrap();
    assert!(matches!(&notes[..], [TlsNote::LeafIssued { reason: Reason::Asked, .. }]), "{notes:?}");
    assert_eq!(state.check_due(place.now), []);
    let notes = state.check_due(place.now);
    assert!(matches!(&notes[..], [TlsNote::Replaced { .. }]), "{notes:?}");
    let second = state.summary();
    assert_ne!(second.facts.pin, first.facts.pin);
    assert_eq!(second.pin, first.pin);
}

#[test]
fn a_renewal_that_fails_keeps_what_runs_and_warns_of_the_end() {
    let mut place = Place::new();
    let state = place.open().unwrap();
    let first = state.summary();
    fs::remove_file(place.path("ca.key")).unwrap();
    place.now += 61 * DAY;
    let notes = state.check_due_as(HOST, place.now);
    let [TlsNote::Kept { reason }, TlsNote::Ends { days: 29, .. }] = &notes[..] else { panic!("{notes:?}") };
    assert!(reason.contains("ca.key: it is missing"), "{reason}");
    assert_eq!(state.check_due_as(HOST, place.now), [], "said once");
    assert_eq!(state.summary().facts, first.facts);
}

#[test]
fn keys_that_others_can_read_are_told_of() {
    let place = Place::new();
    place.open().unwrap();
    fs::set_permissions(place.path("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let notes = place.open().unwrap().first_notes();
    assert_eq!(notes, [TlsNote::KeyOpen { file: place.path("server.key") }]);
}

#[test]
fn a_client_certificate_is_for_a_client_and_signed_by_the_ca() {
    let place = Place::new();
    let name = "ana".parse().unwrap();
    let error = issue(&place.settings(), &name, place.now).unwrap_err().to_string();
    assert!(error.ends_with("ca.pem: there is no CA yet; the first start of the daemon makes it"), "{error}");
    place.open().unwrap();
    let minted = issue(&place.settings(), &name, place.now).unwrap();
    with_certificate(minted.certificate.as_bytes(), |client| {
        assert_eq!(client.subject().to_string(), "CN=ana");
        let usage = client.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        assert!(!client.is_ca());
    });
    // As a server would check it.
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&place.read("ca.pem")).unwrap()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(serve::provider()),
    );
    let client = CertificateDer::from_pem_slice(minted.certificate.as_bytes()).unwrap();
    let now = place.now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = rustls::pki_types::UnixTime::since_unix_epoch(now);
    verifier.build().unwrap().verify_client_cert(&client, &[], now).unwrap();
}

#[test]
fn check_makes_nothing() {
    let place = Place::new();
    let said = check(&place.settings(), place.now).unwrap();
    assert!(said.ends_with("certs: none there yet; a start makes a CA and a certificate"), "{said}");
    assert!(!place.path("").exists());
    open_as(&place.settings(), &host_name(), place.now).unwrap();
    assert!(check(&place.settings(), place.now).unwrap().contains("server.pem: good until 20"));
    let said = check(&place.settings(), place.now + 61 * DAY).unwrap();
    assert!(said.ends_with("a start issues a new one: two thirds of the life of the one before were over"));
}

/// What a client saw of a handshake.
#[derive(Debug)]
struct Seen {
    version: ProtocolVersion,
    group: NamedGroup,
    alpn: Option<Vec<u8>>,
    leaf: Pin,
    chain: usize,
    resumed: bool,
    tickets: u32,
}

/// The place's clock, for the client.
#[derive(Debug)]
struct StillClock(SystemTime);

impl rustls::time_provider::TimeProvider for StillClock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(rustls::pki_types::UnixTime::since_unix_epoch(since))
    }
}

fn client_config(place: &Place, change: impl Fn(&mut ClientConfig)) -> ClientConfig {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&place.read("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(serve::provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(StillClock(place.now)))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap()
        .with_webpki_verifier(verifier)
        .with_no_client_auth();
    change(&mut config);
    config
}

fn handshake(
    state: &TlsState,
    place: &Place,
    change: impl Fn(&mut ClientConfig),
) -> Result<Seen, rustls::Error> {
    handshake_with(state, &Arc::new(client_config(place, change)))
}

/// A handshake in memory, and one message of the server's, so that tickets arrive.
fn handshake_with(state: &TlsState, config: &Arc<ClientConfig>) -> Result<Seen, rustls::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::clone(config), name)?;
    let mut server = ServerConnection::new(state.server_config())?;
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
        }
        let refused = server.process_new_packets().err();
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
        }
        client.process_new_packets()?;
        if let Some(refused) = refused {
            return Err(refused);
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    let chain = client.peer_certificates().unwrap();
    Ok(Seen {
        version: client.protocol_version().unwrap(),
        group: client.negotiated_key_exchange_group().unwrap().name(),
        alpn: client.alpn_protocol().map(<[u8]>::to_vec),
        leaf: pair::pin(&chain[0]),
        chain: chain.len(),
        resumed: client.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        tickets: client.tls13_tickets_received(),
    })
}

#[test]
fn a_handshake_is_tls_1_3_with_the_hybrid_the_ca_in_the_chain_and_tickets() {
    let place = Place::new();
    let state = place.open().unwrap();
    let config = Arc::new(client_config(&place, |config| {
        config.alpn_protocols = vec![b"h2".to_vec(), b"tcp-chat/1".to_vec()];
    }));
    let seen = handshake_with(&state, &config).unwrap();
    assert_eq!(seen.version, ProtocolVersion::TLSv1_3);
    assert_eq!(seen.group, NamedGroup::X25519MLKEM768);
    assert_eq!(seen.alpn.as_deref(), Some(&b"tcp-chat/1"[..]));
    assert_eq!(seen.chain, 2, "a client that only has the CA's pin finds it there");
    assert!(seen.tickets > 0 && !seen.resumed);
    assert!(handshake_with(&state, &config).unwrap().resumed, "the ticket is good");
}

#[test]
fn who_offers_no_alpn_is_served_and_who_offers_only_others_is_not() {
    let place = Place::new();
    let state = place.open().unwrap();
    assert_eq!(handshake(&state, &place, |_| {}).unwrap().alpn, None);
    let refused =
        handshake(&state, &place, |config| config.alpn_protocols = vec![b"h2".to_vec()]).unwrap_err();
    let alert = rustls::AlertDescription::NoApplicationProtocol;
    assert_eq!(refused, rustls::Error::AlertReceived(alert));
}

#[test]
fn tls_1_2_is_spoken_only_where_it_is_allowed_and_a_reload_can_allow_it() {
    let place = Place::new();
    let state = place.open().unwrap();
    let client = |place: &Place| {
        use rustls::pki_types::pem::PemObject;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&place.read("ca.pem")).unwrap()).unwrap();
        Arc::new(
            ClientConfig::builder_with_provider(Arc::new(serve::provider()))
                .with_protocol_versions(&[&rustls::version::TLS12])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    };
    assert!(handshake_with(&state, &client(&place)).is_err());
    let settings = settings::Tls { allow_1_2: true, ..place.settings() };
    let changed = state.reload_as(&settings, HOST, place.now).unwrap();
    assert!(changed.config && !changed.certificate);
    assert_eq!(handshake_with(&state, &client(&place)).unwrap().version, ProtocolVersion::TLSv1_2);
    assert_eq!(handshake(&state, &place, |_| {}).unwrap().version, ProtocolVersion::TLSv1_3);
}
