//! Owns under which names browsers reach the page: by the settings, or by the certificate. Called by [`super::Web`]. Never
//! resolves a name.

use crate::settings::Settings;
use crate::tls::Summary;
use std::net::Ipv6Addr;
use tcp_chat_page::{Scheme, Site};

/// The addresses of the page.
///
/// # Errors
/// There is none: a sentence that begins with the setting.
pub(super) fn of(settings: &Settings, certificate: &Summary, port: u16) -> Result<Site, String> {
    let (web, tls) = (&settings.web, &settings.tls);
    let names: Vec<String> = if !web.names.is_empty() {
        web.names.clone()
    } else if !tls.names.is_empty() {
        tls.names.iter().filter_map(|name| in_an_address(name)).collect()
    } else {
        certificate.facts.names.iter().filter_map(|name| in_an_address(name)).collect()
    };
    let site = Site::new(Scheme::Https, names, port).map_err(|why| format!("web.names: {why}"))?;
    if site.authorities().is_empty() {
        let file = certificate.certificate.display();
        return Err(format!(
            "web.names: {file} has only names with a star; write the names under which browsers reach the page"
        ));
    }
    Ok(site)
}

/// A name of a certificate as it stands in an address. A star stands for names that are not known.
fn in_an_address(name: &str) -> Option<String> {
    match name.parse::<Ipv6Addr>() {
        Ok(address) => Some(format!("[{address}]")),
        Err(_) => (!name.contains('*')).then(|| name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Facts;
    use std::time::UNIX_EPOCH;
    use tcp_chat_protocol::invite::Pin;

    fn certificate(names: &[&str]) -> Summary {
        let facts = Facts {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            subject: String::new(),
            issuer: String::new(),
            not_before: UNIX_EPOCH,
            not_after: UNIX_EPOCH,
            pin: Pin([0; 32]),
            is_ca: false,
            for_servers: true,
        };
        let (fault, doubts) = (None, Vec::new());
        Summary { certificate: "own.pem".into(), facts, ca: None, pin: Pin([0; 32]), fault, doubts }
    }

    #[test]
    fn the_nearest_list_of_names_counts() {
        let mut settings = Settings::default();
        let own = certificate(&["chat.example", "*.example", "::1", "10.0.0.1"]);
        let names = |settings: &Settings| of(settings, &own, 3443).unwrap().authorities().to_vec();
        assert_eq!(names(&settings), ["10.0.0.1:3443", "[::1]:3443", "chat.example:3443"]);
        settings.tls.names = vec!["desk.example".into()];
        assert_eq!(names(&settings), ["desk.example:3443"]);
        settings.web.names = vec!["web.example:443".into(), "web.example".into()];
        assert_eq!(names(&settings), ["web.example", "web.example:3443"]);
    }

    #[test]
    fn a_star_alone_is_no_name() {
        let why = of(&Settings::default(), &certificate(&["*.example"]), 3443).unwrap_err();
        assert!(why.starts_with("web.names: own.pem"), "{why}");
    }
}
