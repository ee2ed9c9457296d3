//! The rule for destinations: `/` at the end or several sources mean "into", and so does a folder that is there.
//!
//! But a folder that is transferred becomes the destination itself, there or not: the same command
//! given again means the same then, and goes on with what is missing.

use std::ffi::OsStr;

use ferry_client::{ClientError, Connector, Remote, reconnect::Backoff, transfer::LinkEvent};
use ferry_shared::{
    entry::Kind,
    name::{Escaped, Name},
    path::RemotePath,
    refusal::{Code, Refusal},
};

use super::transfer;
use crate::{context::Context, exit::Looking, failure::Failure, sites::Place};

/// Whether sources go into `to`, as far as the command line tells; `None` when that
/// depends on what is there.
pub(super) fn told(to: &Place, sources: usize) -> Option<bool> {
    (to.into || sources > 1).then_some(true)
}

/// Whether `path` is a folder that is there.
///
/// # Errors
/// An error of the server, other than that nothing is there.
pub(super) async fn is_folder(remote: &Remote, path: &RemotePath) -> Result<bool, Failure> {
    match remote.stat(path.clone()).await {
        // A link that is named is meant as what it leads to.
        Ok((entry, _)) if entry.kind == Kind::Symlink => leads_to_folder(remote, path).await,
        Ok((entry, _)) => Ok(entry.kind == Kind::Folder),
        Err(ClientError::Refused(refusal)) if matches!(refusal.code, Code::NotFound | Code::NotDirectory) => Ok(false),
        Err(error) => Err(Failure::remote(path, Looking::Folder, error)),
    }
}

/// Whether the link at `path` leads to a folder in the home: the server lists what it leads to.
async fn leads_to_folder(remote: &Remote, path: &RemotePath) -> Result<bool, Failure> {
    let mut pages = remote.list(path.clone()).await.map_err(|error| Failure::remote(path, Looking::Folder, error))?;
    Ok(matches!(pages.next().await, Some(Ok(_))))
}

/// The same over a connection of its own, which is left in `kept`. Tries as often as a transfer
/// does: a server that is just being started again must not end a transfer that has a question first.
///
/// # Errors
/// As [`is_folder`], and what keeps it from being asked.
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
        transfer::tell_link(&LinkEvent::Lost { error: *error, retry_in, attempt }, context);
        tokio::time::sleep(retry_in).await;
    }
}

/// Tells who expects what `cp` does that a folder becomes `target`, which is there, and does not go into it.
pub(super) fn tell_merge(name: &OsStr, target: &OsStr, context: &Context) {
    let (name, target) = (Escaped(name.as_encoded_bytes()), Escaped(target.as_encoded_bytes()));
    context.output.say(&format!("{target} is there; {name} is merged with it ({target}/ would mean {target}/{name})"));
}

/// Makes sure that `path` is a folder that is there.
///
/// # Errors
/// An error of the server, or that it is something else.
pub(super) async fn check(remote: &Remote, path: &RemotePath) -> Result<(), Failure> {
    let about = |error| Failure::remote(path, Looking::Folder, error);
    let (entry, _) = remote.stat(path.clone()).await.map_err(about)?;
    match entry.kind {
        Kind::Folder => Ok(()),
        _ => Err(about(Refusal::new(Code::NotDirectory, format!("{} is not a folder", path.display())).into())),
    }
}

/// The exact target of something named `name`; what has no name (a home, `.`) becomes the
/// destination itself.
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
    fn a_name_is_added_only_when_going_into_a_folder() {
        let to = RemotePath::from_wire(b"a").unwrap();
        let name = Name::try_from("x").unwrap();
        let target = |into, name| target(&to, into, name).unwrap().display().to_string();
        assert_eq!(target(true, Some(&name)), "/a/x");
        assert_eq!(target(false, Some(&name)), "/a");
        assert_eq!(target(true, None), "/a");
    }
}
