//! An operator's own pair: served, refused, replaced while the daemon runs.

use super::*;

#[test]
fn an_operators_pair_is_served_and_nothing_is_minted() {
    let (place, other) = (Place::new(), Place::new());
    let mut settings = place.settings();
    place.own_pair(&other, &mut settings);
    let state = TlsState::open_as(&settings, HOST, place.now).unwrap();
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
    let (certificate, key) = settings.operator_pair().map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (good_certificate, good_key) = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());
    let client = issue(&other.settings(), &"ana".parse().unwrap(), place.now).unwrap();
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let stranger = Place::new();
    stranger.open().unwrap();
    let cases: [(&[u8], &[u8], Duration, &str); 8] = [
        (b"", &good_key, DAY, "own.pem: there is no certificate in it (PEM, "),
        (b"-----BEGIN CERTIFICATE-----\n!\n", &good_key, DAY, "own.pem: line 2: `!` has no place"),
        (&good_certificate, b"", DAY, "own.key: there is no private key in it (PEM, "),
        (&good_certificate, encrypted, DAY, "own.key: the key in it is encrypted, and nobody"),
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
        let error = TlsState::open_as(&settings, HOST, place.now + later).unwrap_err().to_string();
        let file = error.rsplit_once("/own.").map(|(_, rest)| format!("own.{rest}")).unwrap();
        assert!(error.contains(sentence), "{file}\n{sentence}");
        assert!(!place.path("").exists(), "never one of our own in its place");
    }
    fs::remove_file(&key).unwrap();
    replace(&certificate, &good_certificate);
    let error = TlsState::open_as(&settings, HOST, place.now).unwrap_err().to_string();
    assert!(error.contains("own.key: it cannot be read: No such file"), "{error}");
}

#[test]
fn while_running_a_replaced_pair_is_taken_and_a_broken_one_is_not() {
    let (place, other, next) = (Place::new(), Place::new(), Place::new());
    let mut settings = place.settings();
    place.own_pair(&other, &mut settings);
    next.open().unwrap();
    let (certificate, key) = settings.operator_pair().map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let state = TlsState::open_as(&settings, HOST, place.now).unwrap();
    let first = state.summary();
    let inspect = || state.check_due_as(HOST, place.now);

    // Half of the pair is replaced: the old pair stays, and the second check reports it once.
    replace(&certificate, &next.read("server.pem"));
    assert_eq!(inspect(), []);
    let notes = inspect();
    let [TlsNote::Kept { reason }] = &notes[..] else { panic!("{notes:?}") };
    assert!(reason.contains("own.key: it is not the key of the certificate in"), "{reason}");
    assert_eq!(inspect(), []);
    assert_eq!(state.summary().fault.as_ref(), Some(reason));
    assert_eq!(state.summary().facts, first.facts);
    handshake(&state, &other, |_| {}).unwrap();
    // A reload refuses it as well.
    assert!(state.reload_as(&settings, HOST, place.now).is_err());
    assert_eq!(state.summary().facts, first.facts);

    // The other half is replaced.
    replace(&key, &next.read("server.key"));
    assert_eq!(inspect(), []);
    let notes = inspect();
    assert!(matches!(&notes[..], [TlsNote::Replaced { .. }]), "{notes:?}");
    assert_eq!((state.summary().fault, inspect()), (None, vec![]));
    handshake(&state, &next, |_| {}).unwrap();
    assert!(handshake(&state, &other, |_| {}).is_err(), "the old CA is not the new one");

    // Broken and restored: the fault ends.
    let good = fs::read(&key).unwrap();
    let before = fs::metadata(&key).unwrap();
    fs::rename(&key, key.with_extension("away")).unwrap();
    assert_eq!(
        (inspect(), inspect(), state.summary().fault),
        (vec![], vec![], None),
        "that is said elsewhere"
    );
    fs::write(&key, "broken").unwrap();
    assert_eq!((inspect().len(), inspect().len()), (0, 1));
    assert!(state.summary().fault.is_some());
    fs::rename(key.with_extension("away"), &key).unwrap();
    assert_eq!((fs::read(&key).unwrap(), fs::metadata(&key).unwrap().len()), (good, before.len()));
    assert_eq!((inspect(), state.summary().fault), (vec![], None));
}

#[test]
fn an_intermediate_that_expires_meanwhile_is_said_once_and_stays_in_the_status() {
    use super::faulty::{Made, pem_of};
    let place = Place::new();
    let inter = Made::ca("inter").until(2080).by(&Made::ca("root"));
    let leaf = Made::leaf("localhost").by(&inter);
    let (certificate, key) = (place.dir.path().join("own.pem"), place.dir.path().join("own.key"));
    fs::write(&certificate, pem_of(&[&leaf, &inter])).unwrap();
    fs::write(&key, leaf.key_pem()).unwrap();
    let settings =
        settings::Tls { certificate: Some(certificate.clone()), key: Some(key), ..place.settings() };
    let state = TlsState::open_as(&settings, HOST, place.now).unwrap();
    assert_eq!((state.first_notes(), state.check_due_as(HOST, place.now)), (vec![], vec![]));
    assert_eq!(state.summary().doubts, Vec::<String>::new());
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(110 * 365 * 24 * 3600 + 60 * DAY.as_secs());
    let sentence = "certificate 2 in it (CN=inter): it expired on 2080-01-01";
    let said = state.check_due_as(HOST, later);
    let [TlsNote::Doubtful { file, reason }] = &said[..] else { panic!("one note: {said:?}") };
    assert!(*file == certificate && reason.starts_with(sentence), "{said:?}");
    assert_eq!(state.check_due_as(HOST, later + DAY), vec![], "once");
    let doubts = state.summary().doubts;
    assert!(doubts.len() == 1 && doubts[0].contains(sentence), "{doubts:?}");
    // The clock was wrong, or a valid pair is in use.
    assert_eq!(state.check_due_as(HOST, place.now), vec![]);
    assert_eq!(state.summary().doubts, Vec::<String>::new());
}
