//! Owns the files of the page: the path, content type, bytes and tag of each. Called by `decide`. Never reads a disk: the
//! bytes are compiled in.

use std::sync::LazyLock;

/// A file of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path in the address, with the leading slash. The page itself is `/`.
    pub path: &'static str,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub bytes: &'static [u8],
    /// The value of `ETag`, with its quotes. Equal content has equal tags, in every build.
    pub etag: String,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const MANIFEST: &str = "application/manifest+json";

/// A file of `web/dist`: its path, its content type, and its bytes.
macro_rules! dist {
    ($path:literal, $kind:ident, $name:literal) => {
        ($path, $kind, include_bytes!(concat!("../../../web/dist/", $name)))
    };
}

/// All files. No other place lists them.
const TABLE: [(&str, &str, &[u8]); 6] = [
    dist!("/", HTML, "index.html"),
    dist!("/app.js", SCRIPT, "app.js"),
    dist!("/style.css", STYLE, "style.css"),
    dist!("/icon.svg", SVG, "icon.svg"),
    dist!("/icon-news.svg", SVG, "icon-news.svg"),
    dist!("/manifest.webmanifest", MANIFEST, "manifest.webmanifest"),
];

static FILES: LazyLock<[File; TABLE.len()]> = LazyLock::new(|| {
    TABLE.map(|(path, content_type, bytes)| File {
        path,
        content_type,
        bytes,
        etag: format!("\"{:016x}\"", fnv1a(bytes)),
    })
});

/// All files of the page.
#[must_use]
pub fn files() -> &'static [File] {
    &*FILES
}

/// The file at a path, which begins with a slash.
#[must_use]
pub fn file(path: &str) -> Option<&'static File> {
    files().iter().find(|file| file.path == path)
}

/// FNV-1a, 64 bits. A tag distinguishes the versions of a file; it is no protection against an attacker.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const DIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/dist");

    #[test]
    fn the_table_has_all_files_of_dist_and_no_others() {
        let names =
            std::fs::read_dir(DIST).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<String> = names.collect();
        let listed = files().iter().map(|file| match file.path {
            "/" => "index.html".to_owned(),
            path => path[1..].to_owned(),
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), there);
        for file in files() {
            let name = if file.path == "/" { "/index.html" } else { file.path };
            assert_eq!(std::fs::read(format!("{DIST}{name}")).unwrap(), file.bytes, "{name}");
        }
    }

    #[test]
    fn tags_are_quoted_and_differ_between_files() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8, "the published test value");
        let tags: BTreeSet<_> = files().iter().map(|file| &file.etag).collect();
        assert_eq!(tags.len(), files().len());
        assert!(
            tags.iter().all(|tag| tag.len() == 18 && tag.starts_with('"') && tag.ends_with('"')),
            "{tags:?}"
        );
    }

    #[test]
    fn only_the_exact_path_is_a_file() {
        assert!(file("/app.js").is_some());
        for path in
            ["", "app.js", "//app.js", "/app.js/", "/App.js", "/index.html", "/../app.js", "/%61pp.js"]
        {
            assert!(file(path).is_none(), "{path}");
        }
    }
}
