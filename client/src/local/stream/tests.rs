//! Streams: reading to the end, and writing in order, also after an interruption.

use std::io;

use super::*;
use crate::conformance::scene::{Noted, large};

async fn read(content: Vec<u8>) -> (Vec<u8>, End) {
    let (pieces, mut taken) = mpsc::channel(1);
    let (told, held) = mpsc::channel(1);
    drop(told);
    let pool = BufferPool::new(2);
    let mut from: Option<Box<dyn Read + Send>> = Some(Box::new(io::Cursor::new(content)));
    let reading = get(&pool, &mut from, held, pieces, Noted::new(), || true);
    let taking = async {
        let mut read = Vec::new();
        assert!(matches!(taken.recv().await, Some(Piece::Opened(Opened { size: None, .. }))));
        while let Some(piece) = taken.recv().await {
            match piece {
                Piece::Block { index, bytes, equal: false } => {
                    assert_eq!(index * BLOCK_SIZE, read.len() as u64);
                    read.extend_from_slice(&bytes);
                }
                Piece::End(end) => return (read, end),
                other => panic!("{other:?}"),
            }
        }
        panic!("it has no end")
    };
    let (end, taken) = tokio::join!(reading, taking);
    assert_eq!(end.unwrap().root, taken.1.root);
    taken
}

#[tokio::test]
async fn a_stream_has_the_digest_of_its_content_however_long_it_is() {
    for content in [Vec::new(), b"short".to_vec(), vec![1; BLOCK_LEN], vec![1; 2 * BLOCK_LEN], large(1)] {
        let (read, end) = read(content.clone()).await;
        assert!(read == content);
        assert_eq!((end.size, end.root), (content.len() as u64, Digest::of(&content)));
        assert!(end.version.is_none() && end.grown.is_none());
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_an_error_and_has_no_end() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            if self.0 {
                Err(io::Error::other("broken"))
            } else {
                self.0 = true;
                to[0] = 1;
                Ok(1)
            }
        }
    }
    let (pieces, mut taken) = mpsc::channel(8);
    let (told, held) = mpsc::channel(1);
    drop(told);
    let mut from: Option<Box<dyn Read + Send>> = Some(Box::new(Broken(false)));
    let result = get(&BufferPool::new(2), &mut from, held, pieces, Noted::new(), || true).await;
    assert!(matches!(result, Err(ClientError::Local { .. })), "{result:?}");
    while let Some(piece) = taken.recv().await {
        assert!(!matches!(piece, Piece::End(_)));
    }
}

#[tokio::test]
async fn nobody_waits_for_a_stream_that_does_not_end() {
    let (reader, writer) = io::pipe().unwrap();
    let (pieces, taken) = mpsc::channel(8);
    let (told, held) = mpsc::channel(1);
    drop(told);
    let pool = BufferPool::new(2);
    let mut taken = taken;
    let mut from: Option<Box<dyn Read + Send>> = Some(Box::new(reader));
    tokio::select! {
        biased;
        _ = get(&pool, &mut from, held, pieces, Noted::new(), || true) => panic!("nothing was written"),
        piece = taken.recv() => assert!(piece.is_some()),
    }
    drop(writer);
}

#[tokio::test]
async fn a_stream_that_the_target_refuses_is_not_read() {
    let (pieces, _taken) = mpsc::channel(8);
    let (told, held) = mpsc::channel(1);
    drop(told);
    let mut from: Option<Box<dyn Read + Send>> = Some(Box::new(io::empty()));
    let result = get(&BufferPool::new(2), &mut from, held, pieces, Noted::new(), || false).await;
    assert!(matches!(result, Err(ClientError::Cancelled)) && from.is_some());
}

