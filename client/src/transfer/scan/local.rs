//! Looks through a local folder: a thread walks it while the server is asked what it has.

use std::{
    collections::HashSet,
    fs::{DirEntry, FileType, Metadata},
    path::PathBuf,
    sync::Arc,
};

use ferry_shared::{
    entry::{Kind, Mtime},
    path::RemotePath,
};
use tokio::sync::mpsc;

use super::{
    below, enqueue,
    existing::{self, Prepared},
    failure, link, new_item,
};
use crate::{
    error::ClientError,
    transfer::{
        conflict::FileFacts,
        core::Shared,
        event::{Outcome, Skip},
        fit::{admit_there, growth},
        flow::{self, Next},
        item::{Item, NO_MODE, Step},
        local::{ancestors::Ancestors, name::remote_name, part::is_part_name, system},
        path::{FolderPair, ItemPath},
        task::{SourceFolder, Task},
    },
};

/// Items handed over together.
const BATCH: usize = 256;
/// Batches that wait for the server's side to be known.
const BATCHES_AHEAD: usize = 64;

/// Queues everything in the folder `from`, which becomes the remote folder `to`.
pub(super) async fn folder(core: &Shared, task: &Arc<Task>, from: PathBuf, to: RemotePath) -> Result<(), ClientError> {
    let (out, mut found) = mpsc::channel(BATCHES_AHEAD);
    let above = to.depth().saturating_sub(1);
    let follows = task.options.follows_links();
    let root = Open {
        // Where links are not followed no folder can be met again.
        ancestors: if follows { Ancestors::default().enter(&from).ok().flatten() } else { None },
        pair: Arc::new(FolderPair { local: Some(from), remote: to.clone(), above, named: false, follows }),
    };
    let walk = Walk {
        core: Arc::clone(core),
        task: Arc::clone(task),
        root_depth: to.depth(),
        folders: vec![root],
        announced: HashSet::new(),
        batch: Vec::new(),
        out,
    };
    let walking = core.blocking(move || walk.run());
    // Of a filter that includes, folders are made for what comes into them, this one too.
    let mut prepared = match task.options.filter.includes() {
        true => None,
        false => Some(existing::prepare(core, task, &to).await?),
    };
    while let Some(batch) = found.recv().await {
        if prepared.is_none() && batch.iter().any(|next| matches!(next, Next::Again(_))) {
            prepared = Some(existing::prepare(core, task, &to).await?);
        }
        let (there, existing) = match &prepared {
            Some(Prepared { there, existing }) => (*there, existing.as_ref()),
            None => (false, None),
        };
        let knows_all = !there || existing.is_some();
        let planned = batch.into_iter().filter_map(|next| {
            let Next::Again(item) = next else { return Some((next, 0)) };
            let met = existing.and_then(|map| map.get(item.path.remote().as_bytes()));
            if !matches!(item.step, Step::Folder) {
                let next = match met {
                    Some(met) => flow::found(item, Some(*met), false),
                    None => Next::Again(item),
                };
                let more = if knows_all { growth(&next, met) } else { 0 };
                return Some((next, more));
            }
            if let Some(met) = met {
                task.has_date(item.path.remote(), met.facts.mtime);
            }
            if met.is_some_and(|met| met.kind == Kind::Folder) || (there && item.path.remote() == &to) {
                // It keeps the permission bits it has.
                task.tally.folder_done();
                return None;
            }
            // Where too much is there to know it all, it may have been there, too.
            let mode = if there && existing.is_none() { NO_MODE } else { item.mode };
            Some((Next::Again(Item { mode, ..item }), 0))
        });
        let planned = admit_there(core, task, planned.collect(), link(core)).await?;
        enqueue(core, task, planned).await;
    }
    // Its panics are told by the runtime; what it found is queued.
    drop(walking.await);
    Ok(())
}

struct Walk {
    core: Shared,
    task: Arc<Task>,
    /// How many names lead to the job's folder on the server.
    root_depth: usize,
    /// Folders still to be looked into, the next one last.
    folders: Vec<Open>,
    /// Folders that are made because something comes into them, where only those are.
    announced: HashSet<RemotePath>,
    batch: Vec<Next>,
    out: mpsc::Sender<Vec<Next>>,
}

