//! The local side of a comparison: what is there, and its digests. Blocks on the disk.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use ferry_client::transfer::{local_name, remote_name};
use ferry_shared::{entry::Kind, name::Name, path::RemotePath};

use super::compare::Tree;
use crate::{exit::Looking, failure::Failure};

/// A tree as it was found.
#[derive(Debug)]
pub(super) struct Found {
    /// What is there.
    pub(super) tree: Tree,
    /// What could not be looked at.
    pub(super) unreadable: Vec<Failure>,
}

/// Everything below `top`; symlinks and special files are left out, `top` itself may be a symlink.
///
/// # Errors
/// [`Failure::Local`] when `top` cannot be looked at.
pub(super) fn walk(top: &Path) -> Result<Found, Failure> {
    let metadata = fs::metadata(top).map_err(|error| Failure::local(top, Looking::File, error))?;
    let kind = if metadata.is_dir() { Kind::Folder } else { Kind::File };
    let size = if metadata.is_file() { metadata.len() } else { 0 };
    let mut found = Found { tree: BTreeMap::from([(RemotePath::home(), (kind, size))]), unreadable: Vec::new() };
    let mut folders = if metadata.is_dir() { vec![(top.to_owned(), RemotePath::home())] } else { Vec::new() };
    while let Some((folder, path)) = folders.pop() {
        match fs::read_dir(&folder) {
            Ok(entries) => entries.for_each(|entry| take(entry, &folder, &path, &mut found, &mut folders)),
            Err(error) => found.unreadable.push(Failure::local(folder, Looking::Folder, error)),
        }
    }
    Ok(found)
}

fn take(
    entry: io::Result<fs::DirEntry>,
    folder: &Path,
    path: &RemotePath,
    found: &mut Found,
    folders: &mut Vec<(PathBuf, RemotePath)>,
) {
    let looked = entry.and_then(|entry| entry.metadata().map(|metadata| (entry, metadata)));
    let (entry, metadata) = match looked {
        Ok(looked) => looked,
        Err(error) => return found.unreadable.push(Failure::local(folder, Looking::Folder, error)),
    };
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => return,
    };
    let name = remote_name(&entry.file_name()).map_err(|error| Failure::Usage(error.to_string()));
    match name.and_then(|name| Ok(path.join(&name)?)) {
        Ok(below) => {
            if kind == Kind::Folder {
                folders.push((entry.path(), below.clone()));
            }
            let size = if kind == Kind::File { metadata.len() } else { 0 };
            found.tree.insert(below, (kind, size));
        }
        Err(failure) => found.unreadable.push(failure),
    }
}

/// The local path of what is at `path` below `top`, which [`walk`] found there.
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
/// The disk's.
pub(super) fn digest(file: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(file)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_found_and_symlinks_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::write(top.join("a/b/x"), "123").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("x", top.join("a/link")).unwrap();
        let found = walk(top).unwrap();
        assert!(found.unreadable.is_empty());
        let paths: Vec<_> = found.tree.iter().map(|(path, what)| (path.display().to_string(), *what)).collect();
        let folder = (Kind::Folder, 0);
        let expected = [("/", folder), ("/a", folder), ("/a/b", folder), ("/a/b/x", (Kind::File, 3))];
        assert_eq!(paths, expected.map(|(path, what)| (path.to_owned(), what)));
        let file = below(top, &RemotePath::from_wire(b"a/b/x").unwrap());
        assert_eq!(digest(&file).unwrap(), blake3::hash(b"123").to_hex().to_string());
    }

    #[test]
    fn a_missing_top_is_a_missing_file() {
        assert_eq!(walk(Path::new("/no/such/thing")).unwrap_err().exit(), crate::exit::Exit::NoFile);
    }
}
