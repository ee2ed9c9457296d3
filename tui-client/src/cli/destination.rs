//! The rule for destinations: a trailing `/`, several sources or an existing folder mean "into".
//!
//! However, a transferred folder becomes the destination itself, whether that exists or not, so that running the same
//! command again means the same and resumes the transfer.

use std::ffi::OsStr;

use ferry_client::{
    ClientError,
    reconnect::Backoff,
    server::{Connector, Remote},
    transfer::LinkEvent,
};
use ferry_shared::{
    entry::Kind,
    name::{Escaped, Name},
    path::RemotePath,
    refusal::{Code, Refusal},
};

use super::transfer;
use crate::{context::Context, exit::Looking, failure::Failure, sites::Place};

/// Whether sources go into `to`, according to the command line; `None` if that depends on the existing files.
pub(super) fn told(to: &Place, sources: usize) -> Option<bool> {
    (to.into || sources > 1).then_some(true)
}

/// Whether `path` is an existing folder.
///
/// # Errors
/// Any error of the server except that nothing exists there.
pub(super) async fn is_folder(remote: &Remote, path: &RemotePath) -> Result<bool, Failure> {
    match remote.stat(path.clone()).await {
        // A link named on the command line is followed.
        Ok((entry, _)) if entry.kind == Kind::Symlink => leads_to_folder(remote, path).await,
        Ok((entry, _)) => Ok(entry.kind == Kind::Folder),
        Err(ClientError::Refused(refusal)) if matches!(refusal.code, Code::NotFound | Code::NotDirectory) => Ok(false),
        Err(error) => Err(Failure::remote(path, Looking::Folder, error)),
    }
}

/// Whether the link at `path` leads to a folder in the home, which the server can then list.
async fn leads_to_folder(remote: &Remote, path: &RemotePath) -> Result<bool, Failure> {
    match remote.list(path.clone()).await {
        Ok(mut pages) => Ok(matches!(pages.next().await, Some(Ok(_)))),
        Err(ClientError::Refused(_)) => Ok(false),
        Err(error) => Err(Failure::remote(path, Looking::Folder, error)),
    }
}

/// The same over a separate connection, which is stored in `kept`. Retries like a transfer, because a restart of the
/// server must not end a transfer that starts with a query.
///
/// # Errors
/// Those of [`is_folder`], and of connecting.
pub(super) async fn ask_is_folder(
    connector: &Connector,
    path: &RemotePath,
    kept: &mut Option<Remote>,
    context: &Context,
) -> Result<bool, Failure> {
    let mut backoff = Backoff::new(context.global.patience.of_transfer());
    loop {
        let asked = match Remote::connect(connector).await {
            Ok(remote) => is_folder(kept.insert(remote), path).await,
            Err(error) => Err(error.into()),
        };
        let Err(Failure::Server(error)) = asked else { return asked };
        let Some(retry_in) = backoff.next_delay(&error) else { return Err(Failure::Server(error)) };
        let attempt = backoff.attempt();
        transfer::tell_link(
            &LinkEvent::Lost { site: connector.target().to_string(), error: *error, retry_in, attempt },
            context,
        );
        tokio::time::sleep(retry_in).await;
    }
}

/// Reports that a folder is merged with the existing `target` instead of going into it, as `cp` would do.
pub(super) fn tell_merge(name: &OsStr, target: &OsStr, context: &Context) {
    let (name, target) = (Escaped(name.as_encoded_bytes()), Escaped(target.as_encoded_bytes()));
    context.output.say(&format!("{target} exists; {name} is merged with it ({target}/ would mean {target}/{name})"));
}

/// Checks that `path` is an existing folder.
///
/// # Errors
/// An error of the server, or that `path` is not a folder.
pub(super) async fn check(remote: &Remote, path: &RemotePath) -> Result<(), Failure> {
    let about = |error| Failure::remote(path, Looking::Folder, error);
    let (entry, _) = remote.stat(path.clone()).await.map_err(about)?;
    match entry.kind {
        Kind::Folder => Ok(()),
        _ => Err(about(Refusal::new(Code::NotDirectory, format!("{} is not a folder", path.display())).into())),
    }
}

/// The exact target of a source named `name`; a source without a name (a home, `.`) becomes the destination itself.
///
/// # Errors
/// [`Failure::Path`].
pub(super) fn target(to: &RemotePath, into: bool, name: Option<&Name>) -> Result<RemotePath, Failure> {
    match name {
        Some(name) if into => Ok(to.join(name)?),
        _ => Ok(to.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_added_only_in_a_folder() {
        let to = RemotePath::from_wire(b"a").unwrap();
        let name = Name::try_from("x").unwrap();
        let target = |into, name| target(&to, into, name).unwrap().display().to_string();
        assert_eq!(target(true, Some(&name)), "/a/x");
        assert_eq!(target(false, Some(&name)), "/a");
        assert_eq!(target(true, None), "/a");
    }
}
