//! Removes a file only if its state, or else its content, is unchanged.

use std::{io, path::PathBuf};

use ferry_shared::{entry::Kind, pool::BufferPool};

use super::{
    identity::Identity,
    landing::{Create, Target, Targets},
    part::{Earlier, Part},
    place::{failed, look, source_path},
    source::{self, OpenFile},
    system,
};
use crate::{
    error::ClientError,
    site::{Location, OnlyIf, Reach},
};

/// The number of attempts at a file that changes between check and removal.
const ATTEMPTS: u8 = 5;

/// The name to remove.
enum Named {
    Path(PathBuf),
    Target(Target),
}

impl Named {
    fn find(targets: &mut Targets, at: &Location) -> io::Result<Self> {
        match at.reach() {
            Reach::Contained => targets.get(at, Create::None).map(Self::Target),
            Reach::Follow | Reach::NoFollow => source_path(at).map(Self::Path),
        }
    }

    fn remove_file(&self) -> io::Result<()> {
        match self {
            Self::Path(path) => std::fs::remove_file(path),
            Self::Target(target) => target.folder.remove(target.name()?),
        }
    }

    fn remove_folder(&self) -> io::Result<()> {
        match self {
            Self::Path(path) => std::fs::remove_dir(path),
            Self::Target(target) => target.folder.remove_folder(target.name()?),
        }
    }

    /// Opens the file that the name refers to now.
    fn open(&self, follow: bool) -> io::Result<std::fs::File> {
        match self {
            Self::Path(path) => system::open_source(path, follow),
            Self::Target(target) => target.folder.open_file(target.name()?),
        }
    }
}

/// Removes a file, a link or an empty folder. `each` is called for every block that is read and may stop the removal.
pub(super) fn remove(
    pool: &BufferPool,
    targets: &mut Targets,
    at: &Location,
    only: Option<&OnlyIf>,
    mut each: impl FnMut() -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let failed = |error| failed(at, error);
    let named = Named::find(targets, at).map_err(failed)?;
    let Some(only) = only else {
        // Remove a link itself, not the file that it leads to.
        let reach = if at.reach() == Reach::Contained { Reach::Contained } else { Reach::NoFollow };
        let itself = Location::new(at.root(), at.below().clone(), reach);
        let is_folder = look(targets, &itself).map_err(failed)?.kind == Kind::Folder;
        return if is_folder { named.remove_folder() } else { named.remove_file() }.map_err(failed);
    };
    let Some(root) = only.root else { return remove_version(targets, at, &named, only) };
    for _ in 0..ATTEMPTS {
        let opened = source::open(targets, at)?;
        let seen = only.version.as_ref().and_then(|version| version.get::<Identity>());
        let proven = seen.is_some_and(|seen| seen.proves(&opened.identity));
        if !proven && (opened.facts.size != only.size || source::digest(pool, at, &opened, |_| each())? != root) {
            return Err(ClientError::SourceChanged);
        }
        if remove_seen(&named, &opened, at.reach() == Reach::Follow).map_err(failed)? {
            return Ok(());
        }
    }
    Err(ClientError::SourceChanged)
}

/// Removes a file or link that is still in the state that was seen, without reading it.
fn remove_version(targets: &mut Targets, at: &Location, named: &Named, only: &OnlyIf) -> Result<(), ClientError> {
    let itself = Location::new(at.root(), at.below().clone(), at.reach());
    let found = look(targets, &itself).map_err(|error| failed(at, error))?;
    let version = found.version.as_ref().and_then(|version| version.get::<Identity>());
    let seen = only.version.as_ref().and_then(|version| version.get::<Identity>());
    if seen.is_none() || seen != version || found.kind == Kind::Folder {
        return Err(ClientError::SourceChanged);
    }
    named.remove_file().map_err(|error| failed(at, error))
}

/// Removes a file; `false` if the open file has changed or the name refers to another file.
fn remove_seen(named: &Named, opened: &OpenFile, follow: bool) -> io::Result<bool> {
    let now = named.open(follow)?;
    let seen = &opened.identity;
    if seen.now(&opened.file)? != *seen || seen.now(&now)? != *seen {
        return Ok(false);
    }
    named.remove_file().map(|()| true)
}

/// Removes the part of an unfinished download.
pub(super) fn discard(targets: &mut Targets, at: &Location) -> io::Result<()> {
    match targets.find(at, Create::None)? {
        Some(target) => Part::open(&target.folder, target.name()?, Earlier::Keep, true)?.discard(),
        None => Ok(()),
    }
}
