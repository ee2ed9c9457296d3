//! What a walk through a remote folder has told, so that it can begin anew after a break.

use std::collections::HashSet;

use ferry_shared::{digest::Digest, entry::Entry, message::reply::Page, path::RemotePath};

/// More than so many paths are not remembered: a walk that breaks then fails its job.
const MOST_REMEMBERED: usize = 1_000_000;

/// What a walk has told so far: after a break it begins anew, and nothing is to be done twice.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Folders that are left out with all below them.
    pub(super) left_out: HashSet<RemotePath>,
    /// Folders that are made because something comes into them, where only those are.
    pub(super) receiving: HashSet<RemotePath>,
    /// Links to be followed, each with its folder.
    pub(super) links: Vec<(RemotePath, Entry)>,
    /// Digests of the paths that were planned, as long as those are not too many.
    planned: HashSet<Digest>,
}

impl Seen {
    /// Whether all of it is known.
    pub(super) fn is_whole(&self) -> bool {
        self.planned.len() <= MOST_REMEMBERED
    }

    /// How many paths it has told.
    pub(super) fn count(&self) -> usize {
        self.planned.len()
    }

    /// What is new in a page; once too much is known to remember, all of it.
    pub(super) fn news(&mut self, mut page: Page) -> Page {
        if self.is_whole() {
            let Page { under, entries, unreadable, .. } = &mut page;
            entries.retain(|entry| self.is_new(b"/", &[under.as_bytes(), entry.name.as_bytes()]));
            unreadable.retain(|folder| self.is_new(b"!", &[folder.as_bytes()]));
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
        entry::{Kind, Mtime},
        name::Name,
    };

    use super::*;

    fn page(under: &str, names: &[&str], unreadable: &[&str]) -> Page {
        let path = |path: &str| RemotePath::from_wire(path.as_bytes()).unwrap();
        let entry = |name: &&str| {
            let name = Name::new(name.as_bytes()).unwrap();
            Entry { name, kind: Kind::File, size: 1, mtime: Mtime(0, 0), mode: 0o644 }
        };
        let (entries, unreadable) = (names.iter().map(entry).collect(), unreadable.iter().map(|p| path(p)).collect());
        Page { under: path(under), entries, unreadable, more: true }
    }

    fn counts(page: &Page) -> (usize, usize) {
        (page.entries.len(), page.unreadable.len())
    }

    #[test]
    fn nothing_is_told_twice_and_nothing_is_lost() {
        let mut seen = Seen::default();
        assert_eq!(counts(&seen.news(page("a", &["x", "y"], &["a/b"]))), (2, 1));
        assert_eq!(counts(&seen.news(page("a/x", &["y"], &[]))), (1, 0));
        assert_eq!(counts(&seen.news(page("a", &["x", "y", "z"], &["a/b", "a/c"]))), (1, 1));
        // A folder that cannot be read has a name, too.
        assert_eq!(counts(&seen.news(page("a", &["b"], &["a/b"]))), (1, 0));
        assert_eq!(seen.count(), 7);
    }
}
