//! The pages of a walk.

use ferry_shared::{message::reply::Page, path::RemotePath};

use super::State;

impl State {
    /// The pages of a walk, one per folder.
    pub(super) fn walk(&self, root: &RemotePath) -> Vec<Page> {
        let folders = self.folders.iter().map(|path| RemotePath::from_wire(path).unwrap());
        let folders =
            std::iter::once(root.clone()).chain(folders.filter(|path| path != root && path.starts_with(root)));
        let all = || self.files.keys().chain(&self.folders).chain(&self.symlinks);
        let mut pages: Vec<Page> = folders
            .map(|folder| {
                let names: Vec<&[u8]> = folder.names().skip(root.depth()).collect();
                let inside =
                    all().filter(|path| RemotePath::from_wire(path).unwrap().parent().as_ref() == Some(&folder));
                Page {
                    under: RemotePath::from_wire(&names.join(&b'/')).unwrap(),
                    entries: inside.filter_map(|path| self.entry(path)).collect(),
                    unreadable: Vec::new(),
                    digests: Vec::new(),
                    more: true,
                }
            })
            .collect();
        pages.last_mut().unwrap().more = false;
        pages
    }
}
