//! Reads a file of a site in memory as a stream.

use bytes::Bytes;
use ferry_shared::{
    digest::{Digest, RootBuilder, block_digest},
    limits::{BLOCK_LEN, block_count, block_len},
};
use tokio::sync::mpsc;

use super::{batch::settle, way::Way};
use crate::{
    error::ClientError,
    site::{BlockBytes, End, Get, Piece, Watch},
};

/// The digests of the target's blocks, in order.
struct Held {
    from: mpsc::Receiver<Vec<Digest>>,
    batch: std::vec::IntoIter<Digest>,
}

impl Held {
    async fn next(&mut self) -> Option<Digest> {
        loop {
            match self.batch.next() {
                Some(digest) => return Some(digest),
                None => self.batch = self.from.recv().await?.into_iter(),
            }
        }
    }
}

pub(super) async fn run(
    way: &Way,
    get: &Get,
    mut held: mpsc::Receiver<Vec<Digest>>,
    pieces: &mpsc::Sender<Piece>,
    watch: &dyn Watch,
) -> Result<End, ClientError> {
    way.begin().await?;
    let (path, opened) = way.tree(|tree| {
        let (path, node) = tree.file(&get.at)?;
        Ok::<_, ClientError>((path, tree.opened(&node)))
    })?;
    let batch = match get.opened_first {
        true => Vec::new(),
        // Like a server that receives the digests of the target before it opens the file.
        false => held.recv().await.unwrap_or_default(),
    };
    let mut held = Some(Held { from: held, batch: batch.into_iter() });
    watch.opened(&opened);
    let cancelled = |_| ClientError::Cancelled;
    pieces.send(Piece::Opened(opened.clone())).await.map_err(cancelled)?;
    let size = opened.size.unwrap_or(0);
    let (mut root, mut transferred, mut reused) = (RootBuilder::new(), 0, 0);
    let pausing = watch.pausing();
    for index in 0..block_count(size) {
        if pausing.is_cancelled() {
            return Err(ClientError::Cancelled);
        }
        way.step().await?;
        let length = block_len(size, index).unwrap_or(0);
        let start = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(BLOCK_LEN);
        // Read the current content, which another user may have changed.
        let read = way.tree(|tree| {
            let content = tree.look(&path)?.content().cloned()?;
            Some(Bytes::copy_from_slice(content.get(start..start + length)?))
        });
        let bytes = read.ok_or(ClientError::SourceChanged)?;
        let digest = block_digest(size, index, &bytes);
        root.push(digest);
        let theirs = match &mut held {
            Some(held) => held.next().await,
            None => None,
        };
        if theirs.is_none() {
            held = None;
        }
        if theirs == Some(digest) {
            reused += length as u64;
            watch.kept(length as u64);
            continue;
        }
        transferred += length as u64;
        let bytes = BlockBytes::Shared(bytes);
        pieces.send(Piece::Block { index, bytes, equal: false }).await.map_err(cancelled)?;
    }
    drop(held);
    way.step().await?;
    let root = root.root();
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    let grown = way.tree(|tree| settle(tree, &path, length, root, get.growing))?;
    let version = opened.version.filter(|_| grown.is_none());
    let end = End { root, size, transferred, reused, grown, version };
    pieces.send(Piece::End(end.clone())).await.map_err(cancelled)?;
    Ok(end)
}
