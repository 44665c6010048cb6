//! Watches the bytes of the store's own file, without SQLite and without the write-ahead log. Called by
//! `open_files`. Never writes.
//!
//! An older copy that is written over the file is found by its older header. If it has as many pages, it is
//! found by its smaller newest number. A copy with the same newest number is not detected.

use super::header::Header;
use super::open_files::StoreFile;
use super::rows::number;
use rusqlite::Connection;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use tcp_chat_protocol::Seq;

/// How often an unexpected content is read again before the store counts as lost: up to 20 times, 100 ms in
/// all. A page can be read while SQLite writes it, and a lost store stays lost.
const CHECKS: u32 = 20;
const BETWEEN_CHECKS: Duration = Duration::from_millis(5);

/// The known bytes of the store's file.
#[derive(Debug)]
pub(super) struct FileContent {
    pub(super) newest: Header,
    /// The page that holds the newest number, and the number that was read last. `None`: it is not watched.
    pub(super) head: Option<(TotalsPage, Seq)>,
    /// The file that was found to hold foreign bytes, and what happened to it. This is final.
    pub(super) lost: Option<(StoreFile, &'static str)>,
    /// Whether the whole write-ahead log was copied into the file after its removal.
    pub(super) is_copied: bool,
}

impl FileContent {
    pub(super) fn new(newest: Header) -> Self {
        Self { newest, head: None, lost: None, is_copied: false }
    }

    /// Reads the file and keeps what it says. False: SQLite cannot have made this content from the last one.
    pub(super) fn check(&mut self, file: &File) -> io::Result<bool> {
        for _ in 0..CHECKS {
            if self.check_once(file)? {
                return Ok(true);
            }
            std::thread::sleep(BETWEEN_CHECKS);
        }
        Ok(false)
    }

    fn check_once(&mut self, file: &File) -> io::Result<bool> {
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
            // A page that is being written can be read as any number. A larger number counts only if two
            // reads agree.
            if now > *head && on.read(file, header.page_bytes) != Some(now) {
                return Ok(false);
            }
            *head = now;
        }
        self.newest = header;
        Ok(true)
    }
}

/// The first byte of a leaf page. The table `totals` has only this page.
const LEAF: u8 = 13;

/// The page of the row in `totals`. The row begins with a random number and `head`.
#[derive(Debug, Clone, Copy)]
pub(super) struct TotalsPage {
    page: u64,
}

impl TotalsPage {
    pub(super) fn find(log: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'totals'";
        Ok(Self { page: log.query_row(sql, [], |row| number(row, 0))? })
    }

    /// Reads the newest number from the file. `None`: the page does not exist yet, or is not a page of
    /// `totals`. Other checks report that.
    fn read(self, file: &File, page_bytes: u64) -> Option<Seq> {
        let mut page = vec![0; usize::try_from(page_bytes).ok()?];
        file.read_exact_at(&mut page, self.page.checked_sub(1)? * page_bytes).ok()?;
        parse_head(&page)
    }
}

/// Parses the second column of the only row, as in <https://www.sqlite.org/fileformat2.html>.
fn parse_head(page: &[u8]) -> Option<Seq> {
    let short = |at: usize| Some(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?]));
    if *page.first()? != LEAF || short(3)? != 1 {
        return None;
    }
    let mut cell = page.get(usize::from(short(8)?)..)?;
    let (_payload_bytes, _rowid) = (varint(&mut cell)?, varint(&mut cell)?);
    let mut types = cell;
    let header = usize::try_from(varint(&mut types)?).ok()?;
    let (first, second) = (varint(&mut types)?, varint(&mut types)?);
    let value = cell.get(header.checked_add(value_bytes(first)?)?..)?;
    match second {
        8 => Some(0),
        9 => Some(1),
        1..=6 => Some(value.get(..value_bytes(second)?)?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))),
        _ => None,
    }
}

/// The length in bytes of a value with this serial type.
fn value_bytes(kind: u64) -> Option<usize> {
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

/// Takes a varint of one to eight bytes, with seven bits each, from the front.
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
