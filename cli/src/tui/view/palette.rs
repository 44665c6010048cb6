//! Owns the colours. Names keep their hue and get a lightness that is readable on white and on black (a contrast
//! of 4.5 on both), so the program need not know the background; eight colours are the terminal's own. Everything
//! else also uses the terminal's colours, or bold, dim or reversed. Part of the view. Never draws.

pub(crate) use crate::terminal_kind::Colors as Palette;

use crate::terminal_kind::basic;
use ratatui::style::{Color, Modifier, Style};
use tcp_chat_client::protocol::Colour;

type Rgb = (u8, u8, u8);

/// The relative luminance with the same contrast to black and to white.
const MIDDLE: f32 = 0.179;

/// The hues of users without a colour.
const HUES: [Rgb; 10] = [
    (220, 50, 47),
    (203, 75, 22),
    (170, 130, 0),
    (100, 150, 0),
    (0, 150, 70),
    (0, 150, 150),
    (38, 139, 210),
    (90, 100, 220),
    (150, 80, 210),
    (211, 54, 130),
];

impl Palette {
    /// The colour of a name.
    pub(crate) fn name(self, name: &str, color: Colour) -> Style {
        let rgb = match color {
            Colour::Red => (255, 0, 0),
            Colour::Green => (0, 170, 0),
            Colour::Yellow => (190, 150, 0),
            Colour::Blue => (40, 90, 255),
            Colour::Fuchsia => (255, 0, 255),
            Colour::Cyan => (0, 170, 190),
            Colour::Rgb(r, g, b) => (r, g, b),
            Colour::None => HUES[hash(name) % HUES.len()],
        };
        self.style(readable(rgb)).add_modifier(Modifier::BOLD)
    }

    /// For errors.
    pub(crate) fn error(self) -> Style {
        self.style(readable((255, 0, 0))).add_modifier(Modifier::BOLD)
    }

    /// For unread messages and mentions.
    pub(crate) fn accent(self) -> Style {
        self.style(readable((230, 90, 0))).add_modifier(Modifier::BOLD)
    }

    fn style(self, (r, g, b): Rgb) -> Style {
        match self {
            Self::None => Style::new(),
            Self::Basic => basic((r, g, b)).map_or(Style::new(), |n| Style::new().fg(Color::Indexed(n))),
            Self::Indexed => Style::new().fg(Color::Indexed(nearest((r, g, b)))),
            Self::True => Style::new().fg(Color::Rgb(r, g, b)),
        }
    }
}

/// FNV-1a: a name has the same colour everywhere.
fn hash(name: &str) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in name.to_lowercase().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    (hash >> 8) as usize
}

fn linear(part: u8) -> f32 {
    let part = f32::from(part) / 255.0;
    if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
}

fn part(linear: f32) -> u8 {
    let part = if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    // Between 0 and 255 by construction.
    (part.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn luminance((r, g, b): Rgb) -> f32 {
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// The same hue with the middle luminance.
fn readable(rgb: Rgb) -> Rgb {
    let is = luminance(rgb);
    let turn = |x: u8| {
        let x = linear(x);
        part(if is > MIDDLE { x * MIDDLE / is } else { x + (1.0 - x) * (MIDDLE - is) / (1.0 - is) })
    };
    (turn(rgb.0), turn(rgb.1), turn(rgb.2))
}

const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest of xterm's colours that is readable on black and on white.
fn nearest(rgb: Rgb) -> u8 {
    let far = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    let cube = (16..=231_u8).map(|i| {
        let n = usize::from(i - 16);
        (i, (LEVELS[n / 36], LEVELS[n / 6 % 6], LEVELS[n % 6]))
    });
    cube.filter(|(_, c)| (0.11..=0.29).contains(&luminance(*c)))
        .min_by_key(|(_, c)| far(c.0, rgb.0) + far(c.1, rgb.1) + far(c.2, rgb.2))
        .map_or(244, |(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contrast(a: f32, b: f32) -> f32 {
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    proptest! {
        #[test]
        fn every_colour_can_be_read_on_both_grounds(r: u8, g: u8, b: u8) {
            let shown = luminance(readable((r, g, b)));
            prop_assert!(contrast(shown, 0.0) >= 4.4, "{shown}");
            prop_assert!(contrast(shown, 1.0) >= 4.4, "{shown}");
        }

        #[test]
        fn with_256_colours_nearly_as_well(r: u8, g: u8, b: u8) {
            let n = usize::from(nearest(readable((r, g, b))) - 16);
            let shown = luminance((LEVELS[n / 36], LEVELS[n / 6 % 6], LEVELS[n % 6]));
            prop_assert!(contrast(shown, 0.0) >= 3.0 && contrast(shown, 1.0) >= 3.0, "{shown}");
        }
    }

    #[test]
    fn the_named_colours_stay_apart() {
        use Colour as C;
        for palette in [Palette::Basic, Palette::Indexed, Palette::True] {
            let all = [C::Red, C::Green, C::Yellow, C::Blue, C::Fuchsia, C::Cyan];
            let shown: std::collections::HashSet<_> =
                all.into_iter().map(|c| format!("{:?}", palette.name("x", c).fg)).collect();
            assert_eq!(shown.len(), all.len(), "{shown:?}");
        }
        assert_eq!(Palette::None.name("x", C::Red).fg, None);
    }
}