/// A folder to be looked into.
#[derive(Clone)]
struct Open {
    pair: Arc<FolderPair>,
    /// The folders on the way to it, where links are followed.
    ancestors: Option<Ancestors>,
}

/// Nobody wants to know more.
struct Stop;

impl Walk {
    fn run(mut self) {
        while let Some(folder) = self.folders.pop() {
            let begun = self.folders.len();
            if self.folder(&folder).is_err() {
                return;
            }
            // In the folder's own order.
            self.folders[begun..].reverse();
        }
        // Whether anybody still wants to know makes no difference at the end.
        drop(self.hand_over());
    }

    fn folder(&mut self, open: &Open) -> Result<(), Stop> {
        let folder = &open.pair;
        let Some(path) = &folder.local else { return Ok(()) };
        let lazy = self.task.options.filter.includes();
        if !lazy {
            self.task.tally.add_folder();
        }
        self.task.note_folder(SourceFolder::Local(path.clone()));
        let (mut files, folders) = (false, self.folders.len());
        let entries = std::fs::read_dir(path).and_then(|entries| {
            // Before what is in it, so that it has its permission bits also after a break.
            if let Some(item) = self.folder_item(folder).filter(|_| self.carries_modes()) {
                self.task.note_date(item.path.clone(), item.facts.mtime);
                if !lazy && self.put(flow::start(item)).is_err() {
                    return Ok(Err(Stop));
                }
            }
            for entry in entries {
                match self.entry(open, &entry?) {
                    Ok(file) => files |= file,
                    Err(Stop) => return Ok(Err(Stop)),
                }
            }
            Ok(Ok(()))
        });
        match entries {
            Ok(walked) => walked?,
            Err(error) => {
                let error = failure(ClientError::local(path, error));
                return self.folder_item(folder).map_or(Ok(()), |item| self.put(Next::Done(item, error)));
            }
        }
        if lazy {
            return Ok(());
        }
        let is_empty = !files && self.folders.len() == folders;
        match self.folder_item(folder) {
            Some(_) if self.carries_modes() => Ok(()),
            Some(item) if is_empty => self.put(flow::start(item)),
            // What is in it makes it.
            _ => {
                self.task.tally.folder_done();
                Ok(())
            }
        }
    }

