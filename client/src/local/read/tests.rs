//! The blocks that a reader passes on, and files that change while they are read.

use std::{fs, io::Write as _, path::Path};

use ferry_shared::{limits::BLOCK_SIZE, path::RemotePath};

use super::*;
use crate::{
    conformance::scene::{DATE, Noted, large},
    local::threads::Stop,
    site::{FileFacts, Reach, Root},
};

fn get(path: &Path, growing: bool) -> Get {
    let at = Location::new(&Root::new(path.into()), RemotePath::home(), Reach::Follow);
    Get { at, expected: FileFacts { size: 0, mtime: DATE }, growing, opened_first: false, basis: None }
}

struct Taken {
    result: Result<End, ClientError>,
    /// The index of each block, and whether it is marked as equal.
    blocks: Vec<(u64, bool)>,
    watch: Arc<Noted>,
}

/// Reads a file of which the target holds `held`. Runs the closure in `meanwhile` when the block with that index
/// arrives.
async fn read(get: Get, held: Vec<Digest>, keep_alive: Duration, meanwhile: (u64, impl FnOnce())) -> Taken {
    let watch = Noted::new();
    let (told, digests) = mpsc::channel(1);
    let (pieces, mut taken) = mpsc::channel(1);
    let reader = Reader {
        keep_alive,
        ..Reader::new(
            BufferPool::new(2),
            None,
            get,
            digests,
            pieces,
            Arc::clone(&watch) as Arc<dyn Watch>,
            Stop::never(),
        )
    };
    let reading = tokio::task::spawn_blocking(move || reader.run());
    let telling = tokio::spawn(async move {
        for digest in held {
            if told.send(vec![digest]).await.is_err() {
                break;
            }
        }
    });
    let (at, work) = meanwhile;
    let mut work = Some(work);
    let mut blocks = Vec::new();
    while let Some(piece) = taken.recv().await {
        if let Piece::Block { index, equal, bytes } = piece {
            blocks.push((index, equal));
            if let BlockBytes::Pooled { start, .. } = bytes {
                assert_eq!(start, HEADROOM);
            }
            if index >= at
                && let Some(work) = work.take()
            {
                work();
            }
        }
    }
    telling.await.unwrap();
    Taken { result: reading.await.unwrap(), blocks, watch }
}

fn nothing() -> (u64, impl FnOnce()) {
    (u64::MAX, || {})
}

fn digests(content: &[u8]) -> Vec<Digest> {
    let size = content.len() as u64;
    content.chunks(1 << 20).enumerate().map(|(index, block)| block_digest(size, index as u64, block)).collect()
}

fn file(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, content).unwrap();
    (dir, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_blocks_are_left_out_except_the_last_and_those_beside_others_which_say_so() {
    let content = [large(1), large(2)].concat();
    let size = content.len() as u64;
    let (_dir, path) = file(&content);
    let mut held = digests(&content);
    assert_eq!(held.len(), 9);
    held[2] = Digest::of(b"other");
    held.truncate(8);
    let taken = read(get(&path, false), held, KEEP_ALIVE, nothing()).await;
    // Blocks 0, 4, 5 and 6 are left out.
    assert_eq!(taken.blocks, [(1, true), (2, false), (3, true), (7, true), (8, false)]);
    let end = taken.result.unwrap();
    assert_eq!((end.size, end.root), (size, Digest::of(&content)));
    assert_eq!((end.reused, end.transferred), (7 * BLOCK_SIZE, size - 7 * BLOCK_SIZE));
    assert_eq!(taken.watch.bytes(), (0, end.reused));
    assert_eq!(taken.watch.opened.lock().as_ref().unwrap().size, Some(size));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_got_nothing_for_long_gets_an_equal_block() {
    let content = large(1);
    let (_dir, path) = file(&content);
    let taken = read(get(&path, false), digests(&content), Duration::ZERO, nothing()).await;
    assert_eq!(taken.blocks, [(0, false), (1, false), (2, false), (3, true), (4, true)]);
    let end = taken.result.unwrap();
    assert_eq!((end.transferred, end.reused), (3 * BLOCK_SIZE, BLOCK_SIZE + 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_past_the_end_of_the_file_keep_nobody_waiting() {
    let content = large(1);
    let (_dir, path) = file(&content);
    let held = [digests(&content), vec![Digest::of(b""); 100]].concat();
    assert_eq!(read(get(&path, false), held, KEEP_ALIVE, nothing()).await.blocks, [(3, true), (4, true)]);
}

/// Overwrites a part of the file; its date may stay the same.
fn overwrite(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    blocks::write_all_at(&file, b"written meanwhile", at).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_to_while_it_is_read_has_changed() {
    let (_dir, path) = file(&large(1));
    let change = path.clone();
    let taken = read(get(&path, false), Vec::new(), KEEP_ALIVE, (2, move || overwrite(&change, 5))).await;
    assert!(matches!(taken.result, Err(ClientError::SourceChanged)), "{:?}", taken.result);
    assert_eq!(*taken.watch.phases.lock(), [Phase::Verifying]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_shorter_while_it_is_read_has_changed() {
    let (_dir, path) = file(&large(1));
    let change = path.clone();
    let cut = move || fs::OpenOptions::new().write(true).open(&change).unwrap().set_len(10).unwrap();
    let taken = read(get(&path, false), Vec::new(), KEEP_ALIVE, (0, cut)).await;
    assert!(matches!(taken.result, Err(ClientError::SourceChanged)), "{:?}", taken.result);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_is_its_beginning_and_is_read_again_to_prove_it() {
    for growing in [false, true] {
        let content = large(1);
        let (_dir, path) = file(&content);
        let change = path.clone();
        let append = move || {
            fs::OpenOptions::new().append(true).open(&change).unwrap().write_all(b"more").unwrap();
        };
        let taken = read(get(&path, growing), Vec::new(), KEEP_ALIVE, (1, append)).await;
        let end = taken.result.unwrap();
        assert_eq!((end.size, end.root), (content.len() as u64, Digest::of(&content)));
        assert_eq!(end.grown.unwrap().proven, !growing);
        assert!(end.version.is_none(), "the current state includes more bytes");
        assert_eq!(taken.watch.phases.lock().is_empty(), growing);
    }
}
