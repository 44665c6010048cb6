//! Owns the capabilities of the terminal by its environment: whether it can place a cursor, the number of its
//! colours, whether it shows more than ASCII. Used by the full screen, line mode and the scripts. Never writes to
//! a terminal or queries it.

/// The number of colours of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// None, or none are wanted.
    None,
    /// The eight of ANSI.
    Basic,
    /// The 256 of xterm.
    Indexed,
    /// All.
    True,
}

/// Terminals with 256 colours whose names do not say so.
const INDEXED: [&str; 8] = ["alacritty", "contour", "foot", "ghostty", "kitty", "rio", "vte", "wezterm"];

/// Windows sets neither `TERM` nor a locale; its consoles have colours, a cursor and UTF-8.
const IS_UNIX: bool = cfg!(unix);

type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The colours of this terminal. `wanted`: whether the user wants colours.
#[must_use]
pub fn colors(wanted: bool) -> Colors {
    if wanted { colors_of(&variable) } else { Colors::None }
}

/// Whether the locale, as far as it tells, has only ASCII characters.
#[must_use]
pub fn is_ascii() -> bool {
    IS_UNIX && is_ascii_of(&variable)
}

/// The reason why this terminal cannot show the full screen; `None`: it can.
#[must_use]
pub fn without_cursor() -> Option<&'static str> {
    without_cursor_of(&variable)
}

/// A variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}

/// The facts of terminfo, without its database: by the name of the terminal.
fn colors_of(says: Environment<'_>) -> Colors {
    let term = says("TERM");
    if without_cursor_of(says).is_some() {
        return Colors::None;
    }
    let term = term.unwrap_or_default();
    let has_none = |name: &str| {
        // DEC's terminals: vt52, vt100, vt220 and so on, but not `vte`.
        let is_dec =
            name.strip_prefix("vt").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        is_dec || ["-m", "-mono"].iter().any(|end| name.ends_with(end))
    };
    if has_none(&term) {
        return Colors::None;
    }
    let all = says("COLORTERM").is_some_and(|v| ["truecolor", "24bit"].iter().any(|word| v.contains(word)));
    if all || term.ends_with("-direct") {
        return Colors::True;
    }
    let is_indexed = term.contains("256color") || term.split('-').any(|part| INDEXED.contains(&part));
    if is_indexed || (!IS_UNIX && term.is_empty()) { Colors::Indexed } else { Colors::Basic }
}

/// The first of these variables that is set determines the characters; without any, POSIX, which is ASCII.
fn is_ascii_of(says: Environment<'_>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(says).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    !locale.contains("utf-8") && !locale.contains("utf8")
}

fn without_cursor_of(says: Environment<'_>) -> Option<&'static str> {
    match says("TERM").as_deref() {
        Some("dumb") => Some("TERM is `dumb`"),
        Some("unknown") => Some("TERM is `unknown`"),
        None if IS_UNIX => Some("TERM is not set"),
        _ => None,
    }
}

/// The one of the eight ANSI colours with the same hue, 1 to 6; `None`: it has no hue.
pub(crate) fn basic((r, g, b): (u8, u8, u8)) -> Option<u8> {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most - least < 16 {
        return None;
    }
    let middle = least + (most - least) / 2;
    Some(u8::from(r > middle) | u8::from(g > middle) << 1 | u8::from(b > middle) << 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(variables: &[(&str, &str)], look: impl Fn(Environment<'_>) -> T) -> T {
        look(&|name| {
            let value = variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            value.filter(|value| !value.is_empty())
        })
    }

    #[test]
    fn colours_by_the_name_of_the_terminal() {
        use Colors as C;
        for (term, plain, with_colorterm) in [
            ("vt100", C::None, C::None),
            ("vt220", C::None, C::None),
            ("xterm-mono", C::None, C::None),
            ("linux-m", C::None, C::None),
            ("dumb", C::None, C::None),
            ("xterm", C::Basic, C::True),
            ("linux", C::Basic, C::True),
            ("screen", C::Basic, C::True),
            ("tmux", C::Basic, C::True),
            ("some-terminal", C::Basic, C::True),
            ("xterm-256color", C::Indexed, C::True),
            ("screen.xterm-256color", C::Indexed, C::True),
            ("xterm-kitty", C::Indexed, C::True),
            ("vte", C::Indexed, C::True),
            ("foot-extra", C::Indexed, C::True),
            ("xterm-direct", C::True, C::True),
        ] {
            assert_eq!(with(&[("TERM", term)], colors_of), plain, "{term}");
            let both = [("TERM", term), ("COLORTERM", "truecolor")];
            assert_eq!(with(&both, colors_of), with_colorterm, "{term}, truecolor");
        }
    }

    #[test]
    #[cfg(unix)]
    fn no_name_is_a_terminal_without_a_cursor() {
        for nothing in [&[][..], &[("TERM", "")]] {
            assert!(with(nothing, without_cursor_of).is_some_and(|why| why.contains("not set")));
            assert_eq!(with(nothing, colors_of), Colors::None);
        }
        assert!(with(&[("TERM", "dumb")], without_cursor_of).is_some());
        assert_eq!(with(&[("TERM", "vt100")], without_cursor_of), None);
    }

    #[test]
    fn the_first_variable_of_the_locale_counts() {
        for (variables, ascii) in [
            (&[][..], true),
            (&[("LANG", "C")], true),
            (&[("LANG", "POSIX")], true),
            (&[("LANG", "de_DE.ISO-8859-1")], true),
            (&[("LANG", "ja_JP")], true),
            (&[("LANG", "C.UTF-8")], false),
            (&[("LANG", "de_DE.utf8@euro")], false),
            (&[("LC_CTYPE", "UTF-8")], false),
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], true),
            (&[("LC_ALL", ""), ("LC_CTYPE", "en_US.UTF-8"), ("LANG", "C")], false),
            (&[("LC_CTYPE", "C"), ("LANG", "en_US.UTF-8")], true),
        ] {
            assert_eq!(with(variables, is_ascii_of), ascii, "{variables:?}");
        }
    }

    #[test]
    fn hues() {
        let table = [
            ((255, 0, 0), Some(1)),
            ((0, 170, 0), Some(2)),
            ((190, 150, 0), Some(3)),
            ((40, 90, 255), Some(4)),
            ((255, 0, 255), Some(5)),
            ((0, 170, 190), Some(6)),
            ((90, 90, 95), None),
            ((255, 255, 255), None),
        ];
        for (rgb, wanted) in table {
            assert_eq!(basic(rgb), wanted, "{rgb:?}");
        }
    }
}
