//! The files of the first start, the recovery from every crash, and that the CA is never minted again.

use super::*;

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
    let state = TlsState::open_as(&settings, HOST, place.now).unwrap();
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
    // The new key exists, the new certificate does not.
    let other = Place::new();
    other.open().unwrap();
    replace(&place.path("server.key"), &other.read("server.key"));
    let state = place.open().unwrap();
    let notes = state.first_notes();
    let [TlsNote::LeafIssued { reason: IssueReason::Broken(why), .. }] = &notes[..] else {
        panic!("{notes:?}")
    };
    assert!(why.contains("server.key: it is not the key of the certificate in"), "{why}");
    assert_eq!(place.read("ca.pem"), ca);
    handshake(&state, &place, |_| {}).unwrap();
}

#[test]
fn the_ca_is_never_made_again_while_any_part_of_it_or_a_leaf_is_there() {
    let anew = "To start with a new CA, which every client must be given, move all of ca.pem, ca.key, \
                server.pem and server.key away";
    let other = Place::new();
    other.open().unwrap();
    let missing_key = format!("ca.key: it is missing, but ca.pem exists; restore it. {anew}");
    let missing_ca =
        format!("ca.pem: it is missing, but a certificate that it signed exists; restore it. {anew}");
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
        (|p, _| fs::write(p.path("ca.pem"), "").unwrap(), "ca.pem: there is no certificate in it (PEM, "),
        (|p, _| fs::write(p.path("ca.key"), "x").unwrap(), "ca.key: there is no private key in it (PEM, "),
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
            "ca.pem: its certificate is not a CA's, so it cannot sign others",
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
    place.now += mint::CA_VALIDITY + DAY;
    let text = place.open().unwrap_err().to_string();
    assert!(text.contains("ca.pem: it expired on 20"), "{text}");
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
    // The check of a server.
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
    let said = check(&place.settings(), place.now).unwrap().good;
    assert!(said.ends_with("certs: none there yet; a start makes a CA and a certificate\n"), "{said}");
    assert!(!place.path("").exists());
    TlsState::open_as(&place.settings(), &host_name(), place.now).unwrap();
    assert!(check(&place.settings(), place.now).unwrap().good.contains("server.pem: good until 20"));
    let said = check(&place.settings(), place.now + 61 * DAY).unwrap().good;
    assert!(
        said.ends_with("a start issues a new one: two thirds of the validity of the old one were over\n")
    );
}
