//! Compares two trees by names, kinds and sizes.

use std::collections::BTreeMap;

use ferry_shared::{entry::Kind, path::RemotePath};
use serde::Serialize;

/// The files and folders of a tree with their sizes; the empty path is its top.
pub(super) type Tree = BTreeMap<RemotePath, (Kind, u64)>;

/// How the two sides of a path differ.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "snake_case")]
pub(super) enum Difference {
    /// Only the local side has it.
    OnlyLocal,
    /// Only the server has it.
    OnlyRemote,
    /// A file on one side, a folder on the other.
    Kind,
    /// Files of different sizes.
    Size {
        /// The local size.
        here: u64,
        /// The size on the server.
        there: u64,
    },
    /// Files of the same size with different content.
    Content {
        /// The local digest.
        here: String,
        /// The digest on the server.
        there: String,
    },
}

/// The comparison by names and sizes.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// The differences, in order.
    pub(super) differences: Vec<(RemotePath, Difference)>,
    /// Files of equal size, in order, whose content must be compared.
    pub(super) same_size: Vec<RemotePath>,
}

/// Compares two trees. A path that is missing on one side, or has a different kind, is reported once, without its
/// content.
pub(super) fn compare(here: &Tree, there: &Tree) -> Compared {
    let mut compared = Compared::default();
    let mut told: Option<&RemotePath> = None;
    let mut all: Vec<&RemotePath> = here.keys().chain(there.keys().filter(|path| !here.contains_key(*path))).collect();
    // Compare by names and not by bytes, so that the content of a path follows it directly.
    all.sort_unstable_by(|a, b| a.names().cmp(b.names()));
    for path in all {
        if told.is_some_and(|above| path.starts_with(above)) {
            continue;
        }
        let difference = match (here.get(path), there.get(path)) {
            (Some((Kind::File, ours)), Some((Kind::File, theirs))) if ours == theirs => {
                compared.same_size.push(path.clone());
                continue;
            }
            (Some((Kind::File, ours)), Some((Kind::File, theirs))) => Difference::Size { here: *ours, there: *theirs },
            (Some((ours, _)), Some((theirs, _))) if ours == theirs => continue,
            (Some(_), Some(_)) => Difference::Kind,
            (Some(_), None) => Difference::OnlyLocal,
            (None, _) => Difference::OnlyRemote,
        };
        told = Some(path);
        compared.differences.push((path.clone(), difference));
    }
    compared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, Kind, u64)]) -> Tree {
        let path = |text: &str| RemotePath::from_wire(text.as_bytes()).unwrap();
        entries.iter().map(|(name, kind, size)| (path(name), (*kind, *size))).collect()
    }

    fn differences(here: &Tree, there: &Tree) -> Vec<(String, Difference)> {
        compare(here, there).differences.into_iter().map(|(path, what)| (path.display().to_string(), what)).collect()
    }

    #[test]
    fn files_of_equal_size_are_left_to_the_digests() {
        let both = tree(&[("", Kind::Folder, 0), ("a", Kind::File, 3), ("b", Kind::Folder, 0)]);
        let compared = compare(&both, &both);
        assert!(compared.differences.is_empty());
        assert_eq!(compared.same_size, [RemotePath::from_wire(b"a").unwrap()]);
    }

    #[test]
    fn a_missing_folder_is_reported_once() {
        let here =
            tree(&[("", Kind::Folder, 0), ("a", Kind::Folder, 0), ("a/x", Kind::File, 1), ("a-b", Kind::File, 1)]);
        let there = tree(&[("", Kind::Folder, 0)]);
        let paths: Vec<_> = differences(&here, &there).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["/a", "/a-b"]);
        assert!(differences(&there, &here).iter().all(|(_, what)| *what == Difference::OnlyRemote));
    }

    #[test]
    fn kinds_and_sizes_are_distinguished() {
        let here = tree(&[("a", Kind::File, 1), ("b", Kind::File, 1)]);
        let there = tree(&[("a", Kind::Folder, 0), ("a/x", Kind::File, 1), ("b", Kind::File, 2)]);
        let expected = [("/a".to_owned(), Difference::Kind), ("/b".to_owned(), Difference::Size { here: 1, there: 2 })];
        assert_eq!(differences(&here, &there), expected);
    }
}
