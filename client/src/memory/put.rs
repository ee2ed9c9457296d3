//! Writes files of a site in memory according to its abilities.

use ferry_shared::{
    blocks::held_blocks,
    digest::{Digest, block_digest},
    limits::{BLOCK_LEN, BLOCK_SIZE},
    path::RemotePath,
};
use tokio::sync::mpsc;

use super::way::Way;
use crate::{
    error::ClientError,
    site::{Content, End, Opened, Over, Phase, Piece, Put, Replace, Resume, Stored, Watch},
};

/// The number of digests per message; small, so that tests see several messages.
const DIGESTS_PER_MESSAGE: usize = 2;

/// Returns the checked path of a file and creates its parent folders.
fn find(way: &Way, put: &Put) -> Result<RemotePath, ClientError> {
    way.tree(|tree| {
        let path = tree.resolve(&put.at)?;
        tree.check_name(&path)?;
        if let Some(parent) = path.parent() {
            tree.check_parent(&parent, put.parents)?;
        }
        Ok(path)
    })
}

/// Writes a small file.
pub(super) async fn small(way: &Way, put: &Put, content: &Content) -> Result<Stored, ClientError> {
    let found = Digest::of(&content.bytes);
    if content.opened.size != Some(content.bytes.len() as u64) || found != content.root {
        return Err(ClientError::Mismatch { expected: content.root, found });
    }
    let path = find(way, put)?;
    if way.tree(|tree| tree.abilities().replace) == Replace::InPlace {
        let half = &content.bytes[..content.bytes.len() / 2];
        way.tree(|tree| {
            tree.check_place(&path, &put.over, content.bytes.len() as u64)?;
            tree.put_file(&path, half.to_vec(), None, None, true);
            Ok::<_, ClientError>(())
        })?;
        way.step().await?;
    }
    publish(way, put, &path, content.bytes.to_vec(), &content.opened).await
}

/// Stores the content at its target.
async fn publish(
    way: &Way,
    put: &Put,
    path: &RemotePath,
    content: Vec<u8>,
    opened: &Opened,
) -> Result<Stored, ClientError> {
    let (root, size) = (Digest::of(&content), content.len() as u64);
    let (replace, digest) = way.tree(|tree| (tree.abilities().replace, tree.abilities().digest));
    if replace != Replace::InPlace {
        way.tree(|tree| tree.check_place(path, &put.over, size))?;
    }
    if replace == Replace::ByRename && way.tree(|tree| tree.take(path)).is_some() {
        // For a moment there is no file.
        way.step().await?;
    }
    let (mtime, mode) = (put.mtime_for(opened.mtime), put.mode_for(opened.mode));
    way.tree(|tree| {
        let mode = mode.filter(|_| tree.abilities().mode_bits);
        tree.put_file(path, content, mtime, mode, false);
        tree.parts.remove(path);
    });
    // The file is stored, but a fault may still lose the answer.
    way.step().await?;
    Ok(Stored { root: digest.then_some(root), size, reused: 0 })
}

/// Writes a streamed file.
pub(super) async fn run(
    way: &Way,
    put: &Put,
    mut pieces: mpsc::Receiver<Piece>,
    told: mpsc::Sender<Vec<Digest>>,
    watch: &dyn Watch,
) -> Result<Stored, ClientError> {
    watch.phase(Phase::Checking);
    way.begin().await?;
    let path = find(way, put)?;
    let abilities = way.tree(|tree| *tree.abilities());
    if abilities.replace == Replace::InPlace {
        way.tree(|tree| tree.check_place(&path, &put.over, put.expected.size))?;
    }
    begin(way, put, &path, abilities.resume);
    let first = if abilities.size_first { Some(opening(&mut pieces).await?) } else { None };
    let size = first.as_ref().and_then(|opened| opened.size).unwrap_or(put.expected.size);
    let part = way.tree(|tree| tree.parts.get(&path).cloned().unwrap_or_default());
    let telling = async {
        report(&part, size, &told).await;
        drop(told);
        std::future::pending::<()>().await;
    };
    let writing = async {
        let opened = match first {
            Some(opened) => opened,
            None => opening(&mut pieces).await?,
        };
        watch.phase(Phase::Receiving);
        let end = write(way, &path, &opened, &mut pieces, watch, abilities.replace).await?;
        let content = whole(way, &path, &end, abilities.digest)?;
        watch.phase(Phase::Flushing);
        way.step().await?;
        if watch.is_stopped() {
            return Err(ClientError::Cancelled);
        }
        publish(way, put, &path, content, &opened).await
    };
    let stored = tokio::select! {
        biased;
        () = telling => Err(ClientError::Cancelled),
        stored = writing => stored,
    };
    if abilities.resume != Resume::Blocks {
        way.tree(|tree| tree.parts.remove(&path));
    }
    stored
}