    /// One entry; whether it is a file to be sent.
    fn entry(&mut self, open: &Open, entry: &DirEntry) -> Result<bool, Stop> {
        let folder = &open.pair;
        let local_name = entry.file_name();
        let path =
            remote_name(&local_name).ok().and_then(|name| ItemPath::new(Arc::clone(folder), local_name, &name).ok());
        let Some(path) = path else {
            let path = ItemPath::local_only(Arc::clone(folder), entry.file_name());
            return self.leave_out(path, Outcome::Skipped(Skip::UnusableName));
        };
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_symlink() && folder.follows => {
                std::fs::metadata(entry.path()).map(|target| target.file_type())
            }
            kind => kind,
        };
        let kind = match kind {
            Ok(kind) => kind,
            Err(_) if !self.is_meant(&path, false) => return Ok(false),
            Err(error) => return self.leave_out(path, failure(ClientError::local(entry.path(), error))),
        };
        if !self.is_meant(&path, kind.is_dir()) {
            return Ok(false);
        }
        if kind.is_dir() {
            return self.subfolder(open, path, entry).map(|()| false);
        }
        self.file(path, kind, entry)
    }

    fn subfolder(&mut self, open: &Open, path: ItemPath, entry: &DirEntry) -> Result<(), Stop> {
        let folder = &open.pair;
        let ancestors = match &open.ancestors {
            None => None,
            Some(above) => match above.enter(&entry.path()) {
                Ok(Some(below)) => Some(below),
                Ok(None) => return self.leave_out(path, Outcome::Skipped(Skip::LinkLoop)).map(drop),
                Err(error) => {
                    return self.leave_out(path, failure(ClientError::local(entry.path(), error))).map(drop);
                }
            },
        };
        let (local, remote) = (Some(entry.path()), path.remote().clone());
        let pair = FolderPair { local, remote, above: folder.above, named: false, follows: folder.follows };
        self.folders.push(Open { pair: Arc::new(pair), ancestors });
        Ok(())
    }

    /// What is no folder; whether it is a file to be sent.
    fn file(&mut self, path: ItemPath, kind: FileType, entry: &DirEntry) -> Result<bool, Stop> {
        let skip = match () {
            () if kind.is_symlink() => Some(self.task.options.skips_link()),
            () if !kind.is_file() => Some(Skip::Special),
            () if is_part_name(path.local_name().as_encoded_bytes()) => Some(Skip::Unfinished),
            () => None,
        };
        // The entry's own would be that of the link.
        let metadata = if path.folder().follows { std::fs::metadata(entry.path()) } else { entry.metadata() };
        match (skip, metadata) {
            (Some(why), _) => self.leave_out(path, Outcome::Skipped(why)),
            (None, Err(error)) => self.leave_out(path, failure(ClientError::local(entry.path(), error))),
            (None, Ok(metadata)) => {
                self.announce(&Arc::clone(path.folder()))?;
                let item = self.file_item(path, &metadata);
                self.put(flow::reserved(item, Next::Again)).map(|()| true)
            }
        }
    }

    /// Something comes into `folder`: where only such folders are made, it is one, and so are those above it.
    fn announce(&mut self, folder: &Arc<FolderPair>) -> Result<(), Stop> {
        let mut new = Vec::new();
        let mut place = Some((folder.local.clone(), folder.remote.clone()));
        while self.task.options.filter.includes()
            && let Some((local, remote)) = place.take()
            && remote.depth() >= self.root_depth
            && self.announced.insert(remote.clone())
        {
            place =
                local.as_deref().and_then(std::path::Path::parent).map(PathBuf::from).map(Some).zip(remote.parent());
            new.push(FolderPair { local, remote, above: folder.above, named: false, follows: folder.follows });
        }
        for pair in new.into_iter().rev() {
            self.task.tally.add_folder();
            match self.folder_item(&pair).filter(|_| self.carries_modes()) {
                Some(item) => self.put(flow::start(item))?,
                // What comes into it makes it.
                None => self.task.tally.folder_done(),
            }
        }
        Ok(())
    }

    fn is_meant(&self, path: &ItemPath, folder: bool) -> bool {
        let filter = &self.task.options.filter;
        filter.is_open() || {
            let below = below(path.remote(), self.root_depth);
            if folder { filter.enters(&below) } else { filter.takes_file(&below) }
        }
    }

    fn file_item(&self, path: ItemPath, metadata: &Metadata) -> Item {
        let mtime = metadata.modified().map_or(Mtime(0, 0), Mtime::from);
        let facts = FileFacts { size: metadata.len(), mtime };
        self.task.tally.add_file(facts.size);
        Item { facts, mode: system::mode_of(metadata), ..new_item(&self.core, &self.task, path) }
    }

    fn carries_modes(&self) -> bool {
        self.task.options.keep_attributes && !self.task.options.dry_run
    }

    /// A folder as an item; `None` for the home, which is there.
    fn folder_item(&self, folder: &FolderPair) -> Option<Item> {
        let local = folder.local.as_deref()?;
        let (remote, name) = (folder.remote.parent()?, folder.remote.name()?);
        let parent = local.parent().map(PathBuf::from);
        let pair = FolderPair { local: parent, remote, above: folder.above, named: false, follows: false };
        let path = ItemPath::new(Arc::new(pair), local.file_name().unwrap_or_default().into(), &name).ok()?;
        let metadata = std::fs::metadata(local).ok();
        let mode = metadata.as_ref().map_or(NO_MODE, |metadata| system::mode_of(metadata) | 0o700);
        let mtime = metadata.and_then(|metadata| metadata.modified().ok()).map_or(Mtime(0, 0), Mtime::from);
        let facts = FileFacts { size: 0, mtime };
        Some(Item { step: Step::Folder, mode, facts, ..new_item(&self.core, &self.task, path) })
    }

    fn leave_out(&mut self, path: ItemPath, outcome: Outcome) -> Result<bool, Stop> {
        self.task.tally.add_file(0);
        let item = new_item(&self.core, &self.task, path);
        self.put(Next::Done(item, outcome)).map(|()| false)
    }

    fn put(&mut self, next: Next) -> Result<(), Stop> {
        self.batch.push(next);
        if self.batch.len() >= BATCH { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), Stop> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        let stopped = self.core.stop.is_cancelled() || self.task.stop.is_cancelled();
        if stopped { Err(Stop) } else { self.out.blocking_send(batch).map_err(|_| Stop) }
    }
}
