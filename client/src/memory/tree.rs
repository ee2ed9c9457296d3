//! The content of a site in memory: folders, files, links and the parts of unfinished uploads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    name::Name,
    path::RemotePath,
};

use super::remote;
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Abilities, Dates, FileFacts, Folders, Found, Location, Names, Opened, Over, Reach, SitePath, Version},
};

/// The maximum number of links followed in one path.
const LINKS: usize = 40;
/// The first date for entries without a given date.
const FIRST_DATE: i64 = 1_600_000_000;

/// The entry at a path.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) what: What,
    pub(crate) mtime: Mtime,
    pub(crate) mode: u32,
    /// Differs after each change.
    pub(crate) version: u64,
    /// Whether the content is incomplete.
    pub(crate) half: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    File(Arc<Vec<u8>>),
    Folder,
    /// The text of the link.
    Link(Vec<u8>),
}

/// All entries of a site.
#[derive(Debug)]
pub(crate) struct Tree {
    site: u64,
    abilities: Abilities,
    nodes: BTreeMap<RemotePath, Node>,
    /// The parts of unfinished uploads by target.
    pub(super) parts: BTreeMap<RemotePath, Vec<u8>>,
    /// The maximum number of bytes in all files.
    limit: Option<u64>,
    changes: u64,
}

/// A version, unique among all sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    site: u64,
    version: u64,
}

/// The number of sites created so far.
static SITES: AtomicU64 = AtomicU64::new(0);

impl Node {
    fn kind(&self) -> Kind {
        match self.what {
            What::File(_) => Kind::File,
            What::Folder => Kind::Folder,
            What::Link(_) => Kind::Symlink,
        }
    }

    /// The content of a file.
    pub(crate) fn content(&self) -> Option<&Arc<Vec<u8>>> {
        if let What::File(content) = &self.what { Some(content) } else { None }
    }
}

pub(super) fn told(obstacle: Obstacle, path: &RemotePath) -> ClientError {
    ClientError::obstructed(obstacle, format!("{}: {obstacle:?}", path.display()))
}

/// Immediate access for tests.
impl Tree {
    pub(super) fn new(abilities: Abilities) -> Self {
        let site = SITES.fetch_add(1, Relaxed);
        Self { site, abilities, nodes: BTreeMap::new(), parts: BTreeMap::new(), limit: None, changes: 0 }
    }

    /// Writes a file and creates its parent folders.
    pub(crate) fn write(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        let path = remote(path);
        self.make_folders(path.parent());
        self.put_file(&path, content.into(), None, None, false);
    }

    /// Appends to a file.
    pub(crate) fn append(&mut self, path: &str, more: &[u8]) {
        let old = self.read(path).unwrap_or_default();
        self.write(path, [&old, more].concat());
    }

    /// Creates a folder and its parents.
    pub(crate) fn make_folder(&mut self, path: &str) {
        self.make_folders(Some(remote(path)));
    }

    /// Creates a link to an absolute path.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        let path = remote(path);
        self.make_folders(path.parent());
        self.insert(path, What::Link([b"/", to.as_bytes()].concat()), None, None, false);
    }

    /// Removes an entry and everything below it.
    pub(crate) fn remove_all(&mut self, path: &str) {
        let path = remote(path);
        self.nodes.retain(|other, _| !other.starts_with(&path));
    }

    /// The content of a file.
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.nodes.get(&remote(path))?.content().map(|content| content.to_vec())
    }

    /// Returns the entry at a path without following links.
    pub(crate) fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&remote(path))
    }

    /// Sets the date and permission bits of an entry.
    pub(crate) fn set(&mut self, path: &str, mtime: Mtime, mode: u32) {
        if let Some(node) = self.nodes.get_mut(&remote(path)) {
            (node.mtime, node.mode) = (mtime, mode);
        }
    }

    /// Limits the total size of the files.
    pub(crate) fn limit(&mut self, bytes: Option<u64>) {
        self.limit = bytes;
    }

    /// The size of the part of an unfinished upload.
    pub(crate) fn part(&self, path: &str) -> Option<usize> {
        self.parts.get(&remote(path)).map(Vec::len)
    }

    /// All entries by path.
    pub(crate) fn nodes(&self) -> &BTreeMap<RemotePath, Node> {
        &self.nodes
    }

    /// Inserts an entry and creates its parent folders. The date is stored as the abilities of the site allow.
    pub(crate) fn place(&mut self, path: &RemotePath, what: What, mtime: Mtime, mode: u32) {
        self.make_folders(path.parent());
        self.insert(path.clone(), what, Some(mtime), Some(mode), false);
    }

    /// Removes the entry at a path.
    pub(crate) fn remove(&mut self, path: &RemotePath) {
        self.nodes.remove(path);
    }

    /// The targets of unfinished uploads that left a part.
    pub(crate) fn unfinished(&self) -> BTreeSet<RemotePath> {
        self.parts.keys().cloned().collect()
    }

    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let file = |(path, node): (&RemotePath, &Node)| Some((text(path), node.content()?.to_vec()));
        self.nodes.iter().filter_map(file).collect()
    }

    pub(super) fn folders(&self) -> BTreeSet<String> {
        self.nodes.iter().filter(|(_, node)| matches!(node.what, What::Folder)).map(|(path, _)| text(path)).collect()
    }

    pub(super) fn half_written(&self) -> Vec<String> {
        self.nodes.iter().filter(|(_, node)| node.half).map(|(path, _)| text(path)).collect()
    }
}

