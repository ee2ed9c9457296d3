//! The calls: one method per request of the protocol.

use std::sync::Arc;

use ferry_shared::{
    digest::Digest,
    entry::{Entry, Mtime, Version},
    feature::Feature,
    frame::put_message,
    limits::MESSAGE_MAX_BEFORE_LOGIN,
    message::{
        Reply, Request,
        reply::{UnfinishedUpload, Usage},
        request::{Algorithm, BlockRange, Word},
    },
    path::RemotePath,
    refusal::Refusal,
    secret::Secret,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Remote,
    pages::PageStream,
    reading::BlockStream,
    running::CommandStream,
    waiter::{OneWaiter, PAGES, PARTS, PagesWaiter, ReadWaiter, RunWaiter, UploadsWaiter, Waiter},
};
use crate::{error::ClientError, identity::Credential, obstacle::Obstacle};

/// The result of a removal.
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
    /// A file, complete and durable.
    File {
        /// Its digest.
        root: Digest,
        /// Its size in bytes.
        size: u64,
        /// The version of the copy.
        version: Version,
        /// The user's usage after the copy.
        usage: Usage,
    },
    /// A folder with everything below it.
    Folder,
}

/// A question about one entry that is sent with the login, so that its answer arrives together with that to the login.
#[derive(Debug)]
pub(crate) struct Asked {
    path: RemotePath,
    answer: oneshot::Receiver<Result<Reply, Refusal>>,
}

impl Asked {
    /// The question about `path`: its frames, the waiter for the answer, and the question itself. `None` if it is longer
    /// than a message before login may be.
    pub(crate) fn about(path: RemotePath) -> Option<(Vec<u8>, Waiter, Self)> {
        let mut frames = Vec::new();
        put_message(&mut frames, &Request::Stat { path: path.clone() }).ok()?;
        let (waiter, answer) = OneWaiter::waiter(true);
        (frames.len() <= MESSAGE_MAX_BEFORE_LOGIN).then_some((frames, waiter, Self { path, answer }))
    }

    /// Whether this is the question about `path`.
    pub(crate) fn is_about(&self, path: &RemotePath) -> bool {
        self.path == *path
    }
}

fn entry(reply: Reply) -> Option<(Entry, Option<Version>)> {
    match reply {
        Reply::Entry { entry, version } => Some((entry, version)),
        _ => None,
    }
}

fn done(reply: Reply) -> Option<()> {
    matches!(reply, Reply::Done).then_some(())
}

/// Every call fails with [`ClientError::Refused`] if the server refuses it, and with the reason for the end of the
/// connection if that ends first.
#[expect(clippy::missing_errors_doc, reason = "the same for all of them: see above")]
impl Remote {
    /// Lists the entries of a folder, page by page.
    pub async fn list(&self, path: RemotePath) -> Result<PageStream, ClientError> {
        self.pages(Request::List { path }).await
    }

    /// Lists everything below a folder, with at least one page per folder.
    pub async fn walk(&self, path: RemotePath) -> Result<PageStream, ClientError> {
        self.walk_as(path, false).await
    }

    /// As [`walk`](Self::walk); with `digests`, also with those that the server remembers, if it can report them.
    pub(crate) async fn walk_as(&self, path: RemotePath, digests: bool) -> Result<PageStream, ClientError> {
        let digests = digests && self.features().has(Feature::Remembered);
        self.pages(Request::Walk { path, digests }).await
    }

    /// Finds at most `limit` entries below a folder whose name contains `pattern`, or matches it if it is a glob.
    pub async fn find(&self, path: RemotePath, pattern: String, limit: u64) -> Result<PageStream, ClientError> {
        self.pages(Request::Find { path, pattern, limit }).await
    }

    /// Returns one entry, with its version if it is a file.
    pub async fn stat(&self, path: RemotePath) -> Result<(Entry, Option<Version>), ClientError> {
        self.call(Request::Stat { path }, entry).await
    }

    /// Returns the answer to a question that was sent with the login.
    pub(crate) async fn asked(&self, asked: Asked) -> Result<(Entry, Option<Version>), ClientError> {
        self.answered(asked.answer, "stat", entry).await
    }

    /// Creates a folder; with `parents` also missing parent folders, and an existing folder is not an error.
    pub async fn make_dir(&self, path: RemotePath, parents: bool) -> Result<(), ClientError> {
        self.call(Request::MakeDir { path, parents }, done).await
    }

    /// Creates an empty file if nothing exists there, otherwise sets the date of the file or folder to now.
    pub async fn touch(&self, path: RemotePath) -> Result<(), ClientError> {
        self.call(Request::Touch { path }, done).await
    }

