//! The entries at the begin of a tar archive, compressed by gzip or not.

use std::io::{self, Read};

use ferry_shared::{entry::Kind, limits::BLOCK_SIZE};
use flate2::read::GzDecoder;
use tar::{Archive, EntryType};
use tokio_util::sync::CancellationToken;

use super::{ENTRIES, listing, row};
use crate::tui::{
    effects::preview::blocks::Blocks,
    state::preview::{Content, Row},
};

/// Bytes of a tar archive that are read; later entries are not listed.
pub(in crate::tui::effects::preview) const TAR_MAX: u64 = 8 * BLOCK_SIZE;
/// Bytes that are decompressed at most.
const INFLATED: u64 = 64 << 20;

/// How the listing ended.
enum End {
    /// At the end of the archive.
    Whole,
    /// After [`ENTRIES`].
    Full,
    /// Where nothing more was read, or the archive is damaged.
    Cut,
}

/// The preview of a tar archive, of which these blocks were read.
pub(in crate::tui::effects::preview) fn content(blocks: &Blocks, gzip: bool, stop: &CancellationToken) -> Content {
    let bytes = blocks.start(usize::try_from(TAR_MAX).unwrap_or(usize::MAX));
    let whole = bytes.len() as u64 >= blocks.size();
    let (format, (rows, end)) = match gzip {
        true => ("tar.gz", entries(GzDecoder::new(bytes.as_slice()), stop)),
        false => ("tar", entries(bytes.as_slice(), stop)),
    };
    let rest = match end {
        End::Whole => None,
        End::Full => Some(format!("and more than these {ENTRIES}")),
        End::Cut if whole && !gzip => Some("the rest is damaged".to_owned()),
        End::Cut => Some("the rest is not read for a preview, or is damaged".to_owned()),
    };
    let all = rest.is_none().then_some(rows.len() as u64);
    listing(format, rows, all, rest)
}

fn entries(bytes: impl Read, stop: &CancellationToken) -> (Vec<Row>, End) {
    // One byte more than is allowed fails, so that a cut archive does not look like a whole one.
    let mut archive = Archive::new(Bounded { inner: bytes, left: INFLATED, stop });
    let mut rows = Vec::new();
    let Ok(mut entries) = archive.entries() else { return (rows, End::Cut) };
    loop {
        let entry = match entries.next() {
            None => return (rows, End::Whole),
            Some(Err(_)) => return (rows, End::Cut),
            Some(Ok(_)) if rows.len() >= ENTRIES => return (rows, End::Full),
            Some(Ok(entry)) => entry,
        };
        let kind = match entry.header().entry_type() {
            EntryType::Directory => Kind::Folder,
            EntryType::Symlink | EntryType::Link => Kind::Symlink,
            EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Other,
            _ => Kind::File,
        };
        rows.push(row(&entry.path_bytes(), kind, entry.size()));
    }
}

/// Bytes that end with an error after too many of them, or once they are not wanted any more.
struct Bounded<'s, R> {
    inner: R,
    left: u64,
    stop: &'s CancellationToken,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() || (self.left == 0 && !buffer.is_empty()) {
            return Err(io::Error::other("no more is read for a preview"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::tui::state::preview::{Body, List};

    fn blocks(bytes: &[u8]) -> Blocks {
        let mut blocks = Blocks::default();
        for (index, block) in bytes.chunks(1 << 20).enumerate().take(8) {
            blocks.insert(index as u64, block.to_vec(), bytes.len() as u64);
        }
        blocks
    }

    fn made(entries: &[(&str, u64)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, size) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(*size);
            header.set_mode(0o644);
            if name.ends_with('/') {
                header.set_entry_type(EntryType::Directory);
            }
            archive.append_data(&mut header, name, io::repeat(b'x').take(*size)).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn list(bytes: &[u8], gzip: bool) -> (String, List) {
        let content = content(&blocks(bytes), gzip, &CancellationToken::new());
        match content.body {
            Body::List(list) => (content.facts, list),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_are_listed_with_their_sizes() {
        let long = format!("deep/{}", "n".repeat(150));
        let bytes = made(&[("a/", 0), ("a/b.txt", 5), (&long, 700)]);
        for (bytes, zipped, format) in [(bytes.clone(), false, "tar"), (gzip(&bytes), true, "tar.gz")] {
            let (facts, list) = list(&bytes, zipped);
            assert_eq!((facts, list.rest), (format!("{format}, 3 entries"), None));
            let rows: Vec<_> = list.rows.iter().map(|row| (row.name.as_str(), row.kind, row.size)).collect();
            assert_eq!(
                rows,
                [("a", Kind::Folder, None), ("a/b.txt", Kind::File, Some(5)), (&long, Kind::File, Some(700))]
            );
        }
    }

    #[test]
    fn a_decompression_bomb_is_given_up() {
        // A file of 4 GiB of zeros would come out of it.
        let mut header = tar::Header::new_gnu();
        header.set_path("zeros").unwrap();
        header.set_size(4 << 30);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.resize(200 << 20, 0);
        let bytes = gzip(&bytes);
        assert!(bytes.len() as u64 <= BLOCK_SIZE, "{}", bytes.len());
        let mut read = 0u64;
        let counted = Counted { inner: GzDecoder::new(bytes.as_slice()), read: &mut read };
        let (rows, end) = entries(counted, &CancellationToken::new());
        assert!(rows.len() == 1 && matches!(end, End::Cut));
        assert!(read <= INFLATED, "{read}");
    }

    struct Counted<'c, R> {
        inner: R,
        read: &'c mut u64,
    }

    impl<R: Read> Read for Counted<'_, R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.inner.read(buffer)?;
            *self.read += count as u64;
            Ok(count)
        }
    }

    #[test]
    fn many_entries_are_cut_and_a_cut_archive_says_so() {
        let names: Vec<String> = (0..ENTRIES + 10).map(|n| format!("{n}")).collect();
        let entries: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 0)).collect();
        let bytes = made(&entries);
        let (facts, all) = list(&bytes, false);
        assert_eq!((all.rows.len(), facts.as_str()), (ENTRIES, "tar, 1000 entries or more"));
        assert!(all.rest.is_some());
        let (_, cut) = list(&gzip(&bytes)[..300], true);
        assert!(!cut.rows.is_empty() && cut.rest.is_some());
    }

    #[test]
    fn hostile_names_are_escaped() {
        let mut bytes = made(&[("xyz", 0)]);
        bytes[0] = 0x1b;
        bytes[1] = b'\r';
        let sum: u32 = bytes[..512]
            .iter()
            .enumerate()
            .map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) })
            .sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(list(&bytes, false).1.rows[0].name, r"\u{1b}\u{d}z");
    }
}