fn text(path: &RemotePath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

/// Path resolution for sessions.
impl Tree {
    pub(super) fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Returns the entry at a path without following links. A folder may exist only because it has content.
    pub(super) fn look(&self, path: &RemotePath) -> Option<Node> {
        let folder = || Node { what: What::Folder, mtime: Mtime(0, 0), mode: 0o755, version: 0, half: false };
        match self.nodes.get(path) {
            Some(node) => Some(node.clone()),
            None if path.is_home() => Some(folder()),
            None if self.has_below(path) => Some(folder()),
            None => None,
        }
    }

    fn has_below(&self, path: &RemotePath) -> bool {
        self.nodes.range(path.clone()..).any(|(other, _)| other != path && other.starts_with(path))
    }

    /// The entries of a folder by name.
    pub(super) fn children(&self, folder: &RemotePath) -> BTreeMap<Name, Node> {
        let depth = folder.depth();
        let below = self.nodes.keys().filter(|path| *path != folder && path.starts_with(folder));
        let names = below.filter_map(|path| Name::new(path.names().nth(depth)?).ok());
        let found = names.filter_map(|name| Some((name.clone(), self.look(&folder.join(&name).ok()?)?)));
        found.collect()
    }

    /// Returns the path of a location, with links resolved.
    pub(super) fn resolve(&self, at: &Location) -> Result<RemotePath, ClientError> {
        let root = match at.root().path() {
            SitePath::Remote(path) => path,
            SitePath::Local(_) => return Err(ClientError::obstructed(Obstacle::BadPath, "it is a local path")),
        };
        let whole = root
            .join_path(at.below())
            .map_err(|error| ClientError::obstructed(Obstacle::BadPath, error.to_string()))?;
        match at.reach() {
            Reach::Follow => self.follow(&whole),
            Reach::NoFollow => match (whole.parent(), whole.name()) {
                (Some(parent), Some(name)) => {
                    self.follow(&parent)?.join(&name).map_err(|_| told(Obstacle::BadPath, &whole))
                }
                _ => Ok(whole),
            },
            Reach::Contained => self.contained(root, at.below(), &whole),
        }
    }

    /// Resolves a target. Links are followed only down to the parent folder of the root.
    fn contained(&self, root: &RemotePath, below: &RemotePath, whole: &RemotePath) -> Result<RemotePath, ClientError> {
        let bad = |_| told(Obstacle::BadPath, whole);
        let mut path = match root.parent() {
            // A missing folder may be created later.
            Some(parent) => self.follow(&parent).unwrap_or(parent),
            None => RemotePath::home(),
        };
        let mut names = root.name().into_iter().collect::<Vec<_>>();
        for name in below.names() {
            names.push(Name::new(name).map_err(|_| told(Obstacle::BadPath, whole))?);
        }
        let count = names.len();
        for (index, name) in names.into_iter().enumerate() {
            path = path.join(&name).map_err(bad)?;
            let is_last = index + 1 == count;
            if !is_last && self.nodes.get(&path).is_some_and(|node| !matches!(node.what, What::Folder)) {
                return Err(told(Obstacle::NotFolder, &path));
            }
        }
        Ok(path)
    }

    pub(crate) fn follow(&self, path: &RemotePath) -> Result<RemotePath, ClientError> {
        let mut links = 0;
        let mut names: Vec<Vec<u8>> = path.names().rev().map(<[u8]>::to_vec).collect();
        let mut here = RemotePath::home();
        while let Some(name) = names.pop() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    here = here.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let bad = || told(Obstacle::BadPath, path);
            let next = here.join(&Name::new(&name[..]).map_err(|_| bad())?).map_err(|_| bad())?;
            match self.nodes.get(&next).map(|node| &node.what) {
                Some(What::Link(text)) => {
                    links += 1;
                    if links > LINKS {
                        return Err(told(Obstacle::Fault, path));
                    }
                    names.extend(text.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
                    if text.starts_with(b"/") {
                        here = RemotePath::home();
                    }
                }
                Some(What::File(_)) if !names.is_empty() => return Err(told(Obstacle::NotFolder, &next)),
                _ => here = next,
            }
        }
        Ok(here)
    }

    /// Returns the path and the file at a location.
    pub(super) fn file(&self, at: &Location) -> Result<(RemotePath, Node), ClientError> {
        let path = self.resolve(at)?;
        match self.look(&path) {
            None => Err(told(Obstacle::NotFound, &path)),
            Some(node) => match node.what {
                What::File(_) => Ok((path, node)),
                What::Folder => Err(told(Obstacle::IsFolder, &path)),
                What::Link(_) => Err(told(Obstacle::BadPath, &path)),
            },
        }
    }

    fn seen(&self, node: &Node) -> Seen {
        Seen { site: self.site, version: node.version }
    }

    pub(super) fn version(&self, node: &Node) -> Option<Version> {
        self.abilities.only_if_unchanged.then(|| Version::new(self.seen(node)))
    }

    /// Whether a file is in the state that was seen; always true if the site cannot compare.
    pub(super) fn is_seen(&self, node: &Node, seen: Option<&Version>) -> bool {
        !self.abilities.only_if_unchanged
            || seen.and_then(|seen| seen.get::<Seen>()).is_some_and(|seen| *seen == self.seen(node))
    }

    pub(super) fn found(&self, node: &Node) -> Found {
        let size = node.content().map_or(0, |content| content.len() as u64);
        let facts = FileFacts { size, mtime: node.mtime };
        Found { kind: node.kind(), facts, mode: self.mode(node), version: self.version(node) }
    }

    pub(super) fn opened(&self, node: &Node) -> Opened {
        let Found { facts, mode, version, .. } = self.found(node);
        Opened { size: Some(facts.size), mtime: facts.mtime, mode, version }
    }

    pub(super) fn entry(&self, name: Name, node: &Node) -> Entry {
        let Found { kind, facts, mode, .. } = self.found(node);
        Entry { name, kind, size: facts.size, mtime: facts.mtime, mode }
    }

    fn mode(&self, node: &Node) -> u32 {
        if self.abilities.mode_bits { node.mode } else { 0 }
    }
}

/// Changes for sessions.
impl Tree {
    pub(super) fn insert(&mut self, path: RemotePath, what: What, mtime: Option<Mtime>, mode: Option<u32>, half: bool) {
        self.changes += 1;
        let own = Mtime(FIRST_DATE + self.changes.cast_signed(), 7);
        let mtime = self.date(mtime.unwrap_or(own)).unwrap_or(own);
        let usual = if matches!(what, What::Folder) { 0o755 } else { 0o644 };
        let node = Node { what, mtime, mode: mode.unwrap_or(usual), version: self.changes, half };
        self.nodes.insert(path, node);
    }

    /// A date as the site stores it.
    fn date(&self, mtime: Mtime) -> Option<Mtime> {
        match self.abilities.mtime {
            Dates::Exact => Some(mtime),
            Dates::Seconds => Some(Mtime(mtime.0, 0)),
            Dates::None => None,
        }
    }

    pub(super) fn put_file(
        &mut self,
        path: &RemotePath,
        content: Vec<u8>,
        mtime: Option<Mtime>,
        mode: Option<u32>,
        half: bool,
    ) {
        self.insert(path.clone(), What::File(Arc::new(content)), mtime, mode, half);
    }

    pub(super) fn make_folders(&mut self, folder: Option<RemotePath>) {
        if self.abilities.folders == Folders::Implied {
            return;
        }
        let mut place = folder.filter(|folder| !folder.is_home());
        while let Some(folder) = place {
            if !self.nodes.contains_key(&folder) {
                self.insert(folder.clone(), What::Folder, None, None, false);
            }
            place = folder.parent().filter(|folder| !folder.is_home());
        }
    }

    /// Creates a folder, and its parents if `parents` is set; returns whether it existed before.
    pub(super) fn make_folder_at(&mut self, path: &RemotePath, parents: bool) -> Result<bool, ClientError> {
        self.check_name(path)?;
        match self.look(path) {
            Some(Node { what: What::Folder, .. }) => return Ok(true),
            Some(_) => return Err(told(Obstacle::NotFolder, path)),
            None => {}
        }
        if let Some(parent) = path.parent() {
            self.check_parent(&parent, parents)?;
        }
        self.make_folders(Some(path.clone()));
        Ok(false)
    }

    /// Checks that a folder can contain a new entry; creates it if `make` is set.
    pub(super) fn check_parent(&mut self, parent: &RemotePath, make: bool) -> Result<(), ClientError> {
        match self.look(parent).map(|node| node.what) {
            Some(What::Folder) => Ok(()),
            Some(_) => Err(told(Obstacle::NotFolder, parent)),
            None if self.abilities.folders == Folders::Implied => Ok(()),
            None if make => {
                if let Some(above) = parent.parent() {
                    self.check_parent(&above, make)?;
                }
                self.make_folders(Some(parent.clone()));
                Ok(())
            }
            None => Err(told(Obstacle::NotFound, parent)),
        }
    }

    pub(super) fn check_name(&self, path: &RemotePath) -> Result<(), ClientError> {
        let usable = self.abilities.names == Names::Bytes || std::str::from_utf8(path.as_bytes()).is_ok();
        if usable { Ok(()) } else { Err(told(Obstacle::BadPath, path)) }
    }

    /// Checks that a file of `size` bytes may be stored at `path` and replace an existing entry.
    pub(super) fn check_place(&self, path: &RemotePath, over: &Over, size: u64) -> Result<(), ClientError> {
        let there = self.look(path);
        match (&there, over) {
            (None, _) => {}
            (Some(_), Over::Nothing) | (Some(Node { what: What::Folder, .. }), Over::Anything) => {
                return Err(told(Obstacle::Exists, path));
            }
            (Some(_), Over::Anything) => {}
            (Some(node), Over::This(seen)) => {
                let replaceable = !matches!(node.what, What::Folder) && self.is_seen(node, seen.as_ref());
                if !replaceable {
                    return Err(told(Obstacle::Changed, path));
                }
            }
        }
        let old = there.and_then(|node| node.content().map(|content| content.len() as u64)).unwrap_or(0);
        let more = size.saturating_sub(old);
        if self.free().is_some_and(|free| free < more) { Err(told(Obstacle::DiskFull, path)) } else { Ok(()) }
    }

    /// The number of free bytes.
    pub(super) fn free(&self) -> Option<u64> {
        let used: u64 = self.nodes.values().filter_map(Node::content).map(|content| content.len() as u64).sum();
        self.limit.map(|limit| limit.saturating_sub(used))
    }

    pub(super) fn set_attributes(&mut self, path: &RemotePath, mtime: Option<Mtime>, mode: Option<u32>) {
        let mtime = mtime.and_then(|mtime| self.date(mtime));
        let mode = mode.filter(|_| self.abilities.mode_bits);
        if let Some(node) = self.nodes.get_mut(path) {
            self.changes += 1;
            node.version = self.changes;
            node.mtime = mtime.unwrap_or(node.mtime);
            node.mode = mode.unwrap_or(node.mode);
        }
    }

    pub(super) fn take(&mut self, path: &RemotePath) -> Option<Node> {
        self.nodes.remove(path)
    }
}
