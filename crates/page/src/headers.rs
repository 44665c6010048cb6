//! Owns the security headers of all answers, and makes answers with them. Called by `decide` and by the hosts. Never
//! decides on an answer.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

/// The headers of each answer. `web/test/headers.mjs` has the same headers for the development bridge; a test compares
/// them.
///
/// `Strict-Transport-Security` is not among them: it would cover every port of the host name.
pub const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", ""),
    ("cache-control", "no-cache"),
];

/// Sets the headers of each answer.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// An answer with these headers.
pub fn answer<B>(status: StatusCode, content_type: &'static str, body: B) -> Response<B> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    protect(answer.headers_mut());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// A refusal, with a sentence that gives the reason.
#[must_use]
pub fn refuse(status: StatusCode, why: &'static str) -> Response<&'static [u8]> {
    answer(status, "text/plain; charset=utf-8", why.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Reads `NAME: "VALUE" + "VALUE",` of the bridge's list. No value has a double quote in it.
    fn bridge() -> BTreeMap<String, String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/test/headers.mjs");
        let source = std::fs::read_to_string(path).unwrap();
        let list = source.split_once('{').unwrap().1.split_once('}').unwrap().0;
        let mut parts = list.split('"').skip(1);
        let mut headers = BTreeMap::new();
        let mut name = parts.next().unwrap().to_ascii_lowercase();
        while let (Some(between), Some(text)) = (parts.next(), parts.next()) {
            match between.trim() {
                ":" => {
                    assert!(headers.insert(name.clone(), text.to_owned()).is_none(), "{name} is there twice")
                }
                "+" => headers.get_mut(&name).unwrap().push_str(text),
                "," => name = text.to_ascii_lowercase(),
                other => panic!("{other:?} behind {name}"),
            }
        }
        headers
    }

    #[test]
    fn the_bridge_of_the_browser_tests_sends_the_same_headers() {
        let ours: BTreeMap<_, _> = HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(bridge(), ours);
    }

    #[test]
    fn each_answer_has_the_headers_and_sets_no_cookie() {
        let refused = refuse(StatusCode::NOT_FOUND, "no");
        for (name, value) in HEADERS {
            assert_eq!(refused.headers()[name], value);
        }
        assert_eq!(refused.headers().len(), HEADERS.len() + 1);
        assert_eq!(refused.headers()["content-type"], "text/plain; charset=utf-8");
    }
}
