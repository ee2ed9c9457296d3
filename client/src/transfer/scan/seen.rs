//! Remembers the paths that a walk has reported, so that it can restart after a lost connection.

use std::collections::HashSet;

use ferry_shared::digest::Digest;

use crate::site::{LeftOut, Page};

/// The most paths that are remembered. A walk with more cannot restart, so a lost connection fails it.
const MOST_REMEMBERED: usize = 1_000_000;

/// The paths that a walk has reported so far. A restarted walk reports them again, but they must not be planned twice.
#[derive(Debug, Default)]
pub(in crate::transfer) struct Seen {
    /// Digests of the reported paths, until there are too many.
    planned: HashSet<Digest>,
}

impl Seen {
    /// Whether all reported paths are remembered.
    pub(super) fn is_whole(&self) -> bool {
        self.planned.len() <= MOST_REMEMBERED
    }

    /// The number of remembered paths.
    pub(super) fn count(&self) -> usize {
        self.planned.len()
    }

    /// Removes paths that were reported before from a page. Once there are too many to remember, keeps all.
    pub(super) fn news(&mut self, mut page: Page) -> Page {
        if self.is_whole() {
            let Page { under, entries, left_out, unreadable, .. } = &mut page;
            // Each list has its own mark, so that a path may appear once in each.
            entries.retain(|entry| self.is_new(b"/", &[under.as_bytes(), entry.name.as_bytes()]));
            left_out.retain(|left_out| match left_out {
                LeftOut::Failed(name, _) | LeftOut::LinkLoop(name) | LeftOut::LinkToFolder(name) => {
                    self.is_new(b"-", &[under.as_bytes(), name.as_bytes()])
                }
                LeftOut::UnusableName(shown) => self.is_new(b"?", &[under.as_bytes(), shown.as_bytes()]),
            });
            unreadable.retain(|(folder, _)| self.is_new(b"!", &[folder.as_bytes()]));
        }
        page
    }

    fn is_new(&mut self, mark: &[u8], path: &[&[u8]]) -> bool {
        self.planned.insert(Digest::of(&[mark, &path.join(&b'/')].concat()))
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::{
        entry::{Entry, Kind, Mtime},
        name::Name,
        path::RemotePath,
    };

    use super::*;
    use crate::error::ClientError;

    fn page(under: &str, names: &[&str], unreadable: &[&str]) -> Page {
        let path = |path: &str| RemotePath::from_wire(path.as_bytes()).unwrap();
        let entry = |name: &&str| {
            let name = Name::new(name.as_bytes()).unwrap();
            Entry { name, kind: Kind::File, size: 1, mtime: Mtime(0, 0), mode: 0o644 }
        };
        let (entries, unreadable) =
            (names.iter().map(entry).collect(), unreadable.iter().map(|p| (path(p), ClientError::Cancelled)).collect());
        Page { under: path(under), entries, unreadable, ..Page::default() }
    }

    fn counts(page: &Page) -> (usize, usize) {
        (page.entries.len(), page.unreadable.len())
    }

    #[test]
    fn nothing_is_reported_twice_and_nothing_is_lost() {
        let mut seen = Seen::default();
        assert_eq!(counts(&seen.news(page("a", &["x", "y"], &["a/b"]))), (2, 1));
        assert_eq!(counts(&seen.news(page("a/x", &["y"], &[]))), (1, 0));
        assert_eq!(counts(&seen.news(page("a", &["x", "y", "z"], &["a/b", "a/c"]))), (1, 1));
        // An unreadable folder is also an entry of its parent.
        assert_eq!(counts(&seen.news(page("a", &["b"], &["a/b"]))), (1, 0));
        assert_eq!(seen.count(), 7);
    }
}
