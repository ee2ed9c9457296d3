//! Queries one file or folder. The server follows links inside the home when it opens a file, and reports the opened
//! file: the target of a link is therefore found by opening it.

use ferry_shared::{
    entry::{Kind, Mtime},
    message::request::BlockRange,
    path::RemotePath,
    refusal::Code,
};

use crate::{
    error::ClientError,
    obstacle::Obstacle,
    remote::{Asked, Remote, found},
    site::{FileFacts, Found, Location, SitePath, Version},
};

/// An empty range, to get only the facts of a file.
const NOTHING: BlockRange = BlockRange { first: 0, count: 0 };

/// The path of a location on the server.
///
/// # Errors
/// [`Obstacle::BadPath`] for a path of another kind of site.
pub(super) fn path(at: &Location) -> Result<RemotePath, ClientError> {
    match at.path() {
        Ok(SitePath::Remote(path)) => Ok(path),
        Ok(SitePath::Local(_)) => Err(bad_path("it is a path on this computer")),
        Err(error) => Err(bad_path(&error.to_string())),
    }
}

fn bad_path(message: &str) -> ClientError {
    ClientError::obstructed(Obstacle::BadPath, message)
}

/// Queries the file or folder at `path`, which may have been asked about.
pub(super) async fn look(
    remote: &Remote,
    path: &RemotePath,
    follow: bool,
    asked: Option<Asked>,
) -> Result<Found, ClientError> {
    if path.is_home() {
        // The home has no entry, because it is not in a folder.
        return Ok(folder(Mtime(0, 0)));
    }
    let (entry, version) = match asked {
        Some(asked) => remote.asked(asked).await?,
        None => remote.stat(path.clone()).await?,
    };
    if entry.kind == Kind::Symlink && follow {
        return Ok(target(remote, path).await?.unwrap_or_else(|| folder(entry.mtime)));
    }
    Ok(found(&entry, version))
}

/// The target of the link at `path`: a file, or `None` for a folder.
pub(super) async fn target(remote: &Remote, path: &RemotePath) -> Result<Option<Found>, ClientError> {
    let mut blocks = match remote.read_blocks(path.clone(), Some(NOTHING)).await {
        Ok(blocks) => blocks,
        Err(ClientError::Refused(refusal)) if refusal.code == Code::IsDirectory => return Ok(None),
        Err(error) => return Err(error),
    };
    // The end of the answer, because there are no blocks.
    blocks.next().await.transpose()?;
    let facts = FileFacts { size: blocks.size, mtime: blocks.mtime };
    let version = Some(Version::new(blocks.version));
    Ok(Some(Found { kind: Kind::File, facts, mode: blocks.mode, version }))
}

fn folder(mtime: Mtime) -> Found {
    Found { kind: Kind::Folder, facts: FileFacts { size: 0, mtime }, mode: 0, version: None }
}
