//! Owns finding the configuration file and making settings of everything there is. Called at the
//! start and again on a reload. Never prints, never ends the process.

use super::key::keys;
use super::layers::{Environment, Layers};
use super::problem::{Origin, Problems, Text};
use super::reader::Reader;
use super::{Settings, show};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the file of an installed daemon is.
pub const SYSTEM_FILE: &str = "/etc/tcp-chatd/config.toml";

/// All that settings are made of; kept, so that a reload reads the same again.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// `--config FILE`: this file and no other.
    pub config: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// `--set KEY=VALUE`, written as in the environment.
    pub flags: Vec<(String, String)>,
}

/// Settings, with where they came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The file that was read; `None`: there is none.
    pub file: Option<PathBuf>,
    inputs: Inputs,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Reads everything again, in the same order.
    ///
    /// # Errors
    /// As [`load`]; `self` stays as good as it was.
    pub fn again(&self) -> Result<Self, Problems> {
        load(&self.inputs)
    }

    /// Where a key's value came from, as words.
    #[must_use]
    pub fn origin_of(&self, key: &str) -> String {
        let origin = self.origins.get(key).unwrap_or(&Origin::Default);
        let shown = show::origin(origin);
        let port = self.inputs.environment.port().is_some();
        match key {
            "listen.address" if port && *origin != Origin::Flag => {
                format!("{shown}; the port: environment variable PORT")
            }
            _ => shown,
        }
    }

    /// The effective settings as TOML, each with where it came from.
    #[must_use]
    pub fn to_toml(&self) -> String {
        show::as_toml(self)
    }
}

/// Reads the settings: `inputs.config`, or `./config.toml`, or [`SYSTEM_FILE`], or the defaults
/// alone; then the environment, then the flags.
///
/// # Errors
/// Everything that is wrong with them, at once.
pub fn load(inputs: &Inputs) -> Result<Loaded, Problems> {
    load_from(inputs, &[Path::new("config.toml"), Path::new(SYSTEM_FILE)])
}

/// [`load`], with where to look when no file is given.
pub(super) fn load_from(inputs: &Inputs, places: &[&Path]) -> Result<Loaded, Problems> {
    let text = match &inputs.config {
        Some(path) => Some(read(path)?.ok_or_else(|| {
            let reason = "there is no such file; --config names the configuration file".to_owned();
            Problems::about(path, reason, false)
        })?),
        None => {
            let mut found = None;
            for place in places {
                found = read(place)?;
                if found.is_some() {
                    break;
                }
            }
            found
        }
    };
    let file = text.as_ref().map(|text| text.path.clone());
    let base = base_of(file.as_deref());
    let layers = Layers::new(text, &inputs.environment, &inputs.flags);
    let mut reader = Reader { layers, environment: &inputs.environment, base: &base, permission: false };
    let mut settings = Settings::read(&mut reader);
    reader.check(&mut settings);
    if let (true, Some((_, key))) = (reader.layers.problems.is_empty(), settings.tls.own()) {
        reader.key_is_there(key);
    }
    let Reader { layers, permission, .. } = reader;
    let origins = keys().iter().map(|key| (key.name, layers.origin(key.name))).collect();
    if layers.problems.is_empty() {
        Ok(Loaded { settings, file, inputs: inputs.clone(), origins })
    } else {
        Err(Problems { list: layers.problems, permission, control_socket: settings.control_socket() })
    }
}

/// The text of a file, if there is one.
fn read(path: &Path) -> Result<Option<Text>, Problems> {
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                Ok(Some(Text { path, text }))
            }
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let reason = format!("byte {at} is no UTF-8; save the file as UTF-8");
                Err(Problems::about(path, reason, false))
            }
        },
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => {
            let denied = e.kind() == ErrorKind::PermissionDenied;
            Err(Problems::about(path, format!("it cannot be read: {e}"), denied))
        }
    }
}

/// What relative paths are relative to: the file's folder, or the working folder.
fn base_of(file: Option<&Path>) -> PathBuf {
    match file.and_then(Path::parent) {
        Some(folder) => folder.to_owned(),
        None => std::path::absolute(".").unwrap_or_default(),
    }
}
