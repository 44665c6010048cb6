//! Owns the faults of a PEM file, in words: the line and the remedy; and the list of outdated signatures. Called
//! by daemon and client before a TLS library reads the text, so that no text of a library reaches a user, and no
//! part of the file is ignored silently. Never decodes, and reads no file.

/// The purpose of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// One certificate or several.
    Certificates,
    /// A private key.
    Key,
}

/// The text for an error of a library, if [`fault`] found none.
pub const DAMAGED: &str =
    "it is damaged between its BEGIN and END lines: copy it again from where it was made";

/// The reason why a text is not valid PEM, with the remedy; `file` is its name, for the commands in it.
#[must_use]
pub fn fault(text: &[u8], wanted: Wanted, file: &str) -> Option<String> {
    not_text(text, wanted, file).or_else(|| match sections(text) {
        Err(Broken::Encrypted) => Some(encrypted(file)),
        Err(Broken::Line(line, why)) => Some(format!("line {line}: {why}")),
        Ok(labels) => missing(&labels, wanted, file),
    })
}

fn not_text(text: &[u8], wanted: Wanted, file: &str) -> Option<String> {
    // The tag of a SEQUENCE (0x30) is also the digit 0.
    let is_binary = text.starts_with(&[0x30]) && text.iter().any(|byte| *byte < b'\t' || *byte >= 0x80);
    match text {
        [0xef, 0xbb, 0xbf, ..] => Some(format!(
            "it begins with a byte order mark, which PEM does not have: remove it, `sed -i '1s/^\\xef\\xbb\\xbf//' {file}`"
        )),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(format!(
            "it is text in UTF-16, and PEM is ASCII: `iconv -f UTF-16 -t UTF-8 {file} > {file}.pem`"
        )),
        _ if is_binary => {
            let tool = if wanted == Wanted::Key { "pkey" } else { "x509" };
            Some(format!(
                "it is binary (DER, or PKCS #12), not PEM: convert it, `openssl {tool} -in {file} -out {file}.pem`"
            ))
        }
        _ => None,
    }
}

enum Broken {
    Encrypted,
    /// The line, from 1.
    Line(usize, String),
}

/// The labels of all complete sections.
fn sections(text: &[u8]) -> Result<Vec<String>, Broken> {
    let mut labels = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.trim_ascii_end();
        let broken = |why: &str| Err(Broken::Line(number, why.into()));
        if let Some(at) = find(line, b"-----BEGIN ") {
            if at > 0 && line.starts_with(b"-----END ") {
                return broken(
                    "END and BEGIN share a line, so one of the two would be left out: put a newline between them \
                     (`awk 1 FIRST SECOND > BOTH` joins files so)",
                );
            }
            if let Some((began, label)) = open {
                return broken(&format!(
                    "BEGIN, and the {label} of line {began} has no END line: copy it again"
                ));
            }
            match line[..at].trim_ascii() {
                b"" if at == 0 => {}
                b"" => return broken("there are spaces before BEGIN: remove them"),
                _ => return broken("there is something before BEGIN: start a line of its own there"),
            }
            let Some(label) = line[11..].strip_suffix(b"-----") else {
                return broken("a BEGIN line has to end with five hyphens and nothing else");
            };
            open = Some((number, String::from_utf8_lossy(label).into_owned()));
            continue;
        }
        let Some((_, label)) = &open else { continue };
        if let Some(end) = line.strip_prefix(b"-----END ") {
            if end != format!("{label}-----").as_bytes() {
                return broken(&format!("this is no END line of a {label}: copy the file again"));
            }
            labels.push(label.clone());
            open = None;
        } else if find(line, b"ENCRYPTED").is_some() {
            return Err(Broken::Encrypted);
        } else if let Some(byte) = line.iter().find(|byte| !is_base64(**byte)) {
            return broken(&format!("{} has no place in a {label}: copy the file again", shown(*byte)));
        }
    }
    match open {
        Some((began, label)) => Err(Broken::Line(
            began,
            format!("the {label} that begins here has no END line: the file is cut short, copy it again"),
        )),
        None => Ok(labels),
    }
}

/// The fault if the wanted section is missing.
fn missing(labels: &[String], wanted: Wanted, file: &str) -> Option<String> {
    let has = |label: &str| labels.iter().any(|found| found == label);
    let is_key = |label: &String| label.ends_with("PRIVATE KEY");
    match wanted {
        Wanted::Certificates if has("CERTIFICATE") => None,
        Wanted::Certificates => Some(if has("TRUSTED CERTIFICATE") || has("X509 CERTIFICATE") {
            format!("its certificate has an old BEGIN line: `openssl x509 -in {file} -out {file}.pem`")
        } else if has("PKCS7") {
            format!(
                "it is PKCS #7: take the certificates out, `openssl pkcs7 -print_certs -in {file} -out {file}.pem`"
            )
        } else if has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST") {
            "there is no certificate in it (PEM) but a request for one: take what the CA made of it".into()
        } else if labels.iter().any(is_key) {
            "there is no certificate in it (PEM) but a private key: are the two files exchanged?".into()
        } else {
            "there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)".into()
        }),
        Wanted::Key if ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"].into_iter().any(has) => None,
        Wanted::Key => Some(if has("ENCRYPTED PRIVATE KEY") {
            encrypted(file)
        } else if labels.iter().any(is_key) {
            let label = labels.iter().find(|label| is_key(label)).map_or("", String::as_str);
            format!(
                "its {label} is of a kind that TLS here does not use: make another key, `openssl ecparam -name prime256v1 \
                 -genkey -noout -out {file}`, and a certificate for it"
            )
        } else if has("CERTIFICATE") {
            "there is no private key in it (PEM) but a certificate: are the two files exchanged?".into()
        } else {
            "there is no private key in it (PEM, -----BEGIN PRIVATE KEY-----)".into()
        }),
    }
}

