//! Archives made by hand: small, large, damaged and hostile ones.

use ferry_shared::limits::BLOCK_SIZE;

use super::*;
use crate::tui::state::preview::{Body, List};

fn entry(name: &[u8], size: u32, extra: &[u8]) -> Vec<u8> {
    let mut bytes = ENTRY_MAGIC.to_vec();
    bytes.resize(ENTRY, 0);
    bytes[24..28].copy_from_slice(&size.to_le_bytes());
    bytes[28..30].copy_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
    bytes[30..32].copy_from_slice(&u16::try_from(extra.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(extra);
    bytes
}

/// An archive with `content` before a directory of these entries.
fn archive(content: usize, entries: &[Vec<u8>], comment: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.resize(content.max(4), 0);
    let offset = u32::try_from(bytes.len()).unwrap();
    let directory = entries.concat();
    bytes.extend_from_slice(&directory);
    let mut end = END_MAGIC.to_vec();
    end.resize(END, 0);
    end[10..12].copy_from_slice(&u16::try_from(entries.len() % 65_536).unwrap().to_le_bytes());
    end[12..16].copy_from_slice(&u32::try_from(directory.len()).unwrap().to_le_bytes());
    end[16..20].copy_from_slice(&offset.to_le_bytes());
    end[20..22].copy_from_slice(&u16::try_from(comment.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(&end);
    bytes.extend_from_slice(comment);
    bytes
}

/// The blocks that are asked for, and how many these are.
fn read(bytes: &[u8]) -> (Blocks, usize) {
    let mut blocks = Blocks::default();
    let size = bytes.len() as u64;
    let block = |index: u64| {
        let from = usize::try_from(index * BLOCK_SIZE).unwrap();
        bytes[from..bytes.len().min(from + (1 << 20))].to_vec()
    };
    blocks.insert(0, block(0), size);
    let mut count = 1;
    while let Some(index) = wanted(&blocks) {
        blocks.insert(index, block(index), size);
        count += 1;
        assert!(count < 20, "it asks for ever");
    }
    (blocks, count)
}

fn list(bytes: &[u8]) -> (String, List) {
    let content = content(&read(bytes).0);
    match content.body {
        Body::List(list) => (content.facts, list),
        other => panic!("{other:?}"),
    }
}

#[test]
fn entries_are_listed_with_their_sizes() {
    let large = [&1u16.to_le_bytes()[..], &8u16.to_le_bytes(), &(5u64 << 32).to_le_bytes()].concat();
    let other = [&9u16.to_le_bytes()[..], &2u16.to_le_bytes(), b"zz"].concat();
    let entries = [
        entry(b"docs/", 0, b""),
        entry(b"docs/a.txt", 1234, b""),
        entry(b"iso.img", u32::MAX, &[other, large].concat()),
    ];
    let (facts, list) = list(&archive(10, &entries, b"a comment"));
    assert_eq!((facts.as_str(), list.rest), ("zip, 3 entries", None));
    let rows: Vec<_> = list.rows.iter().map(|row| (row.name.as_str(), row.kind, row.size)).collect();
    assert_eq!(
        rows,
        [("docs", Kind::Folder, None), ("docs/a.txt", Kind::File, Some(1234)), ("iso.img", Kind::File, Some(5 << 32))]
    );
}

#[test]
fn only_the_blocks_with_the_directory_are_read() {
    let entries = [entry(b"a", 1, b"")];
    let bytes = archive((9 << 20) + 500_000, &entries, b"");
    let (blocks, count) = read(&bytes);
    assert_eq!(count, 2, "the first and the last one");
    assert_eq!(content(&blocks).facts, "zip, 1 entry");
    // The end lies in one block, the directory begins in the block before.
    let entries: Vec<_> = (0..2000).map(|n| entry(format!("{n:04}").as_bytes(), 1, b"")).collect();
    let bytes = archive((5 << 20) - 50_000, &entries, b"");
    assert_eq!(read(&bytes).1, 3);
}

#[test]
fn an_archive_with_a_million_entries_is_bounded() {
    let entries: Vec<_> = (0..1_000_000).map(|n| entry(format!("{n:07}").as_bytes(), 1, b"")).collect();
    let mut bytes = archive(10, &entries, b"");
    // So many are said in 64 bits.
    let end = bytes.split_off(bytes.len() - END);
    let at = bytes.len() as u64;
    let mut large = END64_MAGIC.to_vec();
    large.resize(END64, 0);
    large[32..40].copy_from_slice(&1_000_000u64.to_le_bytes());
    large[40..48].copy_from_slice(&(at - 10).to_le_bytes());
    large[48..56].copy_from_slice(&10u64.to_le_bytes());
    bytes.extend_from_slice(&large);
    let mut locator = LOCATOR_MAGIC.to_vec();
    locator.resize(20, 0);
    locator[8..16].copy_from_slice(&at.to_le_bytes());
    bytes.extend_from_slice(&locator);
    bytes.extend_from_slice(&end);
    let (blocks, count) = read(&bytes);
    assert!(bytes.len() > 50 << 20 && count <= 4, "{count} blocks");
    let Body::List(list) = content(&blocks).body else { panic!() };
    assert_eq!(list.rows.len(), ENTRIES);
    assert_eq!(list.rest.as_deref(), Some("and 999000 more"));
}

#[test]
fn a_directory_that_claims_anything_reads_nothing_beyond_the_file() {
    let good = archive(10, &[entry(b"a", 1, b"")], b"");
    let end = good.len() - END;
    for (at, value) in [(12, u32::MAX), (16, u32::MAX), (16, 3), (10, 0xffff)] {
        let mut bytes = good.clone();
        bytes[end + at..end + at + 4].copy_from_slice(&value.to_le_bytes());
        let _ = content(&read(&bytes).0);
    }
    for length in [0, 4, 30, good.len() - 1] {
        let _ = content(&read(&good[..length]).0);
    }
    let mut bytes = good.clone();
    bytes[10 + 28..10 + 34].fill(0xff);
    assert!(list(&bytes).1.rows.is_empty(), "its name would end behind the directory");
}

#[test]
fn hostile_names_are_escaped() {
    let (_, list) = list(&archive(10, &[entry(b"../\x1b[2J\r\xffx", 1, b"")], b""));
    assert_eq!(list.rows[0].name, r"../\u{1b}[2J\u{d}\xffx");
}
