//! Owns `config.toml` of the client: the defaults for all options, and a profile for each known server. Read at
//! the start; the first login with the line of an invitation appends a profile. Never changes existing lines.

use crate::exit::Failure;
use crate::files;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tcp_chat_client::Pin;
use tcp_chat_client::protocol::DEFAULT_PORT;
use tcp_chat_client::protocol::host::ascii;
use tokio::time::Instant;

/// The file as it was read.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Its path. `None`: this system has no place for it.
    pub path: Option<PathBuf>,
    /// Its defaults.
    pub defaults: Defaults,
    /// Its profiles, by `host:port`.
    pub profiles: BTreeMap<String, Profile>,
}

/// Defaults for the options of the same names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// SERVER
    pub server: Option<String>,
    /// `--ca`; all paths are relative to the file's folder
    pub ca: Option<PathBuf>,
    /// `--pin`
    pub pin: Option<String>,
    /// `--name`
    pub name: Option<String>,
    /// `--color`
    pub color: Option<String>,
    /// `--room`: one or a list
    #[serde(default, deserialize_with = "one_or_more")]
    pub room: Vec<String>,
    /// `--json`
    #[serde(default)]
    pub json: bool,
    /// `--timeout`
    pub timeout: Option<String>,
    /// `--cert`
    pub cert: Option<PathBuf>,
    /// `--key`
    pub key: Option<PathBuf>,
    /// `--password-file`
    pub password_file: Option<PathBuf>,
    /// `--line`
    #[serde(default)]
    pub line: bool,
    /// `--commands`
    #[serde(default)]
    pub commands: bool,
    /// `--notify`
    pub notify: Option<String>,
    /// `--no-mouse`
    #[serde(default)]
    pub no_mouse: bool,
    /// `--no-color`
    #[serde(default)]
    pub no_color: bool,
    /// `-v`
    #[serde(default)]
    pub verbose: bool,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// The profile of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The pin of its CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Further servers of the same chat, as `host:port`. They have the same CA.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Or the CA's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The name of the user there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// The rooms to join there.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub room: Vec<String>,
    /// The client certificate for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The file of the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

fn one_or_more<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        More(Vec<String>),
    }
    Ok(match Either::deserialize(d)? {
        Either::One(one) => vec![one],
        Either::More(more) => more,
    })
}

impl Profile {
    /// The parsed pin.
    ///
    /// # Errors
    /// The text is not a pin.
    pub fn pin(&self) -> Result<Option<Pin>, Failure> {
        let Some(text) = &self.pin else { return Ok(None) };
        text.parse().map(Some).map_err(|e| Failure::usage(format!("config.toml: pin {text:?}: {e}")))
    }
}

impl ConfigFile {
    /// Reads the user's file within the time; a missing file equals an empty one.
    ///
    /// # Errors
    /// The fault, with the file, the line and the key.
    pub fn load(until: Option<Instant>) -> Result<Self, Failure> {
        let Some(path) = files::config_file() else { return Ok(Self::default()) };
        let file = path.clone();
        let late =
            || Failure::timed_out(format!("{}: it could not be read to its end in time", path.display()));
        match crate::input::within(until, || std::fs::read_to_string(file)).ok_or_else(late)? {
            Ok(text) => Self::parse(&text, path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path: Some(path), ..Self::default() })
            }
            Err(e) => Err(Failure::usage(format!("{}: {}", path.display(), crate::input::why_unread(&e)))),
        }
    }

    fn parse(text: &str, path: PathBuf) -> Result<Self, Failure> {
        let mut defaults: Defaults = toml::from_str(crate::input::without_bom(text))
            .map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let place = |file: &mut Option<PathBuf>| {
            if let Some(file) = file {
                *file = folder.join(&*file);
            }
        };
        let d = &mut defaults;
        [&mut d.ca, &mut d.cert, &mut d.key, &mut d.password_file].into_iter().for_each(place);
        let mut profiles = std::mem::take(&mut d.profiles);
        for p in profiles.values_mut() {
            [&mut p.ca, &mut p.cert, &mut p.key, &mut p.password_file].into_iter().for_each(place);
        }
        // Hosts are compared in the form of the lookup.
        let profiles = profiles.into_iter().map(|(key, profile)| (plain_key(key), profile)).collect();
        Ok(Self { path: Some(path), defaults, profiles })
    }

    /// The file's name for a person.
    #[must_use]
    pub fn shown(&self) -> String {
        self.path.as_ref().map_or_else(|| "config.toml".into(), |p| p.display().to_string())
    }

    /// The profile of a server, and its port: the given one, or the default port, or the port of the only profile
    /// for this host.
    ///
    /// # Errors
    /// There are several profiles, and no port was given.
    pub fn profile(&self, host: &str, port: Option<u16>) -> Result<(u16, Option<&Profile>), Failure> {
        let of = |port: u16| self.profiles.get(&format!("{}:{port}", bracketed(host)));
        let wanted = port.unwrap_or(DEFAULT_PORT);
        if port.is_some() || of(wanted).is_some() {
            return Ok((wanted, of(wanted)));
        }
        let here = self.profiles.iter().filter_map(|(key, profile)| {
            let (name, port) = key.rsplit_once(':')?;
            (name == bracketed(host)).then_some((port.parse::<u16>().ok()?, profile))
        });
        let here: Vec<_> = here.collect();
        match here.as_slice() {
            [] => Ok((DEFAULT_PORT, None)),
            [(port, profile)] => Ok((*port, Some(profile))),
            more => {
                let ports: Vec<_> = more.iter().map(|(port, _)| format!("{host}:{port}")).collect();
                Err(Failure::usage(format!("{host} has several profiles: say which ({})", ports.join(", "))))
            }
        }
    }
}

