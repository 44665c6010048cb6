//! Owns the description of a setting, which is written once, in [`section!`]: its name, type, default, kind of
//! value, documentation, and whether it needs a restart. The descriptions generate the structs of `sections` and
//! `limits`, the reading, `tcp-chatd config`, the report of a reload, `config.toml`, and the table in
//! `docs/OPERATIONS.md`. Reads no value.

use super::Settings;
use super::kinds::{Kind, MayShow};
use super::reader::SettingsReader;
use std::sync::LazyLock;
use toml::Value;

/// One setting: its description, and its value.
#[derive(Debug)]
pub(super) struct Key {
    /// The section and the name in it, such as `limits.burst`.
    pub(super) name: &'static str,
    /// The lines of its comment in `config.toml`.
    doc: &'static [&'static str],
    /// Whether a change needs a restart.
    pub(super) needs_restart: bool,
    /// The allowed values.
    allowed: String,
    /// Whether its value may be shown as it was written.
    pub(super) may_show: MayShow,
    /// An example for `config.toml` if there is no default.
    example: &'static str,
    /// The effect if the setting has no value.
    without: &'static str,
    /// The value as TOML; `None`: not set, and no default.
    pub(super) value: Option<Value>,
    /// Whether the value differs from the settings in the comparison.
    pub(super) differs: bool,
}

impl Key {
    pub(super) fn new<T: PartialEq>(
        name: &'static str,
        doc: &'static [&'static str],
        kind: &impl Kind<T>,
        value: &T,
        other: &T,
    ) -> Self {
        Self {
            name,
            doc,
            needs_restart: false,
            allowed: kind.allowed(),
            may_show: kind.may_show(),
            example: "",
            without: "",
            value: kind.show(value),
            differs: value != other,
        }
    }

    pub(super) fn restart(self) -> Self {
        Self { needs_restart: true, ..self }
    }

    pub(super) fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    pub(super) fn without(self, without: &'static str) -> Self {
        Self { without, ..self }
    }

    /// The section and the name in it.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| Settings::default().keys(&Settings::default()));

/// All settings with their defaults, in the order of `config.toml`.
pub(super) fn keys() -> &'static [Key] {
    &KEYS
}

/// The description of a setting; `None`: the setting does not exist.
pub(super) fn key(name: &str) -> Option<&'static Key> {
    keys().iter().find(|key| key.name == name)
}

/// Whether a change of this setting needs a restart.
pub(crate) fn needs_restart(name: &str) -> bool {
    key(name).is_some_and(|key| key.needs_restart)
}

const HEAD: &str = "\
# Configuration of tcp-chatd: every setting, with its default behind a single #.
#
# tcp-chatd reads the file that --config names, or ./config.toml, or /etc/tcp-chatd/config.toml.
# Without a file it runs with the defaults. The environment overrides the file:
# TCP_CHATD__LISTEN__ADDRESS=0.0.0.0:4444 sets listen.address, and PORT sets only its port. The
# command line overrides both: --set listen.address=0.0.0.0:4444. In these two places, write a list
# with commas: TCP_CHATD__ROOMS__DEFAULT=lobby,ops.
#
#   tcp-chatd check     reads everything as a start would, and prints every problem
#   tcp-chatd config    prints the settings in effect, and where each value comes from
#   tcp-chatd reload    makes the running daemon read its configuration again
#
# A duration is a number with a unit: \"90s\", \"2m\", \"30d\". A size is a number of bytes, or a number
# with a unit: \"64 KiB\". A relative path starts at the folder of this file. A path may begin with
# $CREDENTIALS_DIRECTORY/, the folder in which systemd puts the files of LoadCredential=. Nothing
# else is expanded in paths.
";

/// The text of `config.toml`: every setting, commented, with its default. `tcp-chatd config --reference` prints it.
#[must_use]
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut last_section = "";
    for key in keys() {
        let (section, name) = key.parts();
        text.push('\n');
        if section != last_section {
            text.push_str(&format!("[{section}]\n"));
            last_section = section;
        }
        key.doc.iter().for_each(|line| text.push_str(&format!("#{line}\n")));
        if key.needs_restart {
            text.push_str("# Needs a restart.\n");
        }
        text.push_str(&match &key.value {
            Some(default) => format!("#{name} = {default}\n"),
            None => {
                let without = match key.without {
                    "" => "No default".to_owned(),
                    without => format!("Default: {without}"),
                };
                let example = Value::from(key.example);
                format!("# {without}. Example:\n#   {name} = {example}\n")
            }
        });
    }
    text
}

/// The table of all settings in `docs/OPERATIONS.md`.
#[must_use]
pub fn table() -> String {
    let row = |key: &Key| {
        let default = match &key.value {
            Some(default) => format!("`{default}`"),
            None => key.without.to_owned(),
        };
        let restart = if key.needs_restart { "restart" } else { "reload" };
        format!("| `{}` | {default} | {} | {restart} |\n", key.name, key.allowed)
    };
    let head = "| setting | default | values | takes effect at the next |\n| --- | --- | --- | --- |\n";
    head.chars().chain(keys().iter().map(row).collect::<String>().chars()).collect()
}

/// A section of `config.toml`. [`section!`] implements it.
pub(super) trait Section: Default {
    /// Adds its settings, compared with `other`.
    fn keys(&self, other: &Self, all: &mut Vec<Key>);
    /// Reads its settings. A refused value is replaced by its default.
    fn read(reader: &mut SettingsReader<'_>) -> Self;
}

/// Describes a section: for each setting its documentation, field, type, default, kind of value, and the further
/// properties of [`Key`]. `as` gives a setting another name than its field.
macro_rules! section {
    (@name $section:literal $field:ident) => { concat!($section, ".", stringify!($field)) };
    (@name $section:literal $field:ident $name:literal) => { concat!($section, ".", $name) };
    (
        $(#[$about:meta])*
        [$section:literal] $Section:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $name:literal)? : $type:ty = $default:expr => $kind:expr
                    $(, $note:ident($($value:expr)?))* ;
            )+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(rustdoc::broken_intra_doc_links, reason = "comments of config.toml are no Markdown")]
        pub struct $Section {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl Default for $Section {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl Section for $Section {
            fn keys(&self, other: &Self, all: &mut Vec<Key>) {
                $(
                    let name = section!(@name $section $field $($name)?);
                    let key = Key::new::<$type>(name, &[$($doc),+], &$kind, &self.$field, &other.$field);
                    all.push(key $(.$note($($value)?))*);
                )+
            }

            fn read(reader: &mut SettingsReader<'_>) -> Self {
                let defaults = Self::default();
                $(
                    let name = section!(@name $section $field $($name)?);
                    let $field = Kind::<$type>::read(&$kind, reader, name).unwrap_or(defaults.$field);
                )+
                Self { $($field),+ }
            }
        }
    };
}
pub(super) use section;
