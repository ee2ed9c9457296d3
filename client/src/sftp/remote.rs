//! Short calls about files, for people who browse.

mod pages;
mod removal;

use std::sync::Arc;

use ferry_shared::{
    digest::RootBuilder,
    entry::{Entry, Kind, Mtime},
    limits::block_count,
    message::request::{Algorithm, BlockRange},
    name::Name,
    path::RemotePath,
    pool::BufferPool,
    sftp::{Attributes, OpenFlags},
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::pages::{Picks, run};
use super::{
    calls::{self, Calls},
    connector::{Greeted, SftpConnector},
    get::Source,
    listing,
    target::{exists, rename_over},
};
use crate::{
    error::ClientError,
    remote::Removed,
    site::{BlockBytes, Surroundings},
};

pub use pages::PageStream;

/// Blocks that wait for their reader.
const BLOCKS: usize = 2;
/// Spare buffers for blocks.
const SPARE: usize = 4;
/// The name of the topmost folder, which has none.
const TOP: &str = "(top)";

/// A channel for calls; clones share it.
#[derive(Clone)]
pub struct SftpRemote {
    calls: Calls,
    greeted: Greeted,
    pool: BufferPool,
}

/// The blocks of a file, in order.
pub struct BlockReader {
    /// The size of the whole file in bytes.
    pub size: u64,
    blocks: mpsc::Receiver<Result<(u64, BlockBytes), ClientError>>,
    /// Ends with the reader.
    _task: JoinSet<()>,
}

impl BlockReader {
    /// The next block and its index; `None` after the last one.
    ///
    /// # Errors
    /// The file changed, or the server's refusal.
    pub async fn next(&mut self) -> Option<Result<(u64, BlockBytes), ClientError>> {
        self.blocks.recv().await
    }
}

#[expect(clippy::missing_errors_doc, reason = "the server's refusal, or the reason for the end of the connection")]
impl SftpRemote {
    /// Opens a channel.
    pub async fn connect(connector: &SftpConnector) -> Result<Self, ClientError> {
        let surroundings = Surroundings {
            traffic: Arc::default(),
            pool: BufferPool::new(SPARE),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            silence: std::time::Duration::from_secs(90),
            digests: None,
        };
        let (calls, greeted) = connector.open(&surroundings).await?;
        Ok(Self { calls, greeted, pool: surroundings.pool })
    }

    /// The server, as it was when this connection was made.
    #[must_use]
    pub fn greeted(&self) -> &Greeted {
        &self.greeted
    }

    /// Waits for the end of the connection.
    pub async fn closed(&self) -> ClientError {
        self.calls.link.closed().await
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.calls.link.is_closed()
    }

    /// Free bytes of the volume of the user's home; `None` if the server does not tell.
    pub async fn free(&self) -> Result<Option<u64>, ClientError> {
        let home = bytes::Bytes::copy_from_slice(&self.calls.home);
        let volume = self.calls.volume(home).await?;
        Ok(volume.map(|volume| volume.blocks_available.saturating_mul(volume.fragment_size)))
    }

    /// Lists the entries of a folder.
    pub async fn list(&self, path: RemotePath) -> Result<PageStream, ClientError> {
        run(self.calls.clone(), path, |_| false, Picks::All).await
    }

    /// Lists everything below a folder.
    pub async fn walk(&self, path: RemotePath) -> Result<PageStream, ClientError> {
        run(self.calls.clone(), path, |_| true, Picks::All).await
    }

    /// Finds at most `limit` entries below a folder by reading all of it.
    pub async fn find(&self, path: RemotePath, pattern: &str, limit: u64) -> Result<PageStream, ClientError> {
        run(self.calls.clone(), path, |_| true, Picks::new(pattern, limit)?).await
    }

    /// Returns one entry; a link is the entry itself.
    pub async fn stat(&self, path: &RemotePath) -> Result<Entry, ClientError> {
        let wire = self.calls.wire(path);
        match self.calls.look(wire.clone()).await {
            Ok(found) => {
                let name = path.name().map_or_else(|| Name::new(TOP.as_bytes()), Ok);
                let name = name.map_err(|error| ClientError::Protocol(error.to_string()))?;
                Ok(listing::entry(name, &found))
            }
            Err(error) => Err(self.calls.why_missing(&wire, error).await),
        }
    }

    /// Creates a folder; with `parents` also missing parent folders, and an existing folder is not an error.
    pub async fn make_dir(&self, path: &RemotePath, parents: bool) -> Result<(), ClientError> {
        let wire = self.calls.wire(path);
        match self.calls.make(&wire, parents, None).await? {
            false if !parents => Err(exists(&wire)),
            _ => Ok(()),
        }
    }

    /// Creates an empty file if nothing exists there, otherwise sets the date to now.
    pub async fn touch(&self, path: &RemotePath) -> Result<(), ClientError> {
        let wire = self.calls.wire(path);
        if self.calls.look_if_there(wire.clone()).await?.is_some() {
            return self.calls.set(wire, calls::dated(std::time::SystemTime::now().into())).await;
        }
        let flags = OpenFlags(OpenFlags::WRITE.0 | OpenFlags::CREATE.0 | OpenFlags::EXCLUSIVE.0);
        match self.calls.open(wire.clone(), flags, None).await {
            Ok(file) => self.calls.close(file).await,
            Err(error) => Err(self.calls.why_missing(&wire, error).await),
        }
    }

    /// Renames or moves a file or folder; replaces only a file, and only with `replace`.
    pub async fn rename(&self, from: &RemotePath, to: &RemotePath, replace: bool) -> Result<(), ClientError> {
        let (from, to) = (self.calls.wire(from), self.calls.wire(to));
        if let Err(error) = self.calls.look(from.clone()).await {
            return Err(self.calls.why_missing(&from, error).await);
        }
        let there = self.calls.look_if_there(to.clone()).await?;
        match there {
            None => match self.calls.rename(from, to.clone()).await {
                Ok(()) => Ok(()),
                Err(error) => Err(self.calls.why_missing(&to, error).await),
            },
            Some(found) if !replace || calls::kind(&found) == Kind::Folder => Err(exists(&to)),
            Some(_) => rename_over(&self.calls, from, to).await,
        }
    }

    /// Removes a file or an empty folder; with `recursive` also a folder with everything below it.
    pub async fn remove(&self, path: &RemotePath, recursive: bool) -> Result<Removed, ClientError> {
        removal::remove(&self.calls, self.calls.wire(path), recursive).await
    }

    /// Sets the modification time and the permission bits; `None` leaves a value unchanged.
    pub async fn set_attributes(
        &self,
        path: &RemotePath,
        mtime: Option<Mtime>,
        mode: Option<u32>,
    ) -> Result<(), ClientError> {
        let attributes = Attributes { permissions: mode, ..mtime.map(calls::dated).unwrap_or_default() };
        self.calls.set(self.calls.wire(path), attributes).await
    }

    /// Makes a symbolic link that leads to `text`.
    ///
    /// # Errors
    /// A refusal with the code `exists` if something is there, or the server's refusal.
    pub async fn make_link(&self, path: &RemotePath, text: Vec<u8>) -> Result<(), ClientError> {
        let path = self.calls.wire(path);
        if self.calls.look_if_there(path.clone()).await?.is_some() {
            return Err(exists(&path));
        }
        self.calls.make_link(text.into(), path).await
    }

    /// Returns the digest of a file in hexadecimal, by reading the file.
    pub async fn hash(&self, path: &RemotePath, algorithm: Algorithm) -> Result<String, ClientError> {
        let mut blocks = self.read_blocks(path, None).await?;
        let (size, mut root) = (blocks.size, RootBuilder::new());
        let mut sha256 = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        while let Some(block) = blocks.next().await {
            let (index, bytes) = block?;
            let work = tokio::task::spawn_blocking(move || {
                match algorithm {
                    Algorithm::Blake3 => root.push(ferry_shared::digest::block_digest(size, index, &bytes)),
                    Algorithm::Sha256 => sha256.update(&bytes),
                }
                (root, sha256)
            });
            (root, sha256) = work.await.map_err(|_| ClientError::Cancelled)?;
        }
        Ok(match algorithm {
            Algorithm::Blake3 => root.root().to_string(),
            Algorithm::Sha256 => {
                use std::fmt::Write as _;
                sha256.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{byte:02x}");
                    text
                })
            }
        })
    }

    /// Reads a file block by block: the whole file, or a range of blocks.
    pub async fn read_blocks(&self, path: &RemotePath, range: Option<BlockRange>) -> Result<BlockReader, ClientError> {
        let source = Source::open_at(&self.calls, self.calls.wire(path), true).await?;
        let size = source.size();
        let count = block_count(size);
        let (first, end) = range.map_or((0, count), |range| {
            let first = range.first.min(count);
            (first, first.saturating_add(range.count).min(count))
        });
        let (sender, blocks) = mpsc::channel(BLOCKS);
        let (pool, whole) = (self.pool.clone(), range.is_none());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut reading = source.blocks(&pool, first, end);
            loop {
                let block = match reading.next().await {
                    Ok(None) if whole => match source.is_unchanged().await {
                        Ok(()) => return,
                        Err(error) => Err(error),
                    },
                    Ok(None) => return,
                    Ok(Some((index, _, bytes))) => Ok((index, bytes)),
                    Err(error) => Err(error),
                };
                let failed = block.is_err();
                if sender.send(block).await.is_err() || failed {
                    return;
                }
            }
        });
        Ok(BlockReader { size, blocks, _task: task })
    }
}

impl std::fmt::Debug for SftpRemote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SftpRemote").field("greeted", &self.greeted).finish_non_exhaustive()
    }
}