fn plain_key(key: String) -> String {
    let plain = key.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(format!("{}:{port}", bracketed(&ascii(host).ok()?)))
    });
    plain.unwrap_or(key)
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Appends a profile to the file; existing lines stay.
///
/// # Errors
/// The file cannot be written, or would be invalid.
pub fn add(path: &Path, key: &str, profile: &Profile) -> Result<(), Failure> {
    let fail = |e: String| Failure::usage(format!("{}: {e}", path.display()));
    let mut text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(fail(crate::input::why_unread(&e))),
    };
    if !text.is_empty() {
        text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
    }
    let table = BTreeMap::from([("profiles", BTreeMap::from([(key, profile)]))]);
    text.push_str(&toml::to_string(&table).map_err(|e| fail(e.to_string()))?);
    let again = ConfigFile::parse(&text, path.to_owned())?;
    if again.profiles.get(key).is_none_or(|p| p.pin != profile.pin) {
        return Err(fail("the profile cannot be added to it".into()));
    }
    files::write(path, text.as_bytes()).map_err(|e| fail(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<ConfigFile, Failure> {
        ConfigFile::parse(text, "/x/config.toml".into())
    }

    #[test]
    fn defaults_and_profiles() {
        let f = file(
            "name = 'ana'\nroom = 'ops'\nca = 'ca.pem'\n[profiles.'a:4444']\nroom = ['x', 'y']\nca = '/ca'\n",
        );
        let f = f.unwrap();
        assert_eq!(f.defaults.room, ["ops"]);
        assert_eq!(f.defaults.ca, Some(PathBuf::from("/x/ca.pem")));
        assert_eq!(f.profile("a", None).unwrap().0, 4444, "the one that there is");
        assert_eq!(f.profile("a", None).unwrap().1.unwrap().room, ["x", "y"]);
        assert_eq!(f.profile("a", Some(3000)).unwrap(), (3000, None));
        assert_eq!(f.profile("b", None).unwrap(), (3000, None));
        let two = file("[profiles.'a:1']\n[profiles.'a:2']\n").unwrap();
        assert!(two.profile("a", None).unwrap_err().to_string().contains("a:1, a:2"));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let e = file("name = 'ana'\ncolour = 'red'\n").unwrap_err().to_string();
        assert!(e.contains("colour") && e.contains("line 2"), "{e}");
        assert!(file("[profiles.'a:1']\npins = 'x'\n").is_err());
    }

    #[test]
    fn a_profile_is_added_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub").join("config.toml");
        let profile = Profile { pin: Some("ab".repeat(32)), room: vec!["ops".into()], ..Profile::default() };
        add(&path, "[::1]:3000", &profile).unwrap();
        std::fs::write(&path, format!("# mine\nname = 'ana'\n{}", std::fs::read_to_string(&path).unwrap()))
            .unwrap();
        add(&path, "b:1", &profile).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# mine\n"), "{text}");
        let f = ConfigFile::parse(&text, path).unwrap();
        assert_eq!(f.profiles["[::1]:3000"], profile);
        assert_eq!(f.profiles["b:1"], profile);
        assert_eq!(f.profile("::1", None).unwrap().1, Some(&profile));
    }
}
