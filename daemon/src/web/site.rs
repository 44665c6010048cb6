//! Owns the names under which browsers reach the page, from the settings or from the certificate. Called by
//! [`super::Web`]. Never resolves a name.

use crate::settings::Settings;
use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::path::Path;
use tcp_chat_page::{Scheme, Site};

/// The addresses of the page on this port, if the certificate in `file` is valid for the names in `certified`.
///
/// # Errors
/// There is none. The sentence begins with the setting.
pub(super) fn of(
    settings: &Settings,
    file: &Path,
    certified: &BTreeSet<String>,
    port: u16,
) -> Result<Site, String> {
    let (web, tls) = (&settings.web, &settings.tls);
    let names: Vec<String> = if !web.names.is_empty() {
        web.names.clone()
    } else if !tls.names.is_empty() {
        tls.names.iter().filter_map(|name| in_an_address(name)).collect()
    } else {
        certified.iter().filter_map(|name| in_an_address(name)).collect()
    };
    let site = Site::new(Scheme::Https, names, port).map_err(|why| format!("web.names: {why}"))?;
    if site.authorities().is_empty() {
        let file = file.display();
        return Err(format!(
            "web.names: {file} has only names with a star; write the names under which browsers reach the page"
        ));
    }
    Ok(site)
}

/// The form of a certificate's name in an address. A wildcard has none, because the names that it matches are unknown.
fn in_an_address(name: &str) -> Option<String> {
    match name.parse::<Ipv6Addr>() {
        Ok(address) => Some(format!("[{address}]")),
        Err(_) => (!name.contains('*')).then(|| name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(settings: &Settings, certified: &[&str]) -> Result<Vec<String>, String> {
        let certified = certified.iter().map(|name| (*name).to_owned()).collect();
        of(settings, Path::new("own.pem"), &certified, 3443).map(|site| site.authorities().to_vec())
    }

    #[test]
    fn the_nearest_list_of_names_counts() {
        let mut settings = Settings::default();
        let names =
            |settings: &Settings| sites(settings, &["chat.example", "*.example", "::1", "10.0.0.1"]).unwrap();
        assert_eq!(names(&settings), ["10.0.0.1:3443", "[::1]:3443", "chat.example:3443"]);
        settings.tls.names = vec!["desk.example".into()];
        assert_eq!(names(&settings), ["desk.example:3443"]);
        settings.web.names = vec!["web.example:443".into(), "web.example".into()];
        assert_eq!(names(&settings), ["web.example", "web.example:3443"]);
    }

    #[test]
    fn a_star_alone_is_no_name() {
        let why = sites(&Settings::default(), &["*.example"]).unwrap_err();
        assert!(why.starts_with("web.names: own.pem"), "{why}");
    }
}
