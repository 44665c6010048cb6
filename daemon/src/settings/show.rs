//! Owns the output of `tcp-chatd config`. Called by `load`. Never reads anything.

use super::Loaded;
use super::problem::Origin;
use toml::Value;

/// The effective settings as TOML, each line with the origin of its value.
pub(super) fn to_toml(loaded: &Loaded) -> String {
    let mut out = match &loaded.file {
        Some(file) => format!("# from {}\n", file.display()),
        None => "# from the built-in defaults; there is no configuration file\n".to_owned(),
    };
    let mut last_section = "";
    for key in loaded.settings.keys(&loaded.settings) {
        let (section, name) = key.parts();
        if section != last_section {
            out.push_str(&format!("\n[{section}]\n"));
            last_section = section;
        }
        let control = loaded.settings.control_socket();
        let line = match (&key.value, key.name, control) {
            (Some(value), ..) => format!("{name} = {value}  # {}", loaded.origin_of(key.name)),
            // A setting without a value may still have an effect to show.
            (None, "admin.socket", Some(socket)) => {
                format!("{name} = {}  # default: beside the store", Value::from(socket.display().to_string()))
            }
            (None, "history.max_bytes", _) => {
                format!(
                    "# {name} is not set: half of what is free on the disk at the first start; see `tcp-chatd status`"
                )
            }
            (None, ..) => format!("# {name} is not set"),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// The origin of a value, for a comment.
pub(super) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File { line, .. } => format!("file, line {line}"),
        Origin::Environment(name) => format!("environment variable {name}"),
        Origin::Flag => "command line".to_owned(),
    }
}
