//! Owns what is known of the bytes of the store's own file, past SQLite and the write-ahead log, and whether what stands
//! there now can have come of it. `files` asks. An older copy that is written over the file has an older header; or, where
//! no page was added meanwhile, a smaller newest number. What has the same number is not told apart. Never writes.

use super::files::Which;
use super::header::Header;
use super::rows::number;
use rusqlite::Connection;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use tcp_chat_protocol::Seq;

/// A page may be read while SQLite writes it, and the thread that writes may have lost the processor halfway. So what
/// does not follow is looked at so often, within 100 ms, before the store counts as lost: that does not heal.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// What is known of the bytes of the store's file.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) newest: Header,
    /// Where the newest number lies, and what it was; `None`: that is not looked at.
    pub(super) head: Option<(OnPage, Seq)>,
    /// Whose bytes were found to be another's, and how. That does not heal.
    pub(super) lost: Option<(Which, &'static str)>,
    /// Is all of the write-ahead log in it, since that one was removed?
    pub(super) is_copied: bool,
}

impl Content {
    pub(super) fn new(newest: Header) -> Self {
        Self { newest, head: None, lost: None, is_copied: false }
    }

    /// Looks at the file, and takes notice of what it says. False: it does not follow from what it said.
    pub(super) fn look(&mut self, file: &File) -> io::Result<bool> {
        for _ in 0..LOOKS {
            if self.look_once(file)? {
                return Ok(true);
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        Ok(false)
    }

    fn look_once(&mut self, file: &File) -> io::Result<bool> {
        let Some(header) = Header::read(file)?.filter(|header| header.follows(self.newest)) else {
            return Ok(false);
        };
        // A new version of the schema may have moved the row.
        if !header.is_of_schema(self.newest) {
            self.head = None;
        }
        if let Some((on, head)) = &mut self.head
            && let Some(now) = on.read(file, header.page_bytes)
        {
            if now < *head {
                return Ok(false);
            }
            // Half of a page that is being written may be read as any number: a larger one counts if it is read twice.
            if now > *head && on.read(file, header.page_bytes) != Some(now) {
                return Ok(false);
            }
            *head = now;
        }
        self.newest = header;
        Ok(true)
    }
}

/// What begins the page of a table that is so small that it has only one.
const LEAF: u8 = 13;

/// Where the row of the totals lies, which begins with a random number and `head`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnPage {
    page: u64,
}

impl OnPage {
    pub(super) fn of(log: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'totals'";
        Ok(Self { page: log.query_row(sql, [], |row| number(row, 0))? })
    }

    /// The number that the file has. `None`: the page is not there yet, or is not what it was; others find that out.
    fn read(self, file: &File, page_bytes: u64) -> Option<Seq> {
        let mut page = vec![0; usize::try_from(page_bytes).ok()?];
        file.read_exact_at(&mut page, self.page.checked_sub(1)? * page_bytes).ok()?;
        head(&page)
    }
}

/// The second column of the only row, by <https://www.sqlite.org/fileformat2.html>.
fn head(page: &[u8]) -> Option<Seq> {
    let short = |at: usize| Some(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?]));
    if *page.first()? != LEAF || short(3)? != 1 {
        return None;
    }
    let mut cell = page.get(usize::from(short(8)?)..)?;
    let (_payload_bytes, _rowid) = (varint(&mut cell)?, varint(&mut cell)?);
    let mut types = cell;
    let header = usize::try_from(varint(&mut types)?).ok()?;
    let (first, second) = (varint(&mut types)?, varint(&mut types)?);
    let value = cell.get(header.checked_add(bytes_of(first)?)?..)?;
    match second {
        8 => Some(0),
        9 => Some(1),
        1..=6 => Some(value.get(..bytes_of(second)?)?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))),
        _ => None,
    }
}

/// How many bytes a value of that type has.
fn bytes_of(kind: u64) -> Option<usize> {
    usize::try_from(match kind {
        0 | 8 | 9 => 0,
        1..=4 => kind,
        5 => 6,
        6 | 7 => 8,
        12.. => (kind - 12) / 2,
        _ => return None,
    })
    .ok()
}

/// Takes a number of one to eight bytes from the front: seven bits in each.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for _ in 0..8 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
