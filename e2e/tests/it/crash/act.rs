//! The acts during which a server is stopped, from their preparation to their answers.

use std::fs;

use anyhow::{Context as _, Result, bail};
use ferry_e2e::{noise::Noise, peer, peer::Peer};
use ferry_shared::{
    digest::{block_digest, merge},
    frame::Frame,
    limits::BLOCK_LEN,
    message::{
        Reply, Request,
        request::{Basis, Put},
    },
};

/// An act that takes several steps on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// A small file; nothing is there before.
    Small,
    /// A small file over another one, with a part left by a larger upload.
    SmallReplace,
    /// Several small files at once, enough to share a flush of the whole disk.
    Group,
    /// A large file in folders that must be made.
    Large,
    /// A large file over another one.
    LargeReplace,
    /// The rest of a large file.
    Resume,
    /// A rename over another file.
    RenameOver,
    /// A copy over another file.
    Copy,
    /// A folder with its contents.
    RemoveTree,
    /// Nested folders.
    MakeDir,
    /// An unfinished upload.
    Discard,
}

/// Names of the files of [`Act::Group`]; two of them exist before.
const GROUP: [&str; 6] = ["a", "b", "c", "new/d", "new/e", "f"];

fn noise(seed: u64, length: usize) -> Vec<u8> {
    Noise::new(seed).bytes(length)
}

fn large() -> Vec<u8> {
    noise(7, 2 * BLOCK_LEN + 70_000)
}

fn declared(target: &str, size: usize, basis: Basis) -> Put {
    Put { parents: true, basis, ..peer::put(target, Some(size as u64)) }
}

impl Act {
    /// Prepares the home through the server.
    pub(super) async fn prepare(self, peer: &mut Peer) -> Result<()> {
        let old: &[(&str, usize)] = match self {
            Self::Small | Self::Large | Self::Resume | Self::MakeDir | Self::Discard => &[("other", 10)],
            Self::SmallReplace => &[("file", 5000)],
            Self::Group => &[("a", 5000), ("f", 10)],
            Self::LargeReplace => &[("file", BLOCK_LEN + 5)],
            Self::RenameOver => &[("from", 5000), ("to", 800)],
            Self::Copy => &[("from", BLOCK_LEN + 5), ("to", 800)],
            Self::RemoveTree => &[("d/a", 100), ("d/b", 0), ("d/e/f", 1000), ("other", 10)],
        };
        for (number, (name, size)) in (0..).zip(old) {
            stored(&peer.upload(&declared(name, *size, Basis::None), &noise(number, *size)).await?)?;
        }
        if matches!(self, Self::SmallReplace | Self::Resume | Self::Discard) {
            let content = large();
            peer.send(&Request::Put(declared("file", content.len(), Basis::None))).await?;
            anyhow::ensure!(ready(peer).await?.is_ok(), "no part can be begun");
            peer.send_block(0, &content[..BLOCK_LEN]).await?;
            // The answer comes once the block is stored.
            peer.give_up().await?;
        }
        Ok(())
    }

    /// Runs the act; returns the answers that arrived.
    pub(super) async fn run(self, peer: &mut Peer) -> Vec<Reply> {
        let mut replies = Vec::new();
        match self {
            Self::Group => {
                let asked = ask_for_group(peer).await;
                while asked.is_ok() && replies.len() < GROUP.len() {
                    let Ok(reply) = peer.reply().await else { break };
                    replies.push(reply);
                }
            }
            other => replies.extend(other.run_one(peer).await.ok()),
        }
        replies
    }

    async fn run_one(self, peer: &mut Peer) -> Result<Reply> {
        let path = peer::path;
        let request = match self {
            Self::Group => bail!("a group has many answers"),
            Self::Small | Self::SmallReplace => {
                return peer.upload(&declared("file", 3000, Basis::None), &noise(3, 3000)).await;
            }
            Self::Large => return peer.upload(&declared("new/er/file", large().len(), Basis::None), &large()).await,
            Self::LargeReplace => return peer.upload(&declared("file", large().len(), Basis::None), &large()).await,
            Self::Resume => return resume(peer).await,
            Self::RenameOver => Request::Rename { from: path("from"), to: path("to"), replace: true },
            Self::Copy => Request::Copy { from: path("from"), to: path("to"), replace: true },
            Self::RemoveTree => Request::Remove { path: path("d"), recursive: true, version: None },
            Self::MakeDir => Request::MakeDir { path: path("d/e/f"), parents: true },
            Self::Discard => Request::Discard { path: path("file") },
        };
        peer.ask(&request).await
    }

    /// The file that one answer is about; `None` means the whole home.
    pub(super) fn target(self, reply: usize) -> Option<&'static str> {
        (self == Self::Group).then(|| GROUP[reply])
    }

    /// Whether this step makes the result visible.
    pub(super) fn shows(self, step: &str) -> bool {
        match self {
            Self::RemoveTree => step == "unlink",
            Self::MakeDir => step == "make folder",
            Self::Discard => false,
            _ => step == "rename",
        }
    }
}

async fn ask_for_group(peer: &mut Peer) -> Result<()> {
    let mut bytes = Vec::new();
    for (number, name) in (100..).zip(GROUP) {
        let content = noise(number, 40);
        ferry_shared::frame::put_message(&mut bytes, &Request::Put(declared(name, 40, Basis::None)))?;
        ferry_shared::frame::put_block_head(&mut bytes, 0, 40)?;
        bytes.extend_from_slice(&content);
        let root = merge(40, &[block_digest(40, 0, &content)]).context("one block")?;
        ferry_shared::frame::put_message(&mut bytes, &Request::Commit { size: 40, root })?;
    }
    // Send everything at once, so that the server sees it together.
    peer.send_bytes(&bytes).await
}

async fn resume(peer: &mut Peer) -> Result<Reply> {
    let content = large();
    peer.send(&Request::Put(declared("file", content.len(), Basis::Staged))).await?;
    let had = match ready(peer).await? {
        Ok(had) => had,
        Err(reply) => return Ok(reply),
    };
    let mut told = 0;
    while told < had {
        match peer.next().await?.context("closed")? {
            Frame::Have { digests, .. } => told += digests.len() as u64,
            other => bail!("expected digests, got {other:?}"),
        }
    }
    // Send every block: less may have been kept than was sent.
    let digests = peer.send_blocks(&content).await?;
    let size = content.len() as u64;
    peer.ask(&Request::Commit { size, root: merge(size, &digests).context("blocks")? }).await
}

/// The number of blocks that the server has, or its answer instead of `Ready`.
async fn ready(peer: &mut Peer) -> Result<Result<u64, Reply>> {
    Ok(match peer.reply().await? {
        Reply::Ready { have_blocks, .. } => Ok(have_blocks),
        other => Err(other),
    })
}

fn stored(reply: &Reply) -> Result<()> {
    match reply {
        Reply::Stored { .. } => Ok(()),
        other => bail!("not stored: {other:?}"),
    }
}

/// Removes everything from the home again, through the server.
pub(super) async fn clear(peer: &mut Peer, home: &std::path::Path) -> Result<()> {
    for entry in fs::read_dir(home)?.flatten() {
        let path = peer::path(&entry.file_name().to_string_lossy());
        match peer.ask(&Request::Remove { path, recursive: true, version: None }).await? {
            Reply::Removed { .. } => {}
            other => bail!("not removed: {other:?}"),
        }
    }
    let Reply::Uploads { uploads, .. } = peer.ask(&Request::Uploads).await? else { bail!("no list of uploads") };
    for upload in uploads {
        peer.ask(&Request::Discard { path: upload.path }).await?;
    }
    Ok(())
}
