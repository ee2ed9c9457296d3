//! The symlinks on the way to a file of the server's own: a user store kept in a repository, or a certificate that
//! a container system replaces by swapping a folder.

use std::{
    collections::VecDeque,
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

use crate::private_file::folder_of;

/// The maximum number of symlinks that the system follows.
const LINKS_MAX: usize = 40;

/// A name on the way to a file: a symlink, or finally the file itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stop {
    /// The folder that contains it, without symlinks.
    pub(crate) folder: PathBuf,
    /// The name.
    pub(crate) name: OsString,
}

/// Each symlink that is followed from the folder of `file` on, then the file itself, whether it exists or not.
/// Symlinks above that folder are not listed: they belong to the machine, such as those that systemd makes for a
/// service's state.
pub(crate) fn stops(file: &Path) -> Vec<Stop> {
    let Ok(mut at) = folder_of(file).canonicalize() else { return Vec::new() };
    let mut found = Vec::new();
    let mut ahead: VecDeque<OsString> = file.file_name().map(ToOwned::to_owned).into_iter().collect();
    while let Some(name) = ahead.pop_front() {
        let path = at.join(&name);
        let link = path.read_link().ok().filter(|_| found.len() < LINKS_MAX);
        if link.is_some() || ahead.is_empty() {
            found.push(Stop { folder: at.clone(), name });
        }
        let Some(link) = link else {
            at = path;
            continue;
        };
        for component in link.components().rev() {
            match component {
                Component::Normal(name) => ahead.push_front(name.to_owned()),
                Component::ParentDir => ahead.push_front("..".into()),
                Component::RootDir | Component::Prefix(_) => at = "/".into(),
                Component::CurDir => {}
            }
        }
        while ahead.front().is_some_and(|name| name == "..") {
            ahead.pop_front();
            at.pop();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn shown(root: &Path, file: &Path) -> Vec<String> {
        let root = root.canonicalize().unwrap();
        let path = |stop: &Stop| stop.folder.join(&stop.name).strip_prefix(&root).unwrap().display().to_string();
        stops(file).iter().map(path).collect()
    }

    #[test]
    fn every_link_on_the_way_is_a_stop_and_the_file_is_the_last() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["data", "mount/v1", "deep/a/b"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("data/plain"), "").unwrap();
        assert_eq!(shown(root.path(), &at("data/plain")), ["data/plain"]);
        assert_eq!(shown(root.path(), &at("data/missing")), ["data/missing"]);
        fs::write(at("mount/v1/users.json"), "").unwrap();
        symlink("v1", at("mount/..data")).unwrap();
        symlink("..data/users.json", at("mount/users.json")).unwrap();
        symlink(at("mount/users.json"), at("data/users.json")).unwrap();
        let all = ["data/users.json", "mount/users.json", "mount/..data", "mount/v1/users.json"];
        assert_eq!(shown(root.path(), &at("data/users.json")), all);
        symlink("../../../mount/./v1/users.json", at("deep/a/b/up")).unwrap();
        assert_eq!(shown(root.path(), &at("deep/a/b/up")), ["deep/a/b/up", "mount/v1/users.json"]);
    }

    #[test]
    fn symlinks_in_a_loop_come_to_an_end() {
        let root = tempfile::tempdir().unwrap();
        symlink("two", root.path().join("one")).unwrap();
        symlink("one", root.path().join("two")).unwrap();
        assert_eq!(stops(&root.path().join("one")).len(), LINKS_MAX + 1);
    }
}
