//! Owns host names as users type them, and their form on the wire. Capital letters, a final full stop and names
//! in non-Latin scripts (IDN) are accepted, as in a browser. Called where an address is read (`invite`), and by
//! the client library before it connects. Never looks a name up.
//! anything up.

use std::net::{IpAddr, Ipv6Addr};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Why a text is not a host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// A character that no host name has.
    #[error("{} cannot stand in a host name", shown(*.0))]
    Character(char),
    /// It has colons, but is not an IPv6 address.
    #[error("it has colons and is no IPv6 address")]
    Ipv6,
    /// It ends with digits, but is not an IPv4 address.
    #[error("it ends with a number and is no IPv4 address")]
    Ipv4,
    /// Two full stops in a row, or one at the start.
    #[error("it has nothing between two full stops")]
    EmptyLabel,
    /// A label begins or ends with a hyphen.
    #[error("its part {0:?} begins or ends with a hyphen")]
    Hyphen(String),
    /// A label of more than 63 bytes, or more than 253 bytes in total.
    #[error("it is too long: 63 bytes between two full stops, 253 altogether")]
    TooLong,
}

fn shown(c: char) -> String {
    let code = u32::from(c);
    if c.is_ascii_graphic() { format!("{c:?}") } else { format!("U+{code:04X}") }
}

/// A host in the form of resolvers and certificates: an IP address (IPv6 without brackets), or a name in
/// lower-case ASCII without a final full stop. Idempotent.
///
/// # Errors
/// The reason why it cannot be looked up.
pub fn ascii(text: &str) -> Result<String, HostError> {
    if text.contains(':') {
        // A link-local address names its link: fe80::1%eth0.
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        let address: Ipv6Addr = address.parse().map_err(|_| HostError::Ipv6)?;
        let zone = text.split_once('%').map_or(String::new(), |(_, zone)| format!("%{zone}"));
        return Ok(format!("{address}{zone}"));
    }
    // As UTS 46 without its table of exceptions: normalise, lower the case, normalise.
    let plain: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    let plain = plain.replace('\u{3002}', ".");
    let plain = plain.strip_suffix('.').unwrap_or(&plain);
    if plain.is_empty() {
        return Err(HostError::Empty);
    }
    let labels: Vec<String> = plain.split('.').map(label).collect::<Result<_, _>>()?;
    let name = labels.join(".");
    if name.len() > 253 {
        return Err(HostError::TooLong);
    }
    let ends_with_number = labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if ends_with_number && name.parse::<IpAddr>().is_err() {
        return Err(HostError::Ipv4);
    }
    Ok(name)
}

fn label(text: &str) -> Result<String, HostError> {
    if text.is_empty() {
        return Err(HostError::EmptyLabel);
    }
    if let Some(c) = text.chars().find(|c| !is_host_char(*c)) {
        return Err(HostError::Character(c));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(HostError::Hyphen(text.to_owned()));
    }
    if text.len() > 4 * 63 {
        return Err(HostError::TooLong);
    }
    let label = if text.is_ascii() { text.to_owned() } else { format!("xn--{}", punycode(text)) };
    if label.len() > 63 { Err(HostError::TooLong) } else { Ok(label) }
}

fn is_host_char(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    }
    match c.general_category_group() {
        GeneralCategoryGroup::Letter => true,
        GeneralCategoryGroup::Mark => c.general_category() != GeneralCategory::EnclosingMark,
        GeneralCategoryGroup::Number => c.general_category() == GeneralCategory::DecimalNumber,
        _ => false,
    }
}

/// RFC 3492. The input is bounded, so no number here overflows.
fn punycode(text: &str) -> String {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    let digit = |d: u32| char::from_digit(if d < 26 { d + 10 } else { d - 26 }, BASE).unwrap_or('0');
    let mut out: String = text.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).unwrap_or(0);
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut done) = (128, 0u32, 72, basic);
    while let Some(next) = text.chars().map(u32::from).filter(|c| *c >= n).min() {
        delta += (next - n) * (done + 1);
        n = next;
        for c in text.chars().map(u32::from) {
            if c < n {
                delta += 1;
            }
            if c == n {
                let (mut q, mut k) = (delta, BASE);
                loop {
                    let t = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
                    if q < t {
                        break;
                    }
                    out.push(digit(t + (q - t) % (BASE - t)));
                    q = (q - t) / (BASE - t);
                    k += BASE;
                }
                out.push(digit(q));
                // Adapts the bias.
                delta = if done == basic { delta / 700 } else { delta / 2 };
                done += 1;
                delta += delta / done;
                let mut k = 0;
                while delta > ((BASE - T_MIN) * T_MAX) / 2 {
                    delta /= BASE - T_MIN;
                    k += BASE;
                }
                bias = k + (BASE - T_MIN + 1) * delta / (delta + 38);
                delta = 0;
            }
        }
        delta += 1;
        n += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_as_people_type_them() {
        for (typed, host) in [
            ("Chat.Example", "chat.example"),
            ("chat.example.", "chat.example"),
            ("under_score.example", "under_score.example"),
            ("10.0.0.1", "10.0.0.1"),
            ("FE80::1", "fe80::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BU\u{308}CHER.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("ｃｈａｔ．example", "chat.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("straße.de", "xn--strae-oqa.de"),
            ("münchen-ost.de", "xn--mnchen-ost-9db.de"),
            // RFC 3492, 7.1: Chinese, Czech, Japanese, Russian.
            ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
            ("pročprostěnemluvíčesky", "xn--proprostnemluvesky-uyb24dma41a"),
            ("なぜみんな日本語を話してくれないのか", "xn--n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa"),
            ("почемужеонинеговорятпорусски", "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l"),
        ] {
            assert_eq!(ascii(typed).as_deref(), Ok(host), "{typed}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_in_words() {
        for (typed, why) in [
            ("", HostError::Empty),
            (".", HostError::Empty),
            ("a..b", HostError::EmptyLabel),
            (".a", HostError::EmptyLabel),
            ("a b", HostError::Character(' ')),
            ("<chat", HostError::Character('<')),
            ("chat\u{200b}.example", HostError::Character('\u{200b}')),
            ("💬.example", HostError::Character('💬')),
            ("-a.b", HostError::Hyphen("-a".into())),
            ("1.2.3", HostError::Ipv4),
            ("300.1.1.1", HostError::Ipv4),
            ("a:b:c", HostError::Ipv6),
        ] {
            assert_eq!(ascii(typed), Err(why), "{typed}");
        }
        for long in ["a".repeat(64), "ü".repeat(64), "a.".repeat(127) + "a", "\u{10fffd}".repeat(10_000)] {
            assert!(ascii(&long).is_err());
        }
        assert_eq!(HostError::Character('\u{200b}').to_string(), "U+200B cannot stand in a host name");
    }

    proptest! {
        #[test]
        fn done_twice_it_changes_nothing(text in "\\PC{0,80}") {
            if let Ok(host) = ascii(&text) {
                prop_assert!(host.is_ascii());
                let again = ascii(&host);
                prop_assert_eq!(again.as_deref(), Ok(host.as_str()));
            }
        }
    }
}
