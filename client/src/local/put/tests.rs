//! The order of flushes and renames of a large file, and the content that a part starts with.

use ferry_shared::{entry::Mtime, path::RemotePath};

use super::*;
use crate::{
    conformance::scene::Noted,
    local::flush::{self, Done},
    obstacle::Obstacle,
    site::{FileFacts, Location, Reach, Root},
};

const CONTENT: &[u8] = b"content";

fn put(folder: &std::path::Path, below: &str, over: Over) -> Put {
    let below = RemotePath::from_wire(below.as_bytes()).unwrap();
    Put {
        at: Location::new(&Root::new(folder.into()), below, Reach::Contained),
        over,
        resume: true,
        begun: false,
        keep_attributes: true,
        mode: None,
        parents: true,
        expected: FileFacts { size: 7, mtime: Mtime(1, 0) },
        verify: false,
    }
}

/// Writes a whole part and finishes it.
fn finish(put: &Put, stop: bool) -> Result<(), ClientError> {
    let destination = Destination::open(put)?;
    blocks::write_all_at(&destination.part.file, CONTENT, 0).unwrap();
    let root = Digest::of(CONTENT);
    let opened = Opened { size: Some(7), mtime: Mtime(1, 0), mode: 0o644, version: None };
    let written = Stored { root: Some(root), size: 7, reused: 0 };
    let end = End { root, size: 7, transferred: 7, reused: 0, grown: None, version: None };
    flush::take_seen();
    destination.finish(put, &opened, &written, &end, &|| stop)
}

#[test]
fn a_large_download_is_durable_before_its_name_and_the_name_before_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    finish(&put(dir.path(), "x", Over::Nothing), false).unwrap();
    assert_eq!(flush::take_seen(), [Done::File, Done::Name, Done::Folder]);
    assert_eq!(std::fs::read(dir.path().join("x")).unwrap(), CONTENT);
}

#[cfg(target_os = "linux")]
#[test]
fn the_names_of_folders_that_were_made_are_durable_too() {
    let dir = tempfile::tempdir().unwrap();
    finish(&put(&dir.path().join("new"), "a/x", Over::Nothing), false).unwrap();
    assert_eq!(flush::take_seen(), [Done::File, Done::Name, Done::FileSystem]);
}

#[test]
fn a_target_in_the_way_is_reported_and_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x"), "other").unwrap();
    for (over, expected) in [(Over::Nothing, Obstacle::Exists), (Over::This(None), Obstacle::Changed)] {
        let error = finish(&put(dir.path(), "x", over), false).unwrap_err();
        assert_eq!(error.obstacle(), expected);
        assert_eq!(flush::take_seen(), [Done::File]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no part is left");
    }
    assert_eq!(std::fs::read(dir.path().join("x")).unwrap(), b"other");
}

#[test]
fn a_file_that_is_stopped_at_the_last_moment_stays_a_part() {
    let dir = tempfile::tempdir().unwrap();
    let put = put(dir.path(), "x", Over::Nothing);
    assert!(matches!(finish(&put, true), Err(ClientError::Cancelled)));
    assert_eq!(flush::take_seen(), [Done::File]);
    assert!(!dir.path().join("x").exists() && dir.path().join(".x.ferry-part").exists());
}

#[test]
fn a_part_that_is_too_long_is_cut_and_gets_the_sources_attributes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".x.ferry-part"), [9; 100]).unwrap();
    finish(&put(dir.path(), "x", Over::Nothing), false).unwrap();
    assert_eq!(std::fs::read(dir.path().join("x")).unwrap(), CONTENT);
    let metadata = std::fs::metadata(dir.path().join("x")).unwrap();
    assert_eq!(system::mode_of(&metadata), 0o644);
    assert_eq!(Mtime::from(metadata.modified().unwrap()), Mtime(1, 0));
}

#[test]
fn two_transfers_of_one_file_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let put = put(dir.path(), "x", Over::Nothing);
    let _first = Destination::open(&put).unwrap();
    assert_eq!(Destination::open(&put).unwrap_err().obstacle(), Obstacle::Superseded);
}

