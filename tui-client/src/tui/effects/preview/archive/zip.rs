//! The directory of a zip archive, which is at its end: only its first entries are read, however many there are.
//!
//! The layout is that of PKWARE's APPNOTE.TXT 6.3, sections 4.3.12 to 4.3.16.

use ferry_shared::entry::Kind;

use super::{ENTRIES, listing, row};
use crate::tui::{
    effects::preview::blocks::Blocks,
    state::preview::{Content, Row},
};

/// The record at the end, with a comment of any length behind it.
const END: usize = 22;
const END_MAGIC: &[u8] = b"PK\x05\x06";
/// Bytes at the end of a file in which this record begins.
const TAIL: u64 = 65_535 + 22;
/// Before it, in an archive with more entries or bytes than 32 bits can say: where the larger record is.
const LOCATOR: u64 = 20;
const LOCATOR_MAGIC: &[u8] = b"PK\x06\x07";
/// The larger record.
const END64: usize = 56;
const END64_MAGIC: &[u8] = b"PK\x06\x06";
/// An entry of the directory, without its name.
const ENTRY: usize = 46;
const ENTRY_MAGIC: &[u8] = b"PK\x01\x02";
/// Bytes of the directory that are read.
const DIRECTORY: u64 = 1 << 20;
/// The value that says: see the extra field.
const IN_EXTRA: u32 = u32::MAX;
/// The extra field with sizes of 64 bits.
const ZIP64: u16 = 1;

/// The place of the directory.
struct Directory {
    /// How many entries it says that it has.
    entries: u64,
    offset: u64,
    length: u64,
}

/// The state of the search for the directory.
enum Found {
    /// This block must be read first.
    Behind(u64),
    /// It is here.
    Here(Directory),
    /// There is none.
    None,
}

/// The next block that the listing needs.
pub(in crate::tui::effects::preview) fn wanted(blocks: &Blocks) -> Option<u64> {
    match directory(blocks) {
        Found::Behind(block) => Some(block),
        Found::Here(directory) => blocks.missing(directory.offset, directory.length.min(DIRECTORY)),
        Found::None => None,
    }
}

/// The preview of a zip archive, of which the blocks that are [`wanted`] were read.
pub(in crate::tui::effects::preview) fn content(blocks: &Blocks) -> Content {
    let Found::Here(directory) = directory(blocks) else {
        return Content::words("zip", "a zip archive without a directory: it is cut or damaged");
    };
    let most = usize::try_from(directory.length.min(DIRECTORY)).unwrap_or(0);
    let rows = rows(&blocks.range(directory.offset, most));
    let left = directory.entries.saturating_sub(rows.len() as u64);
    let rest = match left {
        0 => None,
        left if rows.len() >= ENTRIES || directory.length > DIRECTORY => Some(format!("and {left} more")),
        _ => Some("the rest is damaged".to_owned()),
    };
    listing("zip", rows, Some(directory.entries), rest)
}

fn directory(blocks: &Blocks) -> Found {
    let size = blocks.size();
    let tail = size.saturating_sub(TAIL);
    if let Some(block) = blocks.missing(tail, TAIL) {
        return Found::Behind(block);
    }
    let bytes = blocks.range(tail, usize::try_from(TAIL).unwrap_or(usize::MAX));
    let ends = (0..bytes.len().saturating_sub(END - 1)).rev();
    let Some(at) = ends.into_iter().find(|at| bytes[*at..].starts_with(END_MAGIC)) else { return Found::None };
    let end = &bytes[at..];
    let entries = u64::from(u16_at(end, 10));
    let small = Directory { entries, length: u64::from(u32_at(end, 12)), offset: u64::from(u32_at(end, 16)) };
    let at = tail.saturating_add(at as u64);
    match at.checked_sub(LOCATOR) {
        Some(locator) => large(blocks, locator).unwrap_or(Found::Here(small)),
        None => Found::Here(small),
    }
}

/// The directory of a large archive, if the locator at this place names one.
fn large(blocks: &Blocks, locator: u64) -> Option<Found> {
    if let Some(block) = blocks.missing(locator, LOCATOR) {
        return Some(Found::Behind(block));
    }
    let bytes = blocks.range(locator, usize::try_from(LOCATOR).unwrap_or(0));
    if !bytes.starts_with(LOCATOR_MAGIC) {
        return None;
    }
    let at = u64_at(&bytes, 8);
    if at >= locator {
        return Some(Found::None);
    }
    if let Some(block) = blocks.missing(at, END64 as u64) {
        return Some(Found::Behind(block));
    }
    let end = blocks.range(at, END64);
    if end.len() < END64 || !end.starts_with(END64_MAGIC) {
        return Some(Found::None);
    }
    Some(Found::Here(Directory { entries: u64_at(&end, 32), length: u64_at(&end, 40), offset: u64_at(&end, 48) }))
}

/// The first entries of the directory; fewer where it is damaged.
fn rows(mut bytes: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    while rows.len() < ENTRIES && bytes.len() >= ENTRY && bytes.starts_with(ENTRY_MAGIC) {
        let size = u32_at(bytes, 24);
        let (name, extra, comment) = (u16_at(bytes, 28), u16_at(bytes, 30), u16_at(bytes, 32));
        let name_end = ENTRY + usize::from(name);
        let extra_end = name_end + usize::from(extra);
        let Some(fields) = bytes.get(name_end..extra_end) else { break };
        let size = if size == IN_EXTRA { large_size(fields).unwrap_or(u64::from(size)) } else { u64::from(size) };
        rows.push(row(&bytes[ENTRY..name_end], kind(u32_at(bytes, 38)), size));
        bytes = bytes.get(extra_end + usize::from(comment)..).unwrap_or_default();
    }
    rows
}

/// The kind of an entry by its attributes, whose upper half is the mode of Unix.
fn kind(attributes: u32) -> Kind {
    match attributes >> 16 & 0o170_000 {
        0o120_000 => Kind::Symlink,
        0o040_000 => Kind::Folder,
        0o010_000 | 0o020_000 | 0o060_000 | 0o140_000 => Kind::Other,
        _ => Kind::File,
    }
}

/// The size in the extra field of an entry, which comes first in its field.
fn large_size(mut fields: &[u8]) -> Option<u64> {
    while fields.len() >= 4 {
        let length = usize::from(u16_at(fields, 2));
        let field = fields.get(4..4 + length)?;
        if u16_at(fields, 0) == ZIP64 {
            return (field.len() >= 8).then(|| u64_at(field, 0));
        }
        fields = &fields[4 + length..];
    }
    None
}

/// The little-endian numbers of these records; 0 behind their end.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |number| u16::from_le_bytes(*number))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |number| u32::from_le_bytes(*number))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |number| u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests;
