//! The calls: one method for each request of the protocol.

use std::sync::Arc;

use ferry_shared::{
    digest::Digest,
    entry::{Entry, Mtime, Version},
    feature::Feature,
    message::{
        Reply, Request,
        reply::{UnfinishedUpload, Usage},
        request::{Algorithm, BlockRange},
    },
    path::RemotePath,
    secret::Secret,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Remote,
    pages::PageStream,
    reading::BlockStream,
    waiter::{BLOCKS, PAGES, ReadWaiter, UploadsWaiter, Waiter},
};
use crate::{error::ClientError, identity::Credential};

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Files and symlinks.
    pub files: u64,
    /// Folders.
    pub dirs: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// A finished copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyDone {
    /// A file, whole and durable.
    File {
        /// Its digest.
        root: Digest,
        /// Its size in bytes.
        size: u64,
        /// The version it is now.
        version: Version,
        /// The user's usage after it.
        usage: Usage,
    },
    /// A folder with all below it.
    Folder,
}

fn done(reply: Reply) -> Option<()> {
    matches!(reply, Reply::Done).then_some(())
}

/// Every call fails with [`ClientError::Refused`] when the server would not, and with what
/// ended the connection when that ends first.
#[expect(clippy::missing_errors_doc, reason = "the same for all of them: see above")]
impl Remote {
    /// The entries of a folder, a page at a time.
    pub async fn list(&self, path: RemotePath) -> Result<PageStream, ClientError> {
        self.pages(Request::List { path }).await
    }

    /// Everything below a folder, at least a page for each folder in it.
    pub async fn walk(&self, path: RemotePath) -> Result<PageStream, ClientError> {
        self.pages(Request::Walk { path }).await
    }

    /// At most `limit` entries below a folder whose name has `pattern` in it, or matches it
    /// when it is a glob.
    pub async fn find(&self, path: RemotePath, pattern: String, limit: u64) -> Result<PageStream, ClientError> {
        self.pages(Request::Find { path, pattern, limit }).await
    }

    /// One entry, and its version where it is a file.
    pub async fn stat(&self, path: RemotePath) -> Result<(Entry, Option<Version>), ClientError> {
        let take = |reply| match reply {
            Reply::Entry { entry, version } => Some((entry, version)),
            _ => None,
        };
        self.call(Request::Stat { path }, take).await
    }

    /// Makes a folder; with `parents` those above it too, and one that exists is fine.
    pub async fn make_dir(&self, path: RemotePath, parents: bool) -> Result<(), ClientError> {
        self.call(Request::MakeDir { path, parents }, done).await
    }

    /// Makes an empty file where nothing is, else sets the date of what is there to now.
    pub async fn touch(&self, path: RemotePath) -> Result<(), ClientError> {
        self.call(Request::Touch { path }, done).await
    }

    /// Renames or moves, atomically.
    pub async fn rename(&self, from: RemotePath, to: RemotePath, replace: bool) -> Result<(), ClientError> {
        self.call(Request::Rename { from, to, replace }, done).await
    }

    /// Copies a file or folder on the server.
    pub async fn copy(&self, from: RemotePath, to: RemotePath, replace: bool) -> Result<CopyDone, ClientError> {
        let take = |reply| match reply {
            Reply::Stored { root, size, version, usage } => Some(CopyDone::File { root, size, version, usage }),
            Reply::Done => Some(CopyDone::Folder),
            _ => None,
        };
        self.call(Request::Copy { from, to, replace }, take).await
    }

    /// Removes a file or an empty folder; with `recursive` a folder with all below it.
    pub async fn remove(&self, path: RemotePath, recursive: bool) -> Result<Removed, ClientError> {
        let take = |reply| match reply {
            Reply::Removed { files, dirs, bytes } => Some(Removed { files, dirs, bytes }),
            _ => None,
        };
        self.call(Request::Remove { path, recursive, version: None }, take).await
    }

    /// Sets the modification time and the permission bits; `None` leaves one as it is.
    pub async fn set_attributes(
        &self,
        path: RemotePath,
        mtime: Option<Mtime>,
        mode: Option<u32>,
    ) -> Result<(), ClientError> {
        self.call(Request::SetAttributes { path, mtime, mode }, done).await
    }

    /// A file's digest in hexadecimal, computed by the server. May take as long as reading
    /// the file does.
    pub async fn hash(&self, path: RemotePath, algorithm: Algorithm) -> Result<String, ClientError> {
        let take = |reply| match reply {
            Reply::Hashed { digest, .. } => Some(digest),
            _ => None,
        };
        self.call(Request::Hash { path, algorithm }, take).await
    }

    /// How much the user has and may have.
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        let take = |reply| match reply {
            Reply::Usage(usage) => Some(usage),
            _ => None,
        };
        self.call(Request::Usage, take).await
    }

    /// The user's unfinished uploads; of a server that knows no pages, as many as it tells.
    pub async fn uploads(&self) -> Result<Vec<UnfinishedUpload>, ClientError> {
        let paged = self.features().has(Feature::UploadsPages);
        let (sender, uploads) = oneshot::channel();
        let waiter = Waiter::Uploads(UploadsWaiter::new(sender, paged));
        self.shared.send(&Request::Uploads, waiter).await?;
        match uploads.await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(self.shared.end().await),
        }
    }

    /// Throws away the unfinished upload of `path`.
    pub async fn discard(&self, path: RemotePath) -> Result<(), ClientError> {
        self.call(Request::Discard { path }, done).await
    }

    /// Changes the password; the user's other sessions end. The connector this came from
    /// uses the new one from now on.
    pub async fn change_password(&self, old: Secret, new: Secret) -> Result<(), ClientError> {
        let credential = Credential::Password(new.clone());
        self.call(Request::ChangePassword { old, new }, done).await?;
        self.shared.connector.set_credential(credential);
        Ok(())
    }

    /// Asks whether the server is there.
    pub async fn ping(&self) -> Result<(), ClientError> {
        self.call(Request::Ping, |reply| matches!(reply, Reply::Pong).then_some(())).await
    }

    /// A file's bytes, block by block: all of them, verified as a whole at the end, or those
    /// of a range of blocks.
    ///
    /// A stream dropped with much left to come ends the connection; ask for a range where
    /// not all may be wanted.
    pub async fn read_blocks(&self, path: RemotePath, range: Option<BlockRange>) -> Result<BlockStream, ClientError> {
        let (sender, parts) = mpsc::channel(BLOCKS);
        let waiter = Waiter::Read(ReadWaiter::new(sender, range));
        self.shared.send(&Request::Get { path, blocks: range }, waiter).await?;
        BlockStream::open(parts, range, Arc::clone(&self.shared)).await
    }

    async fn pages(&self, request: Request) -> Result<PageStream, ClientError> {
        let (sender, pages) = mpsc::channel(PAGES);
        self.shared.send(&request, Waiter::Pages(sender)).await?;
        Ok(PageStream::new(pages, Arc::clone(&self.shared)))
    }
}
