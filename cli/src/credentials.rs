//! Owns the files for trust and identity: CAs, certificates with their keys, passwords. Called once at the start.
//! Each read is bounded by `--timeout`: a pipe may have no writer. Never connects, and never shows a secret.

use crate::args::Options;
use crate::exit::{Exit, Failure};
use crate::layers::pick;
use crate::profile::{ConfigFile, Profile};
use std::path::{Path, PathBuf};
use tcp_chat_client::protocol::Invite;
use tcp_chat_client::{Identity, Pin, Trust};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The CA that an installed daemon publishes on this host.
const INSTALLED_CA: &str = "/var/lib/tcp-chatd/certs/ca.pem";

/// Reads files within the time.
pub(crate) struct Files {
    pub(crate) until: Option<Instant>,
}

impl Files {
    /// Runs a read that may block.
    fn read<T: Send + 'static>(
        &self,
        shown: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let late = || Failure::timed_out(format!("{shown}: it could not be read to its end in time"));
        crate::input::within(self.until, work).ok_or_else(late)
    }

    fn ca(&self, file: PathBuf) -> Result<Trust, Failure> {
        let shown = file.display().to_string();
        Ok(self.read(&shown, move || Trust::ca_file(file))??)
    }

    /// A certificate and its key.
    pub(crate) fn identity(&self, certificate: PathBuf, key: PathBuf) -> Result<Identity, Failure> {
        let shown = format!("{} with {}", certificate.display(), key.display());
        Ok(self.read(&shown, move || Identity::from_files(certificate, key))??)
    }

    /// The certificate that was fetched from this server earlier.
    pub(crate) fn own_identity(&self, server: &str) -> Result<Option<Identity>, Failure> {
        match crate::enrol::identity_files(server) {
            Some((certificate, key)) if certificate.exists() && key.exists() => {
                self.identity(certificate, key).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The trust: from flags, then the pin of the SERVER line, then the environment, then the profile, then the
    /// defaults.
    pub(crate) fn trust(
        &self,
        o: &Options,
        given: &impl Fn(&str) -> bool,
        line: &Invite,
        profile: &Profile,
        file: &ConfigFile,
        key: &str,
    ) -> Result<Trust, Failure> {
        let flag_or_env = |flag: bool| -> Result<Option<Trust>, Failure> {
            let (ca, pin) = (
                o.ca.as_ref().filter(|_| given("ca") == flag),
                o.pin.as_ref().filter(|_| given("pin") == flag),
            );
            let places = if flag { ("--ca", "--pin") } else { ("TCP_CHAT_CA", "TCP_CHAT_PIN") };
            self.one_of((places.0, ca), (places.1, pin))
        };
        if let Some(trust) = flag_or_env(true)? {
            return Ok(trust);
        }
        if let Some(pin) = line.pin {
            return Ok(Trust::Pin(pin));
        }
        if let Some(trust) = flag_or_env(false)? {
            return Ok(trust);
        }
        let (pin, ca) = (profile.pin()?.map(|p| p.to_string()), profile.ca.as_ref());
        let place = |key: &str| format!("{}: {key}", file.shown());
        let (of_ca, of_pin) = (place(&format!("{key:?}: ca")), place(&format!("{key:?}: pin")));
        if let Some(trust) = self.one_of((&of_ca, ca), (&of_pin, pin.as_ref()))? {
            return Ok(trust);
        }
        let defaults = &file.defaults;
        let (ca, pin) = (defaults.ca.as_ref(), defaults.pin.as_ref());
        if let Some(trust) = self.one_of((&place("ca"), ca), (&place("pin"), pin))? {
            return Ok(trust);
        }
        if is_this_host(&line.host) && Path::new(INSTALLED_CA).exists() {
            return self.ca(INSTALLED_CA.into());
        }
        Err(Failure::usage(format!("whom to trust for {key} is not known, so nothing was sent"))
            .hint("Paste the tcps:// line that `tcp-chatd invite` prints on the server,")
            .hint("or give the server's CA with --ca FILE (on the server: certs/ca.pem), or its pin with --pin SHA256."))
    }

    /// Each with its origin.
    fn one_of(
        &self,
        (of_ca, ca): (&str, Option<&PathBuf>),
        (of_pin, pin): (&str, Option<&String>),
    ) -> Result<Option<Trust>, Failure> {
        match (ca, pin) {
            (Some(_), Some(_)) => {
                Err(Failure::usage(format!("{of_ca} and {of_pin} exclude each other: give one of them")))
            }
            (Some(ca), None) => self.ca(ca.clone()).map(Some),
            (None, Some(pin)) => {
                let trust = Trust::pin(pin).map_err(|e| Failure::usage(format!("{of_pin} {pin:?}: {e}")))?;
                Ok(Some(trust))
            }
            (None, None) => Ok(None),
        }
    }

    /// The password, from a file or from the environment.
    pub(crate) fn password(
        &self,
        o: &Options,
        profile: &Profile,
        default: Option<&PathBuf>,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let file = pick(&o.password_file, &profile.password_file, &default.cloned());
        if o.password_file.is_none()
            && let Some(password) =
                std::env::var_os("TCP_CHAT_PASSWORD").filter(|password| !password.is_empty())
        {
            let not_text = |_| Failure::usage("TCP_CHAT_PASSWORD is not UTF-8");
            return password.into_string().map(|password| Some(Zeroizing::new(password))).map_err(not_text);
        }
        let Some(path) = file else { return Ok(None) };
        let shown = format!("the password file {}", path.display());
        let read = move || std::fs::read_to_string(path).map(Zeroizing::new);
        let text = self.read(&shown, read)?.map_err(|e| {
            let why = crate::input::why_unread(&e);
            Failure::usage(format!("{shown}: {why}"))
        })?;
        match crate::input::without_bom(&text).lines().next() {
            Some(line) if !line.is_empty() => Ok(Some(Zeroizing::new(line.to_owned()))),
            _ => Err(Failure::usage(format!("{shown}: its first line is empty"))),
        }
    }
}

/// A local CA file vouches only for the daemon on this host.
fn is_this_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The pin differs from the known one of the server.
pub(crate) fn changed_pin(key: &str, old: Pin, new: Pin, file: &ConfigFile) -> Failure {
    Failure::new(Exit::Certificate, format!("the pin of {key} has changed, so nothing was sent"))
        .hint(format!("  pin known:  {old}"))
        .hint(format!("  pin given:  {new}"))
        .hint("Either the server has a new CA, or another server intercepts the connection.")
        .hint("Ask the server's operator (`tcp-chatd cert show` prints the pin). If the new one is right,")
        .hint(format!("remove the table [profiles.{key:?}] from {} and join again.", file.shown()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_host() {
        for (host, here) in [
            ("localhost", true),
            ("127.0.0.9", true),
            ("::1", true),
            ("10.0.0.1", false),
            ("localhost.evil", false),
        ] {
            assert_eq!(is_this_host(host), here, "{host}");
        }
    }
}
