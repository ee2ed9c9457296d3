//! Looks up locations of this computer, and attaches their paths to errors.

use std::{fs::Metadata, io, path::PathBuf};

use ferry_shared::entry::{Entry, Kind, Mtime};
use ferry_shared::name::Name;

use super::{
    identity::Identity,
    landing::{Create, Targets},
    system,
};
use crate::{
    error::ClientError,
    site::{FileFacts, Found, Location, Reach, SitePath, Version},
};

/// The path of a source.
pub(super) fn source_path(at: &Location) -> io::Result<PathBuf> {
    match at.path() {
        Ok(SitePath::Local(path)) => Ok(path),
        Ok(SitePath::Remote(_)) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a path of this computer"))
        }
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidInput, error.to_string())),
    }
}

/// Adds the path of a location to a local error.
pub(super) fn failed(at: &Location, error: io::Error) -> ClientError {
    ClientError::local(source_path(at).unwrap_or_default(), error)
}

/// Returns the file or folder at a location; does not follow links at a target.
pub(super) fn look(targets: &mut Targets, at: &Location) -> io::Result<Found> {
    match at.reach() {
        Reach::Follow => found(&std::fs::metadata(source_path(at)?)?),
        Reach::NoFollow => found(&std::fs::symlink_metadata(source_path(at)?)?),
        Reach::Contained => {
            let target = targets.get(at, Create::None)?;
            match &target.name {
                Some(name) => target.folder.stat(name)?.ok_or_else(|| io::ErrorKind::NotFound.into()),
                None => target.folder.stat_itself(),
            }
        }
    }
}

/// Converts metadata that was read by path.
pub(super) fn found(metadata: &Metadata) -> io::Result<Found> {
    let kind = kind_of(metadata.file_type());
    let size = if kind == Kind::File { metadata.len() } else { 0 };
    let facts = FileFacts { size, mtime: Mtime::from(metadata.modified()?) };
    Ok(Found { kind, facts, mode: system::mode_of(metadata), version: identity(metadata).map(Version::new) })
}

/// Converts metadata to an entry of a folder.
pub(super) fn entry(name: Name, metadata: &Metadata) -> Entry {
    let kind = kind_of(metadata.file_type());
    let size = if kind == Kind::File { metadata.len() } else { 0 };
    let mtime = metadata.modified().map_or(Mtime(0, 0), Mtime::from);
    Entry { name, kind, size, mtime, mode: system::mode_of(metadata) }
}

fn kind_of(kind: std::fs::FileType) -> Kind {
    match () {
        () if kind.is_file() => Kind::File,
        () if kind.is_dir() => Kind::Folder,
        () if kind.is_symlink() => Kind::Symlink,
        () => Kind::Other,
    }
}

/// The disk is unknown here, so such an identity never proves by itself that a file is unchanged.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> Option<Identity> {
    let metadata = cap_std::fs::Metadata::from_just_metadata(metadata.clone());
    Identity::new(&metadata, system::Disk::Far).ok()
}

/// On this system, only an open file has an identity.
#[cfg(not(unix))]
pub(super) fn identity(_metadata: &Metadata) -> Option<Identity> {
    None
}