/// A writer whose bytes can be inspected.
#[derive(Clone, Default)]
struct Out(Arc<parking_lot::Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(from);
        Ok(from.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes `count` blocks from `first` on, and the end if there is a `root`. Also returns the number of digests that
/// the sink reported as held.
async fn write_out(
    sink: &mut Option<Sink>,
    content: &[u8],
    size: Option<u64>,
    first: usize,
    count: usize,
    root: Option<Digest>,
) -> (Result<Stored, ClientError>, usize) {
    let (pieces, taken) = mpsc::channel(1);
    let (told, mut held) = mpsc::channel::<Vec<Digest>>(1);
    let watch = Noted::new();
    let sending = async {
        let opened = Opened { size, mtime: Mtime(0, 0), mode: 0o644, version: None };
        drop(pieces.send(Piece::Opened(opened)).await);
        let mut known = 0;
        while let Some(digests) = held.recv().await {
            known += digests.len();
        }
        for (index, block) in content.chunks(BLOCK_LEN).enumerate().skip(first).take(count) {
            let bytes = BlockBytes::Shared(bytes::Bytes::copy_from_slice(block));
            if pieces.send(Piece::Block { index: index as u64, bytes, equal: false }).await.is_err() {
                break;
            }
        }
        if let Some(root) = root {
            let size = content.len() as u64;
            let end = End { root, size, transferred: size, reused: 0, grown: None, version: None };
            drop(pieces.send(Piece::End(end)).await);
        }
        drop(pieces);
        known
    };
    tokio::join!(put(sink, taken, told, watch), sending)
}

#[tokio::test]
async fn written_content_is_compared_with_the_source() {
    let content = large(1);
    let root = Digest::of(&content);
    for size in [Some(content.len() as u64), None] {
        let out = Out::default();
        let mut sink = Some(Sink::new(Box::new(out.clone())));
        let (stored, held) = write_out(&mut sink, &content, size, 0, 9, Some(root)).await;
        let stored = stored.unwrap();
        assert_eq!((stored.root, stored.size, held), (Some(root), content.len() as u64, 0));
        assert!(*out.0.lock() == content);
        let mut sink = Some(Sink::new(Box::new(Out::default())));
        let (stored, _) = write_out(&mut sink, &content, size, 0, 9, Some(Digest::of(b"other"))).await;
        assert!(matches!(stored, Err(ClientError::Mismatch { .. })), "{stored:?}");
    }
}

#[tokio::test]
async fn after_a_break_only_the_rest_is_written_out() {
    let content = large(1);
    let size = Some(content.len() as u64);
    let out = Out::default();
    let mut sink = Some(Sink::new(Box::new(out.clone())));
    let (stored, _) = write_out(&mut sink, &content, size, 0, 2, None).await;
    assert!(matches!(stored, Err(ClientError::Cancelled)) && sink.is_some());
    // A block that was written already is sent again, to keep a connection alive.
    let (stored, held) = write_out(&mut sink, &content, size, 1, 9, Some(Digest::of(&content))).await;
    assert_eq!((stored.unwrap().size, held), (content.len() as u64, 2));
    assert!(*out.0.lock() == content);
}

#[tokio::test]
async fn written_content_cannot_be_withdrawn() {
    let (content, other) = (large(1), large(2));
    let size = Some(content.len() as u64);
    let mut sink = Some(Sink::new(Box::new(Out::default())));
    drop(write_out(&mut sink, &content, size, 0, 2, None).await);
    let (stored, _) = write_out(&mut sink, &other, size, 0, 9, Some(Digest::of(&other))).await;
    assert!(matches!(stored, Err(ClientError::SourceChanged)) && sink.is_none(), "{stored:?}");
    // The file is shorter by now.
    let mut sink = Some(Sink::new(Box::new(Out::default())));
    drop(write_out(&mut sink, &content, size, 0, 3, None).await);
    let (stored, _) = write_out(&mut sink, &content[..9], Some(9), 1, 9, Some(Digest::of(&content[..9]))).await;
    assert!(matches!(stored, Err(ClientError::SourceChanged)), "{stored:?}");
}

#[tokio::test]
async fn blocks_that_are_not_the_next_are_refused() {
    let content = large(1);
    let mut sink = Some(Sink::new(Box::new(Out::default())));
    let (stored, _) = write_out(&mut sink, &content, Some(content.len() as u64), 1, 9, None).await;
    assert!(matches!(stored, Err(ClientError::Protocol(_))), "{stored:?}");
}
