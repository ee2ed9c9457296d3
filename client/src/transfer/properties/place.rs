//! One end of a job: a site and its files.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ferry_shared::{entry::Mtime, path::RemotePath};

use crate::{
    Local, Site, SitePath,
    memory::{Memory, What},
    site::{Abilities, Dates, Folders},
};

/// A file or folder and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thing {
    /// `None` for a folder.
    pub(super) content: Option<Content>,
    pub(super) mtime: Mtime,
    pub(super) mode: u32,
    pub(super) half: bool,
}

/// The content of a file; its `Debug` form is short.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content(pub(super) Arc<Vec<u8>>);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes beginning with {:?}", self.0.len(), &self.0[..self.0.len().min(8)])
    }
}

/// All files and folders at a site.
pub(super) type Picture = BTreeMap<RemotePath, Thing>;

/// One end of a job.
#[derive(Debug)]
pub(super) enum Place {
    Memory(Memory),
    Local(tempfile::TempDir),
}

impl Place {
    pub(super) fn memory(name: &str, abilities: Abilities) -> Self {
        Self::Memory(Memory::named(name, abilities))
    }

    pub(super) fn local() -> Self {
        Self::Local(tempfile::tempdir().unwrap())
    }

    pub(super) fn site(&self) -> Arc<dyn Site> {
        match self {
            Self::Memory(memory) => Arc::new(memory.clone()),
            Self::Local(_) => Arc::new(Local),
        }
    }

    pub(super) fn abilities(&self) -> Abilities {
        self.site().abilities()
    }

    /// The site in memory, which can fail.
    pub(super) fn faulty(&self) -> Option<&Memory> {
        if let Self::Memory(memory) = self { Some(memory) } else { None }
    }

    /// A path in the site's own form.
    pub(super) fn path(&self, path: &RemotePath) -> SitePath {
        match self {
            Self::Memory(_) => path.clone().into(),
            Self::Local(top) => SitePath::from(top.path()).join_path(path).unwrap(),
        }
    }

    /// A path of the site, relative to its top.
    pub(super) fn own(&self, path: &SitePath) -> RemotePath {
        match (self, path) {
            (Self::Local(top), SitePath::Local(path)) => own(top.path(), path),
            (_, SitePath::Remote(path)) => path.clone(),
            _ => panic!("{path:?} is not of {self:?}"),
        }
    }

    /// A date as the site keeps it.
    pub(super) fn date(&self, mtime: Mtime) -> Mtime {
        if self.abilities().mtime == Dates::Seconds { Mtime(mtime.0, 0) } else { mtime }
    }

    /// Creates a file or folder at the site.
    pub(super) fn place(&self, path: &RemotePath, thing: &Thing) {
        match self {
            // Such a folder exists only if something is in it.
            Self::Memory(_) if thing.content.is_none() && self.abilities().folders == Folders::Implied => {}
            Self::Memory(memory) => memory.tree(|tree| {
                let what = thing.content.as_ref().map_or(What::Folder, |content| What::File(Arc::clone(&content.0)));
                tree.place(path, what, thing.mtime, thing.mode);
            }),
            Self::Local(_) => {
                let at = self.path(path);
                let at = at.local().unwrap();
                match &thing.content {
                    None => fs::create_dir_all(at).unwrap(),
                    Some(content) => {
                        fs::create_dir_all(at.parent().unwrap()).unwrap();
                        fs::write(at, &*content.0).unwrap();
                    }
                }
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(at, fs::Permissions::from_mode(thing.mode)).unwrap();
                let date = SystemTime::UNIX_EPOCH + Duration::new(thing.mtime.0.try_into().unwrap(), thing.mtime.1);
                fs::File::open(at).unwrap().set_times(fs::FileTimes::new().set_modified(date)).unwrap();
            }
        }
    }

    /// All files and folders at the site.
    pub(super) fn picture(&self) -> Picture {
        match self {
            Self::Memory(memory) => memory.tree(|tree| {
                let thing = |node: &crate::memory::Node| Thing {
                    content: node.content().cloned().map(Content),
                    mtime: node.mtime,
                    mode: node.mode,
                    half: node.half,
                };
                tree.nodes().iter().map(|(path, node)| (path.clone(), thing(node))).collect()
            }),
            Self::Local(top) => {
                let mut picture = Picture::new();
                walk(top.path(), top.path(), &mut picture);
                picture
            }
        }
    }
}

fn own(top: &Path, path: &Path) -> RemotePath {
    RemotePath::from_wire(path.strip_prefix(top).unwrap().as_os_str().as_bytes()).unwrap()
}

fn walk(top: &Path, folder: &Path, picture: &mut Picture) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let facts = fs::symlink_metadata(&path).unwrap();
        let content = facts.is_file().then(|| Content(Arc::new(fs::read(&path).unwrap())));
        let mode = facts.permissions().mode() & 0o777;
        let thing = Thing { content, mtime: facts.modified().unwrap().into(), mode, half: false };
        picture.insert(own(top, &path), thing);
        if facts.is_dir() {
            walk(top, &path, picture);
        }
    }
}
