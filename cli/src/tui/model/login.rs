//! Owns the login prompt: three fields, and the failure of the last attempt. Part of the model. Never connects.

use super::editor::Editor;
use tcp_chat_client::protocol::{Colour, Name};
use zeroize::Zeroizing;

/// The fields, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    Color,
    Password,
}

/// The content of the fields.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) name: String,
    pub(crate) color: Option<Colour>,
    pub(crate) password: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The prompt.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) field: Field,
    pub(crate) name: Editor,
    pub(crate) color: Editor,
    pub(crate) password: Editor,
    /// Whether an attempt is running.
    pub(crate) trying: bool,
    /// The failure of the last attempt, in lines.
    pub(crate) problem: Vec<String>,
}

impl Drop for Login {
    fn drop(&mut self) {
        self.password.wipe();
    }
}

impl Login {
    pub(crate) fn new(name: &str, color: Option<Colour>, password: Option<&str>) -> Self {
        let filled = |text: String| {
            let mut editor = Editor::default();
            editor.set(text);
            editor
        };
        Self {
            field: Field::Name,
            name: filled(name.to_owned()),
            color: filled(color.map(|c| c.to_string()).unwrap_or_default()),
            password: filled(password.unwrap_or_default().to_owned()),
            trying: false,
            problem: Vec::new(),
        }
    }

    /// The active field.
    pub(crate) fn editor(&mut self) -> &mut Editor {
        match self.field {
            Field::Name => &mut self.name,
            Field::Color => &mut self.color,
            Field::Password => &mut self.password,
        }
    }

    /// The next field, or the previous one.
    pub(crate) fn step(&mut self, back: bool) {
        self.field = match (self.field, back) {
            (Field::Name, false) | (Field::Password, true) => Field::Color,
            (Field::Color, false) | (Field::Name, true) => Field::Password,
            (Field::Password, false) | (Field::Color, true) => Field::Name,
        };
    }

    /// The content of the fields, if it is valid.
    ///
    /// # Errors
    /// The field to correct, and a sentence.
    pub(crate) fn read(&self) -> Result<Credentials, (Field, String)> {
        let name = self.name.text().trim().to_owned();
        Name::parse(&name).map_err(|e| (Field::Name, format!("this name cannot be used: {e}")))?;
        let color = match self.color.text().trim() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                (Field::Color, "a colour is red, green, yellow, blue, fuchsia, cyan or #rrggbb".to_owned())
            })?),
        };
        let password = Some(Zeroizing::new(self.password.text().to_owned())).filter(|p| !p.is_empty());
        Ok(Credentials { name, color, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_fields_are_prefilled() {
        let mut login = Login::new("ana", Some(Colour::Red), None);
        assert_eq!(
            login.read(),
            Ok(Credentials { name: "ana".into(), color: Some(Colour::Red), password: None })
        );
        login.color.set("pink".into());
        assert!(matches!(login.read(), Err((Field::Color, _))));
        login.name.set("a b".into());
        assert!(matches!(login.read(), Err((Field::Name, _))));
        login.password.set("secret".into());
        login.name.set("ana".into());
        login.color.set(String::new());
        let credentials = login.read().unwrap();
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
