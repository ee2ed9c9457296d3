//! Makes items of the pages in which a remote folder is told.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use ferry_shared::{
    entry::{Entry, Kind},
    limits::BLOCK_SIZE,
    message::reply::Page,
    path::{PathError, RemotePath},
    refusal::{Code, Refusal},
};

use super::{Seen, failure, new_item};
use crate::{
    error::ClientError,
    transfer::{
        conflict::{FileFacts, is_keep_both_name},
        core::{Core, Shared},
        event::{Outcome, Skip},
        fit::{Planned, admit_here, growth},
        flow::{self, Next},
        item::{Item, Step},
        local::{
            folder::Folder,
            name::{local_name, text_of},
            part::is_part_name,
        },
        path::{FolderPair, ItemPath},
        source,
        task::{SourceFolder, Task},
    },
};

/// Makes items of a remote folder's pages. Blocks on the disk.
pub(super) struct Pages {
    pub(super) core: Shared,
    pub(super) task: Arc<Task>,
    pub(super) from: RemotePath,
    pub(super) to: PathBuf,
}

impl Pages {
    pub(super) fn open_root(&self) -> Result<(), ClientError> {
        let failed = |error| ClientError::local(&self.to, error);
        match self.root() {
            Ok(root) => {
                self.task.made_folders.fetch_or(root.is_fresh(), Relaxed);
                // Set once: nobody else scans this job.
                drop(self.task.landing.set((Arc::new(root), self.from.depth())));
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.task.options.dry_run => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// The folder the source becomes. Its name comes from the server, so it is entered like
    /// any folder below: not through a symlink. A home becomes a folder the user named.
    fn root(&self) -> std::io::Result<Folder> {
        let (create, parents) = (!self.task.options.dry_run, self.task.options.parents);
        let Some(name) = self.to.file_name().filter(|_| !self.from.is_home()) else {
            if create {
                std::fs::create_dir_all(&self.to)?;
            }
            return Folder::open(&self.to);
        };
        let above = self.to.parent().unwrap_or(Path::new(""));
        if create && parents && !above.as_os_str().is_empty() {
            std::fs::create_dir_all(above)?;
        }
        let above = Folder::open(above)?;
        match above.enter(name, false)? {
            Some(folder) => Ok(folder),
            None if create => above.make(name, self.task.take_mode(&self.from)),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn plan(&self, page: Page, seen: &mut Seen) -> Result<Vec<Next>, ClientError> {
        let Ok(pair) = self.pair(&page.under) else { return Ok(Vec::new()) };
        if !seen.left_out.is_empty() && is_below(&page.under, &seen.left_out) {
            return Ok(Vec::new());
        }
        let create = !self.task.options.filter.includes() || self.receives(&pair, &page.entries);
        if create && self.task.options.filter.includes() {
            self.count_receiving(&page.under, &mut seen.receiving);
        }
        let here = self.here(&pair, &page.under, create);
        let unreadable = page.unreadable.iter().filter_map(|folder| self.unreadable(folder));
        let mut planned: Vec<Planned> = unreadable.map(|next| (next, 0)).collect();
        if let (Err(error), true) = (&here, page.entries.is_empty()) {
            let item = self.from.join_path(&page.under).ok().and_then(|folder| self.folder_item(&folder));
            planned.extend(item.map(|item| (Next::Done(item, failure(error.clone())), 0)));
        }
        let mut entries = page.entries;
        // They keep their own names, whatever is put beside the others.
        entries.sort_by_key(|entry| !is_keep_both_name(&entry.name));
        for entry in entries {
            match entry.kind {
                Kind::Folder => {
                    let next = self.subfolder(&pair, &page.under, &entry, &mut seen.left_out);
                    planned.extend(next.map(|next| (next, 0)));
                }
                Kind::Symlink if self.task.options.follows_links() && self.takes(&pair, &entry) => {
                    seen.links.push((page.under.clone(), entry));
                }
                _ => planned.extend(self.file(&pair, &here, &entry)),
            }
        }
        self.fitting(here, planned)
    }

    /// The part of `planned` that is begun: all of it where it fits on the disk of the folder `here`.
    fn fitting(
        &self,
        here: Result<Option<Arc<Folder>>, ClientError>,
        planned: Vec<Planned>,
    ) -> Result<Vec<Next>, ClientError> {
        match here {
            Ok(Some(folder)) => fits_here(&self.core, &self.task, &folder, &self.to, planned),
            _ => Ok(planned.into_iter().map(|(next, _)| next).collect()),
        }
    }

    fn pair(&self, under: &RemotePath) -> Result<Arc<FolderPair>, PathError> {
        let (local, remote) = (Some(self.local(under)), self.from.join_path(under)?);
        let above = self.from.depth().saturating_sub(1);
        Ok(Arc::new(FolderPair { local, remote, above, named: false, follows: false }))
    }

    /// The folder here that is `under` the destination, made with those above it if it is to be.
    fn here(
        &self,
        pair: &Arc<FolderPair>,
        under: &RemotePath,
        create: bool,
    ) -> Result<Option<Arc<Folder>>, ClientError> {
        if create && self.task.landing.get().is_none() {
            self.open_root()?;
        }
        let here = source::find_folder(&self.task, pair, create && !self.task.options.dry_run);
        here.map_err(|error| ClientError::local(self.local(under), error))
    }

    /// Something comes into the folder `under`: it is made, and so are those above it.
    fn count_receiving(&self, under: &RemotePath, receiving: &mut HashSet<RemotePath>) {
        let mut place = Some(under.clone());
        while let Some(folder) = place.filter(|folder| receiving.insert(folder.clone())) {
            self.task.tally.add_folder();
            self.task.tally.folder_done();
            place = folder.parent();
        }
    }

    /// Whether the filter takes what `entry` is in a folder.
    fn takes(&self, pair: &Arc<FolderPair>, entry: &Entry) -> bool {
        let filter = &self.task.options.filter;
        filter.is_open() || pair.remote.join(&entry.name).is_ok_and(|path| filter.takes_file(&self.below(&path)))
    }

    /// Whether any of a folder's `entries` comes here.
    fn receives(&self, pair: &Arc<FolderPair>, entries: &[Entry]) -> bool {
        entries.iter().any(|entry| entry.kind == Kind::File && self.takes(pair, entry))
    }

    /// A link in the folder `under`, and what it leads to.
    pub(super) fn linked(
        &self,
        under: &RemotePath,
        entry: &Entry,
        target: Result<Option<Entry>, Refusal>,
    ) -> Result<Vec<Next>, ClientError> {
        let Ok(pair) = self.pair(under) else { return Ok(Vec::new()) };
        let left_out = match target {
            Ok(Some(target)) => {
                let here = self.here(&pair, under, true);
                let planned: Vec<Planned> = self.file(&pair, &here, &target).into_iter().collect();
                return self.fitting(here, planned);
            }
            Ok(None) => self.leave_out(&pair, entry, Skip::LinkToFolder),
            Err(refusal) => self.leave_out(&pair, entry, Skip::Symlink).map(|next| match next {
                Next::Done(item, _) => Next::Done(item, failure(refusal.into())),
                next => next,
            }),
        };
        Ok(left_out.into_iter().collect())
    }

    /// A folder's own page makes it; here it is only seen whether it can be.
    fn subfolder(
        &self,
        pair: &Arc<FolderPair>,
        under: &RemotePath,
        entry: &Entry,
        left_out: &mut HashSet<RemotePath>,
    ) -> Option<Next> {
        let (below, path) = (under.join(&entry.name).ok()?, pair.remote.join(&entry.name).ok()?);
        if !self.task.options.filter.is_open() && !self.task.options.filter.enters(&self.below(&path)) {
            left_out.insert(below);
            return None;
        }
        let Ok(name) = local_name(&entry.name) else {
            left_out.insert(below);
            return self.leave_out(pair, entry, Skip::UnusableName);
        };
        if !self.task.options.filter.includes() {
            self.task.tally.add_folder();
            self.task.tally.folder_done();
        }
        self.task.note_mode(path.clone(), entry.mode);
        self.task.note_date(ItemPath::new(Arc::clone(pair), name, &entry.name).ok()?, entry.mtime);
        self.task.note_folder(SourceFolder::Remote(path));
        None
    }

    fn file(
        &self,
        pair: &Arc<FolderPair>,
        here: &Result<Option<Arc<Folder>>, ClientError>,
        entry: &Entry,
    ) -> Option<Planned> {
        if !self.takes(pair, entry) {
            return None;
        }
        match entry.kind {
            Kind::File => {}
            Kind::Symlink => {
                return self.leave_out(pair, entry, self.task.options.skips_link()).map(|next| (next, 0));
            }
            Kind::Folder | Kind::Other => return self.leave_out(pair, entry, Skip::Special).map(|next| (next, 0)),
        }
        if is_part_name(entry.name.as_bytes()) {
            return self.leave_out(pair, entry, Skip::Unfinished).map(|next| (next, 0));
        }
        let Ok(name) = local_name(&entry.name) else {
            return self.leave_out(pair, entry, Skip::UnusableName).map(|next| (next, 0));
        };
        let found = match here {
            Ok(Some(folder)) if !folder.is_fresh() => folder.look(&name),
            Ok(_) => Ok(None),
            Err(error) => Err(std::io::Error::other(error.to_string())),
        };
        let path = ItemPath::new(Arc::clone(pair), name, &entry.name).ok()?;
        self.task.tally.add_file(entry.size);
        let item = Item { facts: facts(entry), mode: entry.mode, ..new_item(&self.core, &self.task, path) };
        let met = found.as_ref().ok().copied().flatten();
        let next = match (found, here) {
            (Ok(found), _) => flow::reserved(item, |item| flow::found(item, found, false)),
            (Err(_), Err(error)) => Next::Done(item, failure(error.clone())),
            (Err(error), Ok(_)) => {
                let error = source::failed(&item.path, error);
                Next::Done(item, failure(error))
            }
        };
        let more = growth(&next, met.as_ref());
        Some((next, more))
    }

    fn leave_out(&self, pair: &Arc<FolderPair>, entry: &Entry, why: Skip) -> Option<Next> {
        let shown = text_of(entry.name.as_bytes()).unwrap_or_default();
        let path = ItemPath::new(Arc::clone(pair), shown, &entry.name).ok()?;
        self.task.tally.add_file(0);
        Some(Next::Done(new_item(&self.core, &self.task, path), Outcome::Skipped(why)))
    }

    /// A folder the server itself could not read.
    fn unreadable(&self, folder: &RemotePath) -> Option<Next> {
        let item = self.folder_item(&self.from.join_path(folder).ok()?)?;
        let refusal = Refusal::new(Code::Internal, "the server cannot read this folder");
        Some(Next::Done(item, failure(refusal.into())))
    }

    fn folder_item(&self, folder: &RemotePath) -> Option<Item> {
        let (parent, name) = (folder.parent()?, folder.name()?);
        let above = self.from.depth().saturating_sub(1);
        let below: RemotePath = tail(&parent, self.from.depth());
        let pair = FolderPair { local: Some(self.local(&below)), remote: parent, above, named: false, follows: false };
        let path = ItemPath::new(Arc::new(pair), text_of(name.as_bytes()).ok()?, &name).ok()?;
        Some(Item { step: Step::Folder, ..new_item(&self.core, &self.task, path) })
    }

    /// Where a folder below the job's lands.
    fn local(&self, under: &RemotePath) -> PathBuf {
        self.to.join(super::below(under, 0))
    }

    fn below(&self, path: &RemotePath) -> PathBuf {
        super::below(path, self.from.depth())
    }
}

/// Lets in what fits on the disk that `folder` is on. Blocks on it.
pub(super) fn fits_here(
    core: &Core,
    task: &Task,
    folder: &Folder,
    to: &Path,
    planned: Vec<Planned>,
) -> Result<Vec<Next>, ClientError> {
    let Some(free) = folder.free() else { return Ok(planned.into_iter().map(|(next, _)| next).collect()) };
    admit_here(task, &core.places.disk(folder.device()), free, to, planned, |item| {
        if item.facts.size > BLOCK_SIZE { source::part_length(item) } else { 0 }
    })
}

pub(super) fn facts(entry: &Entry) -> FileFacts {
    FileFacts { size: entry.size, mtime: entry.mtime }
}

/// `path` without its first `depth` names.
fn tail(path: &RemotePath, depth: usize) -> RemotePath {
    let names: Vec<&[u8]> = path.names().skip(depth).collect();
    RemotePath::from_wire(&names.join(&b'/')).unwrap_or_default()
}

fn is_below(path: &RemotePath, folders: &HashSet<RemotePath>) -> bool {
    let mut place = Some(path.clone());
    while let Some(folder) = place {
        if folders.contains(&folder) {
            return true;
        }
        place = folder.parent();
    }
    false
}
