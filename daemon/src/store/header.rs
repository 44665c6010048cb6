//! Owns what the first bytes of a SQLite database say, and whether SQLite can have made them out of earlier ones.
//! `files` asks. Never writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of the header of a SQLite database.
const HEADER: usize = 100;
/// What such a header begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What the first bytes of a database say. In a file that only SQLite writes, `changes` falls only with a
/// new `schema`, which never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    changes: u32,
    schema: u32,
    pages: u64,
    pub(super) page_bytes: u64,
    file_bytes: u64,
}

impl Header {
    /// `None`: these are not the first bytes of a database.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(e),
        }
        if !bytes.starts_with(MAGIC) {
            return Ok(None);
        }
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let page_bytes = match u64::from(u16::from_be_bytes([bytes[16], bytes[17]])) {
            1 => 65_536,
            bytes => bytes,
        };
        let file_bytes = file.metadata()?.len();
        Ok(Some(Self {
            changes: number(24),
            schema: number(40),
            pages: u64::from(number(28)),
            page_bytes,
            file_bytes,
        }))
    }

    /// How many numbers it is.
    pub(super) const NUMBERS: usize = 5;

    /// To be kept elsewhere.
    pub(super) fn numbers(self) -> [u64; Self::NUMBERS] {
        [self.changes.into(), self.schema.into(), self.pages, self.page_bytes, self.file_bytes]
    }

    /// What was kept.
    pub(super) fn from_numbers(numbers: [u64; Self::NUMBERS]) -> Option<Self> {
        let [changes, schema, pages, page_bytes, file_bytes] = numbers;
        let (changes, schema) = (u32::try_from(changes).ok()?, u32::try_from(schema).ok()?);
        Some(Self { changes, schema, pages, page_bytes, file_bytes })
    }

    /// Has the schema the same version?
    pub(super) fn is_of_schema(self, other: Self) -> bool {
        self.schema == other.schema
    }

    /// Can SQLite have made this out of `before`? It grows. A `VACUUM` counts anew and may cut it; it is a new
    /// version of the schema.
    pub(super) fn follows(self, before: Self) -> bool {
        let grows = self.changes >= before.changes && self.file_bytes >= before.file_bytes;
        let is_vacuumed = self.schema > before.schema && self.pages * self.page_bytes <= self.file_bytes;
        self.page_bytes == before.page_bytes && ((grows && self.schema >= before.schema) || is_vacuumed)
    }
}