/// Prepares the part: keeps or empties an earlier one, or fills it from the old file.
fn begin(way: &Way, put: &Put, path: &RemotePath, resume: Resume) {
    let goes_on = resume == Resume::Blocks && (put.resume || put.begun);
    way.tree(|tree| {
        let old = tree.look(path).and_then(|node| node.content().cloned());
        let part = tree.parts.entry(path.clone()).or_default();
        if !goes_on {
            part.clear();
        }
        if let Some(old) = old.filter(|old| old.len() as u64 >= BLOCK_SIZE)
            && goes_on
            && part.is_empty()
            && !matches!(put.over, Over::Nothing)
        {
            part.clone_from(&old);
        }
    });
}

async fn report(part: &[u8], size: u64, told: &mpsc::Sender<Vec<Digest>>) {
    let count = usize::try_from(held_blocks(size, part.len() as u64)).unwrap_or(0);
    let length = usize::try_from(size).unwrap_or(usize::MAX).min(part.len());
    let blocks = part[..length].chunks(BLOCK_LEN).take(count).enumerate();
    let digests: Vec<Digest> = blocks.map(|(index, block)| block_digest(size, index as u64, block)).collect();
    for digests in digests.chunks(DIGESTS_PER_MESSAGE) {
        if told.send(digests.to_vec()).await.is_err() {
            return;
        }
    }
}

async fn opening(pieces: &mut mpsc::Receiver<Piece>) -> Result<Opened, ClientError> {
    match pieces.recv().await {
        Some(Piece::Opened(opened)) => Ok(opened),
        Some(_) => Err(ClientError::Protocol("a file that does not begin".into())),
        None => Err(ClientError::Cancelled),
    }
}

/// Writes the blocks to the part.
async fn write(
    way: &Way,
    path: &RemotePath,
    opened: &Opened,
    pieces: &mut mpsc::Receiver<Piece>,
    watch: &dyn Watch,
    replace: Replace,
) -> Result<End, ClientError> {
    while let Some(piece) = pieces.recv().await {
        way.step().await?;
        let (index, bytes) = match piece {
            Piece::Block { equal: true, .. } => continue,
            Piece::Block { index, bytes, .. } => (index, bytes),
            Piece::End(end) if opened.size.is_none_or(|size| size == end.size) => return Ok(end),
            Piece::End(_) | Piece::Opened(_) => return Err(ClientError::Protocol("not a block".into())),
        };
        let start = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(BLOCK_LEN);
        let length = way.tree(|tree| {
            let part = tree.parts.entry(path.clone()).or_default();
            let length = part.len().max(start + bytes.len());
            part.resize(length, 0);
            part[start..start + bytes.len()].copy_from_slice(&bytes);
            if replace == Replace::InPlace {
                let written = part.clone();
                tree.put_file(path, written, None, None, true);
            }
            length
        });
        watch.grown_to(length as u64);
        watch.moved(bytes.len() as u64);
    }
    Err(ClientError::Cancelled)
}

/// Returns the written content after comparing it with the source.
fn whole(way: &Way, path: &RemotePath, end: &End, digest: bool) -> Result<Vec<u8>, ClientError> {
    let mut content = way.tree(|tree| tree.parts.get(path).cloned().unwrap_or_default());
    let size = usize::try_from(end.size).unwrap_or(usize::MAX);
    if content.len() < size {
        return Err(ClientError::Protocol("blocks are missing".into()));
    }
    content.truncate(size);
    let found = Digest::of(&content);
    if digest && found != end.root {
        return Err(ClientError::Mismatch { expected: end.root, found });
    }
    Ok(content)
}