    /// Renames or moves a file or folder atomically.
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

    /// Removes a file or an empty folder; with `recursive` also a folder with everything below it.
    pub async fn remove(&self, path: RemotePath, recursive: bool) -> Result<Removed, ClientError> {
        let take = |reply| match reply {
            Reply::Removed { files, dirs, bytes } => Some(Removed { files, dirs, bytes }),
            _ => None,
        };
        self.call(Request::Remove { path, recursive, version: None }, take).await
    }

    /// Sets the modification time and the permission bits; `None` leaves a value unchanged.
    pub async fn set_attributes(
        &self,
        path: RemotePath,
        mtime: Option<Mtime>,
        mode: Option<u32>,
    ) -> Result<(), ClientError> {
        self.call(Request::SetAttributes { path, mtime, mode }, done).await
    }

    /// Returns the digest of a file in hexadecimal, computed by the server. Takes as long as reading the file.
    pub async fn hash(&self, path: RemotePath, algorithm: Algorithm) -> Result<String, ClientError> {
        let take = |reply| match reply {
            Reply::Hashed { digest, .. } => Some(digest),
            _ => None,
        };
        self.call(Request::Hash { path, algorithm }, take).await
    }

    /// Returns the user's usage and limits.
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        let take = |reply| match reply {
            Reply::Usage(usage) => Some(usage),
            _ => None,
        };
        self.call(Request::Usage, take).await
    }

    /// Returns the user's unfinished uploads; a server that does not support pages may return only some of them.
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

    /// Discards the unfinished upload of `path`.
    pub async fn discard(&self, path: RemotePath) -> Result<(), ClientError> {
        self.call(Request::Discard { path }, done).await
    }

    /// Changes the password; the user's other sessions end. The connector of this connection uses the new password
    /// from now on.
    pub async fn change_password(&self, old: Secret, new: Secret) -> Result<(), ClientError> {
        let credential = Credential::Password(new.clone());
        self.call(Request::ChangePassword { old, new }, done).await?;
        self.shared.connector.set_credential(credential);
        Ok(())
    }

    /// Checks whether the server answers.
    pub async fn ping(&self) -> Result<(), ClientError> {
        self.call(Request::Ping, |reply| matches!(reply, Reply::Pong).then_some(())).await
    }

    /// Reads a file block by block: the whole file, verified at its end, or a range of blocks.
    ///
    /// Dropping a stream with many blocks left ends the connection; read ranges if you may not need the whole file.
    pub async fn read_blocks(&self, path: RemotePath, range: Option<BlockRange>) -> Result<BlockStream, ClientError> {
        let (sender, parts) = mpsc::channel(PARTS);
        let waiter = Waiter::Read(ReadWaiter::new(sender, range));
        self.shared.send(&Request::Get { path, blocks: range }, waiter).await?;
        BlockStream::open(parts, range, Arc::clone(&self.shared)).await
    }

    /// Runs a command that is built into the server; its words are its name and its arguments.
    ///
    /// Fails with [`Obstacle::Unsupported`] if the server does not offer commands.
    pub async fn run(&self, words: Vec<Vec<u8>>) -> Result<CommandStream, ClientError> {
        if !self.features().has(Feature::Run) {
            let message = "the server does not offer remote commands; they need a newer ferryd";
            return Err(ClientError::obstructed(Obstacle::Unsupported, message));
        }
        let words = words.into_iter().map(Word).collect();
        let (sender, said) = mpsc::channel(PAGES);
        self.shared.send(&Request::Run { words }, Waiter::Run(RunWaiter { said: sender })).await?;
        Ok(CommandStream::new(said, Arc::clone(&self.shared)))
    }

    async fn pages(&self, request: Request) -> Result<PageStream, ClientError> {
        let (sender, pages) = mpsc::channel(PAGES);
        // A search may take long before it finds anything.
        let prompt = !matches!(request, Request::Find { .. });
        self.shared.send(&request, Waiter::Pages(PagesWaiter { pages: sender, prompt })).await?;
        Ok(PageStream::new(pages, Arc::clone(&self.shared)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_is_too_long_for_a_greeting_waits_for_the_login() {
        let ask = |path: &str| Asked::about(RemotePath::from_wire(path.as_bytes()).unwrap());
        let (frames, _, asked) = ask("x").unwrap();
        assert!(frames.len() < 100 && asked.is_about(&asked.path));
        assert!(ask(&vec!["n".repeat(255); 16].join("/")).is_none());
    }
}
