//! Makes previews: reads little of an entry, from the disk or by blocks from a server, and turns it into plain data.
//!
//! Nothing is run, written or extracted, and only regular files and folders are opened. Reading stops when the preview
//! is not wanted any more; decoding stops at its next step.

mod archive;
mod blocks;
mod folder;
mod graphics;
mod image;
mod kind;
mod local;
mod text;

use std::sync::Arc;

use ferry_client::ClientError;
use ferry_shared::{entry::Kind, message::request::BlockRange, path::RemotePath};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::{blocks::Blocks, kind::FileKind};
use super::{remote::Ask, reply::Reply};
use crate::tui::{
    contain::contain,
    event::Answer,
    state::preview::{Body, Content, Wanted},
};

/// Bytes of a file without a text that are shown.
const HEX_MAX: usize = 4 << 10;

/// One content is decoded at a time, whatever was asked for and given up meanwhile, so that memory stays bounded.
pub(super) type Turn = Arc<Mutex<()>>;

/// Makes the preview of an entry of this computer, on a thread that may block.
pub(super) fn of_local(asked: &Wanted, path: &std::path::Path, turn: &Turn, stop: &CancellationToken, reply: &Reply) {
    let made = match asked.subject.kind {
        Kind::Folder => local::folder(path, &asked.subject, stop),
        Kind::Symlink => local::link(path, asked.subject.leads),
        Kind::File => local::file(path, &asked.subject, stop).map(|blocks| made(asked, &blocks, turn, stop)),
        Kind::Other => Ok(None),
    };
    match made {
        Ok(Some(content)) => reply.post(Answer::Preview(Box::new(content))),
        Ok(None) => {}
        Err(error) => reply.post_error(path, error),
    }
}

/// Makes the preview of an entry of a server over the connection for browsing, one block after the other.
pub(super) async fn of_remote(ask: Ask, path: RemotePath, asked: Wanted, turn: Turn) -> Result<(), ClientError> {
    let content = match asked.subject.kind {
        Kind::Folder => Some(folder::remote(&ask, path, &asked.subject).await?),
        Kind::File => {
            let mut blocks = Blocks::default();
            while let Some(index) = kind::wanted(&asked.subject, &blocks) {
                let (bytes, size) = block(&ask, &path, index).await?;
                blocks.insert(index, bytes, size);
            }
            // Dropped with this task, which stops the thread.
            let stop = CancellationToken::new();
            let guard = stop.clone().drop_guard();
            let content = tokio::task::spawn_blocking(move || made(&asked, &blocks, &turn, &stop)).await;
            drop(guard);
            content.map_err(|_| ClientError::Cancelled)?
        }
        Kind::Symlink | Kind::Other => None,
    };
    if let Some(content) = content {
        ask.reply.send(Answer::Preview(Box::new(content))).await;
    }
    Ok(())
}

/// Reads one block of a file. Only one is on its way at a time, so that little is read in vain.
async fn block(ask: &Ask, path: &RemotePath, index: u64) -> Result<(Vec<u8>, u64), ClientError> {
    let range = Some(BlockRange { first: index, count: 1 });
    let mut blocks = ask.remote.read_blocks(path.clone(), range).await?;
    let size = blocks.size;
    let mut bytes = Vec::new();
    while let Some(block) = blocks.next().await {
        bytes.extend_from_slice(&block?);
    }
    Ok((bytes, size))
}

/// Turns what was read of a file into its preview; `None` if it is not wanted any more.
fn made(asked: &Wanted, blocks: &Blocks, turn: &Turn, stop: &CancellationToken) -> Option<Content> {
    let _turn = turn.lock();
    if stop.is_cancelled() {
        return None;
    }
    let content = contain(|| content(asked, blocks, stop));
    let failed = || Some(Content::words("", "it cannot be shown: its content is malformed"));
    content.unwrap_or_else(failed).filter(|_| !stop.is_cancelled())
}

fn content(asked: &Wanted, blocks: &Blocks, stop: &CancellationToken) -> Option<Content> {
    let name = asked.subject.place.name();
    let name = name.as_ref().map_or(&[][..], |name| name.as_bytes());
    match kind::of(name, blocks.head()) {
        FileKind::Empty => Some(Content::words("", "the file is empty")),
        FileKind::Text => text::content(name, blocks.head(), asked.subject.palette, stop),
        FileKind::Image(format) => Some(image::content(format, blocks, asked, stop)),
        FileKind::Zip => Some(archive::zip(blocks)),
        FileKind::Tar => Some(archive::tar(blocks, false, stop)),
        FileKind::TarGz => Some(archive::tar(blocks, true, stop)),
        FileKind::Other => {
            let bytes = blocks.head();
            let bytes = bytes[..bytes.len().min(HEX_MAX)].to_vec();
            Some(Content { facts: "binary".to_owned(), body: Body::Hex(bytes) })
        }
    }
}
