//! Owns the text around a pasted address: quotes, brackets, the full stop of a sentence, invisible marks. Called
//! by `invite`. Never reads the address itself.

use std::net::Ipv6Addr;

/// Characters around an address that is copied from a mail, a chat or a shell.
const AROUND: &str = "<>()[]{}\"'`\u{2018}\u{2019}\u{201a}\u{201b}\u{201c}\u{201d}\u{201e}\u{201f}\u{ab}\u{bb}\u{2039}\u{203a}\u{feff}\u{200b}\u{200e}\u{200f}\u{2060}";
/// Characters at the end of a sentence.
const ENDS: &str = ".,;!?\u{3002}\u{ff0c}\u{ff0e}\u{2026}";

/// The address without the text around it. An IPv6 address keeps its brackets and its colons.
pub(crate) fn without_surroundings(text: &str) -> &str {
    let is_around = |c: char| c.is_whitespace() || c.is_control() || AROUND.contains(c);
    let mut rest = text.trim_start_matches(|c| is_around(c) && c != '[');
    // A bracket at the start belongs to an IPv6 address, as in `[::1]:3000`.
    if let Some(inner) = rest.strip_prefix('[')
        && let Some((inside, _)) = inner.split_once(']')
        && inside.split('%').next().is_none_or(|address| address.parse::<Ipv6Addr>().is_err())
    {
        rest = inner.trim_start_matches(is_around);
    }
    loop {
        let before = rest;
        rest = rest.trim_end_matches(|c| is_around(c) && c != ']');
        rest = match rest.strip_suffix(']') {
            Some(inner) if !inner.contains('[') => inner,
            _ => rest,
        };
        // Directly after a host, a colon begins a port.
        let has_more = without_scheme(rest).contains(['/', '#']);
        rest = rest.trim_end_matches(|c| ENDS.contains(c) || (c == ':' && has_more));
        if rest == before {
            return rest;
        }
    }
}

/// The address without `tcps://`, in either case.
pub(crate) fn without_scheme(text: &str) -> &str {
    const SCHEME: &str = "tcps://";
    match text.split_at_checked(SCHEME.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(SCHEME) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use crate::Invite;

    #[test]
    fn what_is_pasted_with_it_is_left_out() {
        let pin = "ab".repeat(32);
        let plain = format!("tcps://chat.example:4444/ops#{pin}");
        for (before, after) in [
            ("<", ">"),
            ("\"", "\""),
            ("\u{201e}", "\u{201c}."),
            ("'", "',"),
            ("`", "`"),
            ("(", ")."),
            ("[", "]"),
            ("\u{feff} ", "\u{200b}\r\n"),
            ("tcp-chat-cli ", ""),
            ("`tcp-chat-cli '", "'`."),
            ("", "."),
            ("", ":"),
            ("", ".:"),
        ] {
            let pasted = format!("{before}{plain}{after}");
            assert_eq!(pasted.parse::<Invite>().unwrap().to_string(), plain, "{pasted}");
        }
        let capitals = format!("TCPS://Chat.EXAMPLE:4444/ops#{}", pin.to_uppercase());
        assert_eq!(capitals.parse::<Invite>().unwrap().to_string(), plain);
        for (text, shown) in [
            ("chat.example.", "tcps://chat.example:3000"),
            ("chat.example.:81.", "tcps://chat.example:81"),
            ("<[::1]:81>", "tcps://[::1]:81"),
            ("[chat.example:81]", "tcps://chat.example:81"),
            ("[::1]", "tcps://[::1]:3000"),
            ("[::1].", "tcps://[::1]:3000"),
            ("fe80::", "tcps://[fe80::]:3000"),
            ("TCPS://[FE80::1]/", "tcps://[fe80::1]:3000"),
            ("Bücher.example/ops", "tcps://xn--bcher-kva.example:3000/ops"),
        ] {
            assert_eq!(text.parse::<Invite>().unwrap().to_string(), shown, "{text}");
        }
        for (bad, part) in
            [("ht<tp", "'<'"), ("http://a/b", "tcps://"), ("a\u{202e}b", "U+202E"), ("1.2.3", "IPv4")]
        {
            let why = bad.parse::<Invite>().unwrap_err().to_string();
            assert!(why.contains(part), "{bad}: {why}");
        }
    }
}