fn encrypted(file: &str) -> String {
    format!(
        "the key in it is encrypted, and nobody is asked for its password: `openssl pkey -in {file} -out {file}.plain`"
    )
}

fn find(line: &[u8], part: &[u8]) -> Option<usize> {
    line.windows(part.len()).position(|window| window == part)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ' | b'\t' | b'\r')
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("the byte 0x{byte:02x}") }
}

/// OIDs of signatures with SHA-1, MD5 or SHA-224 (RFC 8017, RFC 5758). Current TLS libraries refuse them.
pub const OLD_SIGNATURES: [&str; 5] = [
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.113549.1.1.14",
    "1.2.840.10045.4.1",
    "1.2.840.10045.4.3.1",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn section(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    fn certificates(text: &[u8]) -> Option<String> {
        fault(text, Wanted::Certificates, "a.pem")
    }

    #[test]
    fn good_files_are_good() {
        let one = section("CERTIFICATE", "MIIB\nAA==");
        for text in
            [one.clone(), format!("subject=x\n{one}{one}"), one.replace('\n', "\r\n"), one.trim().to_owned()]
        {
            assert_eq!(certificates(text.as_bytes()), None, "{text}");
        }
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let text = format!("{}{}", section("EC PARAMETERS", "Bgg="), section(label, "MIIB"));
            assert_eq!(fault(text.as_bytes(), Wanted::Key, "a.key"), None);
        }
    }

    #[test]
    fn certificates_that_share_a_line_are_found() {
        let one = section("CERTIFICATE", "MIIB");
        let glued = format!("{}{one}", one.trim_end());
        let said = certificates(glued.as_bytes()).unwrap();
        assert!(said.starts_with("line 3: END and BEGIN share a line"), "{said}");
        assert!(said.contains("newline"), "{said}");
    }

    #[test]
    fn each_fault_has_its_words_and_its_remedy() {
        let one = section("CERTIFICATE", "MIIB");
        let key = section("PRIVATE KEY", "MIIB");
        let old = section("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB");
        let cases: &[(Wanted, Vec<u8>, &str)] = &[
            (Wanted::Certificates, Vec::new(), "there is no certificate in it (PEM"),
            (
                Wanted::Certificates,
                [&[0xef, 0xbb, 0xbf], one.as_bytes()].concat(),
                "sed -i '1s/^\\xef\\xbb\\xbf//' F",
            ),
            (Wanted::Certificates, vec![0xff, 0xfe, b'-', 0], "iconv -f UTF-16"),
            (Wanted::Certificates, vec![0x30, 0x82, 1, 1], "openssl x509 -in F"),
            (Wanted::Key, vec![0x30, 0x82, 1, 1], "openssl pkey -in F"),
            (Wanted::Key, vec![0x30, 0x77, 2, 1, 1], "openssl pkey -in F"),
            (Wanted::Key, b"0123".to_vec(), "there is no private key in it (PEM"),
            (
                Wanted::Certificates,
                b"-----BEGIN CERTIFICATE-----\nMII\n".to_vec(),
                "line 1: the CERTIFICATE that begins here has no END",
            ),
            (Wanted::Certificates, section("CERTIFICATE", "MI-I").into(), "line 2: `-` has no place"),
            (Wanted::Certificates, format!(" {one}").into(), "line 1: there are spaces before BEGIN"),
            (Wanted::Certificates, format!("x{one}").into(), "line 1: there is something before BEGIN"),
            (Wanted::Certificates, one.replace("E-----\nM", "E----\nM").into(), "line 1: a BEGIN line"),
            (
                Wanted::Certificates,
                one.replace("END CERTIFICATE", "END KEY").into(),
                "line 3: this is no END line",
            ),
            (
                Wanted::Certificates,
                format!("{}{one}", "-----BEGIN CERTIFICATE-----\nMI\n").into(),
                "line 3: BEGIN, and the CERTIFICATE of line 1",
            ),
            (Wanted::Certificates, key.clone().into(), "exchanged?"),
            (Wanted::Certificates, section("TRUSTED CERTIFICATE", "MI").into(), "openssl x509 -in F"),
            (Wanted::Certificates, section("PKCS7", "MI").into(), "openssl pkcs7 -print_certs"),
            (Wanted::Certificates, section("CERTIFICATE REQUEST", "MI").into(), "a request for one"),
            (Wanted::Key, Vec::new(), "there is no private key in it (PEM"),
            (Wanted::Key, one.clone().into(), "exchanged?"),
            (Wanted::Key, section("ENCRYPTED PRIVATE KEY", "MI").into(), "openssl pkey -in F"),
            (Wanted::Key, old.into(), "openssl pkey -in F"),
            (
                Wanted::Key,
                section("OPENSSH PRIVATE KEY", "MI").into(),
                "its OPENSSH PRIVATE KEY is of a kind",
            ),
        ];
        for (wanted, text, sentence) in cases {
            let said = fault(text, *wanted, "F").unwrap_or_default();
            assert!(said.contains(sentence), "{sentence:?} is not in {said:?}");
        }
    }
}
