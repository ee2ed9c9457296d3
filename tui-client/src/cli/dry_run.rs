//! The checks of a dry run: whether the server would accept a request, according to its current files.

use ferry_client::{ClientError, server::Remote};
use ferry_shared::{
    entry::Kind,
    message::reply::Access,
    path::RemotePath,
    refusal::{Code, Refusal},
};

/// Whether `from` could be moved to `to`, or copied there with `copy`.
///
/// # Errors
/// The refusal that the server would give.
pub(super) async fn move_copy(
    remote: &Remote,
    from: &RemotePath,
    to: &RemotePath,
    copy: bool,
    replace: bool,
) -> Result<(), ClientError> {
    may_change(remote)?;
    if from.is_home() && !copy {
        return Err(refusal(Code::BadPath, from, "cannot be used for this"));
    }
    let (source, _) = remote.stat(from.clone()).await?;
    let is_folder = source.kind == Kind::Folder;
    if is_folder && to.starts_with(from) && (copy || to != from) {
        return Err(refusal(Code::BadPath, to, &format!("is inside {}", from.display())));
    }
    match kind(remote, to).await? {
        // Copying a folder creates its parent folders.
        None if copy && is_folder => no_file_above(remote, to).await,
        None => in_a_folder(remote, to).await,
        Some(_) if !replace => Err(refusal(Code::Exists, to, "exists already")),
        Some(Kind::Folder) if !(copy && is_folder) => Err(refusal(Code::IsDirectory, to, "is a folder")),
        Some(kind) if is_folder && kind != Kind::Folder => Err(refusal(Code::Exists, to, "exists already")),
        Some(_) => Ok(()),
    }
}

/// Whether `path` could be removed.
///
/// # Errors
/// The refusal that the server would give.
pub(super) async fn remove(remote: &Remote, path: &RemotePath, recursive: bool) -> Result<(), ClientError> {
    may_change(remote)?;
    if path.is_home() {
        return Err(refusal(Code::BadPath, path, "cannot be used for this"));
    }
    let (entry, _) = remote.stat(path.clone()).await?;
    if entry.kind != Kind::Folder || recursive {
        return Ok(());
    }
    let mut pages = remote.list(path.clone()).await?;
    while let Some(page) = pages.next().await {
        if !page?.entries.is_empty() {
            return Err(refusal(Code::NotEmpty, path, "is not empty"));
        }
    }
    Ok(())
}

/// Whether the folder `path` could be created; with `parents` also its parent folders.
///
/// # Errors
/// The refusal that the server would give.
pub(super) async fn make_dir(remote: &Remote, path: &RemotePath, parents: bool) -> Result<(), ClientError> {
    may_change(remote)?;
    match kind(remote, path).await? {
        Some(Kind::Folder) if parents => Ok(()),
        Some(_) if parents => Err(refusal(Code::NotDirectory, path, "is not a folder")),
        Some(_) => Err(refusal(Code::Exists, path, "exists already")),
        None if parents => no_file_above(remote, path).await,
        None => in_a_folder(remote, path).await,
    }
}

/// Whether `path` could be touched.
///
/// # Errors
/// The server's refusal, if it would refuse it.
pub(super) async fn touch(remote: &Remote, path: &RemotePath) -> Result<(), ClientError> {
    may_change(remote)?;
    match kind(remote, path).await? {
        Some(_) => Ok(()),
        None => in_a_folder(remote, path).await,
    }
}

fn may_change(remote: &Remote) -> Result<(), ClientError> {
    match remote.account().access {
        Access::ReadWrite => Ok(()),
        Access::ReadOnly => {
            Err(Refusal::new(Code::NotAllowed, "this account is read-only: it can only view and download files").into())
        }
    }
}

/// The kind of the entry at `path`; `None` if there is none.
async fn kind(remote: &Remote, path: &RemotePath) -> Result<Option<Kind>, ClientError> {
    match remote.stat(path.clone()).await {
        Ok((entry, _)) => Ok(Some(entry.kind)),
        Err(ClientError::Refused(refusal)) if refusal.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Checks that the parent folder of `path` exists.
async fn in_a_folder(remote: &Remote, path: &RemotePath) -> Result<(), ClientError> {
    let Some(above) = path.parent() else { return Ok(()) };
    match kind(remote, &above).await? {
        Some(Kind::Folder | Kind::Symlink) => Ok(()),
        Some(_) => Err(refusal(Code::NotDirectory, &above, "is not a folder")),
        None => Err(refusal(Code::NotFound, &above, "is not there")),
    }
}

/// Checks that the nearest existing parent of `path` is a folder.
async fn no_file_above(remote: &Remote, path: &RemotePath) -> Result<(), ClientError> {
    let mut path = path.parent();
    while let Some(above) = path {
        match kind(remote, &above).await? {
            Some(Kind::Folder | Kind::Symlink) => return Ok(()),
            Some(_) => return Err(refusal(Code::NotDirectory, &above, "is not a folder")),
            None => path = above.parent(),
        }
    }
    Ok(())
}

fn refusal(code: Code, path: &RemotePath, what: &str) -> ClientError {
    Refusal::new(code, format!("{} {what}", path.display())).into()
}
