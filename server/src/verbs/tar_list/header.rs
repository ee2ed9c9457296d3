//! Headers of tar archives: the formats of POSIX (ustar, pax), of GNU and of the seventh edition of Unix.

use std::io::Write as _;

/// Bytes in a record: a header, or the unit that data is padded to.
pub(super) const RECORD: u64 = 512;
/// The byte of a record of GNU's sparse maps that says whether another one follows.
pub(super) const MORE_MAPS: usize = 504;

/// The kind of data that follows a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry of the archive.
    Entry,
    /// The long name of the next entry, in GNU's format.
    LongName,
    /// Records about the next entry, in the format of POSIX.
    Pax,
    /// Something that has no name of its own.
    Skipped,
}

/// A header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    size: u64,
    /// Whether records with a sparse map come between the header and the data.
    pub(super) is_extended: bool,
    is_link: bool,
    name: Vec<u8>,
    is_folder: bool,
}

/// The facts about the next entry in extended headers.
#[derive(Debug, Default)]
pub(super) struct Pax {
    /// Its size, where the field of the header is too small.
    pub(super) size: Option<u64>,
    name: Option<Vec<u8>>,
    /// The name of a sparse file, whose other name is an invention of tar.
    real_name: Option<Vec<u8>>,
}

impl Header {
    /// The header in this record; `None` if it is none.
    pub(super) fn parse(record: &[u8; 512]) -> Option<Self> {
        let sum: u64 = record
            .iter()
            .enumerate()
            .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        if number(&record[148..156])? != sum {
            return None;
        }
        let flag = record[156];
        let mut name = text(&record[..100]).to_vec();
        let prefix = text(&record[345..500]);
        if record[257..].starts_with(b"ustar\0") && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let kind = match flag {
            b'L' => Kind::LongName,
            b'x' | b'X' => Kind::Pax,
            b'K' | b'g' | b'V' => Kind::Skipped,
            _ => Kind::Entry,
        };
        let is_link = flag == b'1';
        // A hard link has no data of its own, whatever its size says.
        let size = if is_link { 0 } else { number(&record[124..136])? };
        Some(Self { kind, size, is_extended: flag == b'S' && record[482] != 0, is_link, name, is_folder: flag == b'5' })
    }

    /// Bytes of data after the header of an entry, according to the extended headers before it.
    pub(super) fn size_with(&self, pax: &Pax) -> u64 {
        pax.size.filter(|_| self.kind == Kind::Entry && !self.is_link).unwrap_or(self.size)
    }

    /// The line of the entry.
    pub(super) fn line(&self, pax: &Pax) -> Vec<u8> {
        let name = pax.real_name.as_ref().or(pax.name.as_ref()).unwrap_or(&self.name);
        let mut line = escaped(name);
        if self.is_folder && !name.ends_with(b"/") {
            line.push(b'/');
        }
        line.push(b'\n');
        line
    }
}

impl Pax {
    pub(super) fn take_long_name(&mut self, data: &[u8]) {
        self.name = Some(text(data).to_vec());
    }

    /// Takes records of the form `LENGTH KEY=VALUE\n`; others are ignored.
    pub(super) fn take_records(&mut self, mut data: &[u8]) {
        while let Some((record, rest)) = next_record(data) {
            data = rest;
            let Some(at) = record.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = (&record[..at], &record[at + 1..]);
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"GNU.sparse.name" => self.real_name = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok()),
                _ => {}
            }
        }
    }
}

/// The next record without its length and end, and what follows it.
fn next_record(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = data.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&data[..blank]).ok()?.parse().ok()?;
    let record = data.get(blank + 1..length)?.strip_suffix(b"\n")?;
    Some((record, &data[length..]))
}

/// The text of a field: up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The number in a field: octal digits, or binary if its first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field.first() == Some(&0x80) {
        let bytes = field.strip_prefix(&[0x80])?;
        let (high, low) = bytes.split_at(bytes.len().saturating_sub(8));
        let is_small = high.iter().all(|byte| *byte == 0);
        return is_small.then(|| low.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let digits = std::str::from_utf8(text(field)).ok()?.trim_matches(' ');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

/// The name as GNU's tar prints it.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(name.len() + 2);
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => line.extend_from_slice(b"\\\\"),
                '\n' => line.extend_from_slice(b"\\n"),
                '\t' => line.extend_from_slice(b"\\t"),
                '\r' => line.extend_from_slice(b"\\r"),
                '\u{7}' => line.extend_from_slice(b"\\a"),
                '\u{8}' => line.extend_from_slice(b"\\b"),
                '\u{b}' => line.extend_from_slice(b"\\v"),
                '\u{c}' => line.extend_from_slice(b"\\f"),
                c if c.is_control() => c.to_string().bytes().for_each(|byte| octal(&mut line, byte)),
                c => line.extend_from_slice(c.to_string().as_bytes()),
            }
        }
        chunk.invalid().iter().for_each(|byte| octal(&mut line, *byte));
    }
    line
}

fn octal(line: &mut Vec<u8>, byte: u8) {
    // Writing to memory cannot fail.
    let _ = write!(line, "\\{byte:03o}");
}