#[test]
fn a_part_is_filled_only_from_a_file_that_may_be_replaced_and_has_a_block() {
    let dir = tempfile::tempdir().unwrap();
    let length = |put: &Put| {
        let destination = Destination::open(put).unwrap();
        let length = destination.part.file.metadata().unwrap().len();
        destination.part.discard().unwrap();
        length
    };
    std::fs::write(dir.path().join("x"), vec![1; 1 << 20]).unwrap();
    std::fs::write(dir.path().join("small"), vec![1; (1 << 20) - 1]).unwrap();
    assert_eq!(length(&put(dir.path(), "x", Over::Anything)), BLOCK_SIZE);
    assert_eq!(length(&put(dir.path(), "x", Over::Nothing)), 0);
    assert_eq!(length(&put(dir.path(), "small", Over::Anything)), 0);
    assert_eq!(length(&Put { resume: false, ..put(dir.path(), "x", Over::Anything) }), 0);
}

/// Stores the pieces that a source sends.
async fn take(put: Put, sent: Vec<Piece>, watch: Arc<Noted>) -> Result<Stored, ClientError> {
    let mut threads = crate::local::threads::Threads::new(&crate::conformance::scene::surroundings());
    let (pieces, taken) = mpsc::channel(1);
    let (told, mut held) = mpsc::channel(1);
    let sending = async {
        // All digests are known before the first block is omitted.
        while held.recv().await.is_some() {}
        for piece in sent {
            if pieces.send(piece).await.is_err() {
                break;
            }
        }
        drop(pieces);
    };
    tokio::join!(run(threads.call(), BufferPool::new(2), put, taken, told, watch), sending).0
}

fn opened(size: u64) -> Piece {
    Piece::Opened(Opened { size: Some(size), mtime: Mtime(1, 0), mode: 0o644, version: None })
}

fn block(index: u64, byte: u8, length: usize, equal: bool) -> Piece {
    Piece::Block { index, bytes: BlockBytes::Shared(vec![byte; length].into()), equal }
}

#[tokio::test]
async fn blocks_that_make_no_file_are_an_error_and_leave_the_name_free() {
    let size = 2 * BLOCK_SIZE;
    let end = || Piece::End(End { root: Digest::of(b""), size, transferred: 0, reused: 0, grown: None, version: None });
    let block = |index, length| block(index, 1, length, false);
    let whole = 1 << 20;
    for sent in [
        vec![opened(size), block(1, whole)],
        vec![opened(size), block(0, 5)],
        vec![opened(size), block(0, whole), block(0, whole)],
        vec![opened(size), block(0, whole), block(2, whole)],
        vec![opened(size), block(0, whole), end()],
        vec![opened(size), opened(size)],
        vec![opened(size), end()],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let shown = format!("{sent:?}").chars().take(400).collect::<String>();
        let result = take(put(dir.path(), "x", Over::Nothing), sent, Noted::new()).await;
        assert!(matches!(result, Err(ClientError::Protocol(_))), "{result:?} of {shown}");
        assert!(!dir.path().join("x").exists());
    }
}

#[tokio::test]
async fn equal_blocks_are_kept_as_they_are_and_the_phases_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let whole: usize = 1 << 20;
    let old = [vec![1; whole], vec![2; whole]].concat();
    std::fs::write(dir.path().join(".x.ferry-part"), &old).unwrap();
    let content = [old, vec![3; 10]].concat();
    let size = content.len() as u64;
    let end = End { root: Digest::of(&content), size, transferred: 10, reused: 0, grown: None, version: None };
    // The block marked as equal has other bytes and is not written.
    let sent = vec![opened(size), block(1, 9, whole, true), block(2, 3, 10, false), Piece::End(end)];
    let mut put = put(dir.path(), "x", Over::Nothing);
    put.expected.size = size;
    let watch = Noted::new();
    assert_eq!(take(put, sent, Arc::clone(&watch)).await.unwrap().size, size);
    assert!(std::fs::read(dir.path().join("x")).unwrap() == content);
    assert_eq!(*watch.phases.lock(), [Phase::Checking, Phase::Receiving, Phase::Flushing]);
    assert_eq!((watch.bytes(), watch.grown_to.load(std::sync::atomic::Ordering::Relaxed)), ((10, 0), size));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn zeros_are_left_as_holes() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().unwrap();
    let size = 8 * BLOCK_SIZE;
    let root = Digest::of(&vec![0; 8 << 20]);
    let zeros = |index| Piece::Block { index, bytes: BlockBytes::Zeros(1 << 20), equal: false };
    let end = End { root, size, transferred: size, reused: 0, grown: None, version: None };
    let sent = [opened(size)].into_iter().chain((0..8).map(zeros)).chain([Piece::End(end)]).collect();
    take(put(dir.path(), "x", Over::Nothing), sent, Noted::new()).await.unwrap();
    let metadata = std::fs::metadata(dir.path().join("x")).unwrap();
    assert_eq!((metadata.len(), metadata.blocks()), (size, 0));
}
