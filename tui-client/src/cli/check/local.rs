//! The local side of a comparison: its files and their digests. Blocks on the disk.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use ferry_client::transfer::{Ancestors, local_name, remote_name};
use ferry_shared::{entry::Kind, name::Name, path::RemotePath};

use super::compare::Tree;
use crate::{exit::Looking, failure::Failure};

/// The result of a walk.
#[derive(Debug)]
pub(super) struct Found {
    /// The entries found.
    pub(super) tree: Tree,
    /// The paths that could not be read.
    pub(super) unreadable: Vec<Failure>,
    /// The paths that are not compared, each with the reason.
    pub(super) left_out: BTreeMap<RemotePath, Why>,
}

/// The reason why an entry is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A symlink.
    Symlink,
    /// A symlink to a folder that contains it.
    Loop,
    /// Neither a file nor a folder.
    Special,
}

/// A folder to be read: its location, its path below the top, and, if links are followed, its parent folders.
type Open = (PathBuf, RemotePath, Option<Ancestors>);

/// Walks everything below `top`; leaves out special files, and symlinks unless they are followed. `top` itself may be
/// a symlink.
///
/// # Errors
/// [`Failure::Local`] if `top` cannot be read.
pub(super) fn walk(top: &Path, follow: bool) -> Result<Found, Failure> {
    let metadata = fs::metadata(top).map_err(|error| Failure::local(top, Looking::File, error))?;
    let kind = if metadata.is_dir() { Kind::Folder } else { Kind::File };
    let size = if metadata.is_file() { metadata.len() } else { 0 };
    let mut found = Found::of(kind, size);
    let mut folders = Vec::new();
    if metadata.is_dir() {
        let ancestors = if follow { Ancestors::default().enter(top).ok().flatten() } else { None };
        folders.push((top.to_owned(), RemotePath::home(), ancestors));
    }
    while let Some(open) = folders.pop() {
        match fs::read_dir(&open.0) {
            Ok(entries) => entries.for_each(|entry| take(entry, &open, &mut found, &mut folders)),
            Err(error) => found.unreadable.push(Failure::local(open.0, Looking::Folder, error)),
        }
    }
    Ok(found)
}

fn take(entry: io::Result<fs::DirEntry>, (folder, path, ancestors): &Open, found: &mut Found, folders: &mut Vec<Open>) {
    let follow = ancestors.is_some();
    let looked = entry.and_then(|entry| {
        let metadata = if follow { fs::metadata(entry.path()) } else { entry.metadata() };
        metadata.map(|metadata| (entry, metadata))
    });
    let (entry, metadata) = match looked {
        Ok(looked) => looked,
        Err(error) => return found.unreadable.push(Failure::local(folder, Looking::Folder, error)),
    };
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Ok(Kind::File),
        kind if kind.is_dir() => Ok(Kind::Folder),
        kind if kind.is_symlink() => Err(Why::Symlink),
        _ => Err(Why::Special),
    };
    let name = remote_name(&entry.file_name()).map_err(|error| Failure::Usage(error.to_string()));
    match name.and_then(|name| Ok(path.join(&name)?)) {
        Ok(below) => {
            let kind = match kind {
                Ok(kind) => kind,
                Err(why) => return found.leave_out(below, why),
            };
            if kind == Kind::Folder {
                let entered = ancestors.as_ref().map(|above| above.enter(&entry.path())).transpose();
                match entered {
                    Ok(Some(Some(inside))) => folders.push((entry.path(), below.clone(), Some(inside))),
                    Ok(None) => folders.push((entry.path(), below.clone(), None)),
                    Ok(Some(None)) => return found.leave_out(below, Why::Loop),
                    Err(error) => return found.unreadable.push(Failure::local(entry.path(), Looking::Folder, error)),
                }
            }
            let size = if kind == Kind::File { metadata.len() } else { 0 };
            found.tree.insert(below, (kind, size));
        }
        Err(failure) => found.unreadable.push(failure),
    }
}

impl Found {
    /// A tree with only its top.
    pub(super) fn of(kind: Kind, size: u64) -> Self {
        let tree = BTreeMap::from([(RemotePath::home(), (kind, size))]);
        Self { tree, unreadable: Vec::new(), left_out: BTreeMap::new() }
    }

    /// Records an entry that is not compared.
    pub(super) fn leave_out(&mut self, path: RemotePath, why: Why) {
        self.left_out.insert(path, why);
    }
}

/// The local path of the entry at `path` below `top`, as found by [`walk`].
pub(super) fn below(top: &Path, path: &RemotePath) -> PathBuf {
    let mut full = top.to_owned();
    for name in path.names() {
        if let Some(name) = Name::new(name).ok().and_then(|name| local_name(&name).ok()) {
            full.push(name);
        }
    }
    full
}

/// A file's digest in hexadecimal.
///
/// # Errors
/// The disk's errors.
pub(super) fn digest(file: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(file)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::from_wire(text.as_bytes()).unwrap()
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_on_request_and_loops_end() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir(top.join("a")).unwrap();
        fs::write(top.join("x"), "123").unwrap();
        std::os::unix::fs::symlink("../x", top.join("a/file")).unwrap();
        std::os::unix::fs::symlink("..", top.join("a/up")).unwrap();
        std::os::unix::fs::symlink("gone", top.join("a/gone")).unwrap();
        let found = walk(top, true).unwrap();
        assert_eq!(found.tree[&path("a/file")], (Kind::File, 3));
        assert_eq!(found.left_out.into_iter().collect::<Vec<_>>(), [(path("a/up"), Why::Loop)]);
        assert_eq!(found.unreadable.len(), 1, "what leads nowhere is a failure");
    }

    #[test]
    fn files_and_folders_are_found_and_symlinks_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::write(top.join("a/b/x"), "123").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("x", top.join("a/link")).unwrap();
        let found = walk(top, false).unwrap();
        assert!(found.unreadable.is_empty());
        #[cfg(unix)]
        assert_eq!(found.left_out.into_iter().collect::<Vec<_>>(), [(path("a/link"), Why::Symlink)]);
        let paths: Vec<_> = found.tree.iter().map(|(path, what)| (path.display().to_string(), *what)).collect();
        let folder = (Kind::Folder, 0);
        let expected = [("/", folder), ("/a", folder), ("/a/b", folder), ("/a/b/x", (Kind::File, 3))];
        assert_eq!(paths, expected.map(|(path, what)| (path.to_owned(), what)));
        let file = below(top, &RemotePath::from_wire(b"a/b/x").unwrap());
        assert_eq!(digest(&file).unwrap(), blake3::hash(b"123").to_hex().to_string());
    }

    #[test]
    fn a_missing_top_is_a_missing_file() {
        assert_eq!(walk(Path::new("/no/such/thing"), false).unwrap_err().exit(), crate::exit::Exit::NoFile);
    }
}
