//! The renewal of the daemon's own leaf, and the warnings before its end.

use super::*;

#[test]
fn a_leaf_is_issued_anew_at_two_thirds_of_its_life_and_when_names_change() {
    let mut place = Place::new();
    let state = place.open().unwrap();
    let first = state.summary();
    place.now += 59 * DAY;
    assert_eq!(state.check_due_as(HOST, place.now), []);
    place.now += 2 * DAY;
    let notes = state.check_due_as(HOST, place.now);
    assert!(matches!(&notes[..], [TlsNote::LeafIssued { reason: IssueReason::Due, .. }]), "{notes:?}");
    let second = state.summary();
    assert!(second.facts.not_after > first.facts.not_after + 60 * DAY);
    assert_eq!(second.pin, first.pin, "the same CA");
    assert_eq!(state.check_due_as(HOST, place.now), [], "once");

    let notes = state.check_due_as("other.lan", place.now);
    assert!(matches!(&notes[..], [TlsNote::LeafIssued { reason: IssueReason::Names, .. }]), "{notes:?}");
    let mut settings = place.settings();
    settings.names = vec!["chat.example".into()];
    let changed = state.reload_as(&settings, HOST, place.now).unwrap();
    assert!(changed.certificate && !changed.config);
    assert!(matches!(&changed.notes[..], [TlsNote::LeafIssued { reason: IssueReason::Names, .. }]));
    assert!(state.summary().facts.names.contains("chat.example"));
    // The running state uses the new one.
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
    // Signed by another CA.
    for name in ["server.pem", "server.key"] {
        replace(&place.path(name), &other.read(name));
    }
    let text = reasons(&place).join("\n");
    assert!(text.contains("unusable: "), "{text}");
    // An invalid file is no result of a crash: it is refused and left unchanged.
    let whole = place.read("server.pem");
    fs::write(place.path("server.pem"), "garbage").unwrap();
    let refused = place.open().unwrap_err().to_string();
    assert!(
        refused.contains(
            "there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----); restore it, or move"
        ),
        "{refused}"
    );
    assert_eq!(place.read("server.pem"), b"garbage");
    replace(&place.path("server.pem"), &whole);
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
    place.now += mint::CA_VALIDITY - 29 * DAY;
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
fn a_renewal_by_the_command_is_taken_by_what_runs() {
    let place = Place::new();
    let state = TlsState::open_as(&place.settings(), &host_name(), place.now).unwrap();
    let first = state.summary();
    let notes = renew(&place.settings(), place.now).unwrap();
    assert!(matches!(&notes[..], [TlsNote::LeafIssued { reason: IssueReason::Requested, .. }]), "{notes:?}");
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
fn while_a_ca_is_in_use_no_other_is_made() {
    for left in [&[][..], &["ca.key"]] {
        let place = Place::new();
        let state = place.open().unwrap();
        let (first, certs, away) =
            (state.summary(), place.dir.path().join("certs"), place.dir.path().join("away"));
        fs::rename(&certs, &away).unwrap();
        for file in left {
            fs::create_dir_all(&certs).unwrap();
            fs::copy(away.join(file), certs.join(file)).unwrap();
        }
        assert_eq!(state.check_due_as(HOST, place.now), []);
        let notes = state.check_due_as(HOST, place.now);
        let [TlsNote::Kept { reason }] = &notes[..] else { panic!("{notes:?}") };
        assert!(reason.contains("ca.pem: the CA was removed while tcp-chatd was using it"), "{reason}");
        assert_eq!(state.check_due_as(HOST, place.now + DAY), [], "said once");
        let refused = state.reload_as(&place.settings(), HOST, place.now).unwrap_err();
        assert_eq!((refused.fault, refused.to_string()), (Fault::Content, reason.clone()));
        assert_eq!(state.summary().fault, Some(reason.clone()));
        assert_eq!(state.summary().pin, first.pin);
        assert!(!certs.join("ca.pem").exists(), "none was made");
        let _ = fs::remove_dir_all(&certs);
        fs::rename(&away, &certs).unwrap();
        assert_eq!(state.check_due_as(HOST, place.now), []);
        assert_eq!(state.summary().fault, None);
        handshake(&state, &place, |_| {}).unwrap();
        // A restart with an empty folder is a first start.
        fs::remove_dir_all(&certs).unwrap();
        assert_ne!(place.open().unwrap().summary().pin, first.pin);
    }
}
