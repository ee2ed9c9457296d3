//! The rule for destinations: `/` at the end, several sources or a folder that is there mean "into".

use ferry_client::{ClientError, Remote};
use ferry_shared::{
    entry::Kind,
    name::Name,
    path::RemotePath,
    refusal::{Code, Refusal},
};

use crate::{exit::Looking, failure::Failure, sites::Place};

/// Whether sources go into `to`, as far as the command line tells; `None` when that
/// depends on what is there.
pub(super) fn told(to: &Place, sources: usize) -> Option<bool> {
    (to.into || sources > 1).then_some(true)
}

/// Whether `path` is a folder that is there.
///
/// # Errors
/// What the server says, other than that nothing is there.
pub(super) async fn is_folder(remote: &Remote, path: &RemotePath) -> Result<bool, Failure> {
    match remote.stat(path.clone()).await {
        Ok((entry, _)) => Ok(entry.kind == Kind::Folder),
        Err(ClientError::Refused(refusal)) if matches!(refusal.code, Code::NotFound | Code::NotDirectory) => Ok(false),
        Err(error) => Err(Failure::remote(path, Looking::Folder, error)),
    }
}

/// Makes sure that `path` is a folder that is there.
///
/// # Errors
/// What the server says, or that it is something else.
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
