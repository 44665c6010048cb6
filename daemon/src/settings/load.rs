//! Owns the search for the configuration file, and the settings from all layers. Called at the start and at a
//! reload. Never prints, never ends the process.

use super::key::keys;
use super::layers::{Environment, Layers};
use super::problem::{Origin, Problems, Text};
use super::reader::SettingsReader;
use super::{Settings, show};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The configuration file of an installed daemon.
pub const SYSTEM_FILE: &str = "/etc/tcp-chatd/config.toml";

/// The inputs of the settings; kept, so that a reload reads the same ones.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// `--config FILE`: only this file is read.
    pub config: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// `--set KEY=VALUE`, in the form of the environment.
    pub flags: Vec<(String, String)>,
}

/// Settings with the origin of each value.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The file that was read; `None`: there was none.
    pub file: Option<PathBuf>,
    inputs: Inputs,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Reads all inputs again, in the same order.
    ///
    /// # Errors
    /// As [`load`]; `self` stays valid.
    pub fn again(&self) -> Result<Self, Problems> {
        load(&self.inputs)
    }

    /// The origin of a key's value, in words.
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

    /// The effective settings as TOML, each with its origin.
    #[must_use]
    pub fn to_toml(&self) -> String {
        show::to_toml(self)
    }
}

/// Reads the settings: `inputs.config`, or `./config.toml`, or [`SYSTEM_FILE`], or only the defaults; then the
/// environment, then the flags.
///
/// # Errors
/// All problems at once.
pub fn load(inputs: &Inputs) -> Result<Loaded, Problems> {
    load_from(inputs, &[Path::new("config.toml"), Path::new(SYSTEM_FILE)])
}

/// [`load`], with the paths to try if no file is given.
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
    let base = base_directory(file.as_deref());
    let layers = Layers::new(text, &inputs.environment, &inputs.flags);
    let mut reader =
        SettingsReader { layers, environment: &inputs.environment, base: &base, permission: false };
    let mut settings = Settings::read(&mut reader);
    reader.check(&mut settings);
    if let (true, Some((_, key))) = (reader.layers.problems.is_empty(), settings.tls.operator_pair()) {
        reader.check_key_exists(key);
    }
    let SettingsReader { layers, permission, .. } = reader;
    let origins = keys().iter().map(|key| (key.name, layers.origin(key.name))).collect();
    if layers.problems.is_empty() {
        Ok(Loaded { settings, file, inputs: inputs.clone(), origins })
    } else {
        Err(Problems { list: layers.problems, permission, control_socket: settings.control_socket() })
    }
}

/// The text of a file, if it exists.
fn read(path: &Path) -> Result<Option<Text>, Problems> {
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                Ok(Some(Text { path, text }))
            }
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let reason = format!("byte {at} is not UTF-8; save the file as UTF-8");
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

/// The directory of relative paths: the file's folder, or the working directory.
fn base_directory(file: Option<&Path>) -> PathBuf {
    match file.and_then(Path::parent) {
        Some(folder) => folder.to_owned(),
        None => std::path::absolute(".").unwrap_or_default(),
    }
}
