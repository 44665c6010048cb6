//! Reads the header of a SQLite database, and decides whether SQLite can have made it from an earlier one.
//! Called by `open_files` and `store_record`. Never writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of the header of a SQLite database.
const HEADER: usize = 100;
/// The magic string at the start of the header.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The header of a database. In a file that only SQLite writes, `changes` falls only together with a new
/// `schema`, and `schema` never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    changes: u32,
    schema: u32,
    pages: u64,
    pub(super) page_bytes: u64,
    file_bytes: u64,
}

impl Header {
    /// Reads the header. `None`: the file is not a database.
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

    /// The length of [`Header::numbers`].
    pub(super) const NUMBERS: usize = 5;

    /// The header as numbers, to be stored elsewhere.
    pub(super) fn numbers(self) -> [u64; Self::NUMBERS] {
        [self.changes.into(), self.schema.into(), self.pages, self.page_bytes, self.file_bytes]
    }

    /// The header from stored numbers.
    pub(super) fn from_numbers(numbers: [u64; Self::NUMBERS]) -> Option<Self> {
        let [changes, schema, pages, page_bytes, file_bytes] = numbers;
        let (changes, schema) = (u32::try_from(changes).ok()?, u32::try_from(schema).ok()?);
        Some(Self { changes, schema, pages, page_bytes, file_bytes })
    }

    /// Whether both have the same schema version.
    pub(super) fn is_of_schema(self, other: Self) -> bool {
        self.schema == other.schema
    }

    /// Whether SQLite can have made this header from `before`. A file only grows. `VACUUM` resets the counter
    /// and can shrink the file, but it sets a new schema version.
    pub(super) fn follows(self, before: Self) -> bool {
        let grows = self.changes >= before.changes && self.file_bytes >= before.file_bytes;
        let is_vacuumed = self.schema > before.schema && self.pages * self.page_bytes <= self.file_bytes;
        self.page_bytes == before.page_bytes && ((grows && self.schema >= before.schema) || is_vacuumed)
    }
}
