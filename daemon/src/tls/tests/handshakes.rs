//! The TLS configuration, as a client sees it in handshakes.

use super::*;

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
    assert_eq!((seen.tickets, seen.resumed), (1, false));
    let again = handshake_with(&state, &config).unwrap();
    assert_eq!(
        (again.tickets, again.resumed),
        (1, true),
        "the ticket is good, and there is one for the next time"
    );
}

#[test]
fn tickets_rotate_end_with_their_configuration_and_carry_no_early_data() {
    let place = Place::new();
    let state = place.open().unwrap();
    let config = state.server_config();
    // rustls changes the key after half of that.
    assert!((1..=12 * 3600).contains(&config.ticketer.lifetime()), "{}", config.ticketer.lifetime());
    assert_eq!((config.max_early_data_size, config.send_half_rtt_data), (0, false));
    assert!(config.ignore_client_order);
    let client = Arc::new(client_config(&place, |_| {}));
    handshake_with(&state, &client).unwrap();
    let settings = settings::Tls { allow_1_2: true, ..place.settings() };
    assert!(state.reload_as(&settings, HOST, place.now).unwrap().config);
    assert!(!handshake_with(&state, &client).unwrap().resumed, "a ticket of the configuration before");
    assert!(handshake_with(&state, &client).unwrap().resumed);
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
