//! Looks through a local folder: a thread walks it while the server is asked what it has.

use std::{
    fs::{DirEntry, Metadata},
    path::PathBuf,
    sync::Arc,
};

use ferry_shared::{
    entry::{Kind, Mtime},
    path::RemotePath,
};
use tokio::sync::mpsc;

use super::{
    below, enqueue, failure, new_item,
    remote::{self, Prepared},
};
use crate::{
    error::ClientError,
    transfer::{
        conflict::FileFacts,
        core::Shared,
        event::{Outcome, Skip},
        flow::{self, Next},
        item::{Item, NO_MODE, Step},
        local::{name::remote_name, part::is_part_name, system},
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
    let root = FolderPair { local: Some(from), remote: to.clone(), above, named: false };
    let walk = Walk {
        core: Arc::clone(core),
        task: Arc::clone(task),
        root_depth: to.depth(),
        folders: vec![Arc::new(root)],
        batch: Vec::new(),
        out,
    };
    let walking = core.blocking(move || walk.run());
    let Prepared { there, existing } = remote::prepare(core, task, &to).await?;
    while let Some(batch) = found.recv().await {
        let planned = batch.into_iter().filter_map(|next| {
            let Next::Again(item) = next else { return Some(next) };
            let met = existing.as_ref().and_then(|map| map.get(item.path.remote().as_bytes()));
            if !matches!(item.step, Step::Folder) {
                return Some(match met {
                    Some(met) => flow::found(item, Some(*met), false),
                    None => Next::Again(item),
                });
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
            Some(Next::Again(Item { mode, ..item }))
        });
        enqueue(core, task, planned.collect()).await;
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
    folders: Vec<Arc<FolderPair>>,
    batch: Vec<Next>,
    out: mpsc::Sender<Vec<Next>>,
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

    fn folder(&mut self, folder: &Arc<FolderPair>) -> Result<(), Stop> {
        let Some(path) = &folder.local else { return Ok(()) };
        self.task.tally.add_folder();
        self.task.note_folder(SourceFolder::Local(path.clone()));
        let (mut files, folders) = (false, self.folders.len());
        let entries = std::fs::read_dir(path).and_then(|entries| {
            // Before what is in it, so that it has its permission bits also after a break.
            if let Some(item) = self.folder_item(folder).filter(|_| self.carries_modes()) {
                self.task.note_date(item.path.clone(), item.facts.mtime);
                if self.put(flow::start(item)).is_err() {
                    return Ok(Err(Stop));
                }
            }
            for entry in entries {
                match self.entry(folder, &entry?) {
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
    fn entry(&mut self, folder: &Arc<FolderPair>, entry: &DirEntry) -> Result<bool, Stop> {
        let local_name = entry.file_name();
        let path =
            remote_name(&local_name).ok().and_then(|name| ItemPath::new(Arc::clone(folder), local_name, &name).ok());
        let Some(path) = path else {
            let path = ItemPath::local_only(Arc::clone(folder), entry.file_name());
            return self.leave_out(path, Outcome::Skipped(Skip::UnusableName));
        };
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return self.leave_out(path, failure(ClientError::local(entry.path(), error))),
        };
        if !self.is_meant(&path, kind.is_dir()) {
            return Ok(false);
        }
        if kind.is_dir() {
            let (local, remote) = (Some(entry.path()), path.remote().clone());
            self.folders.push(Arc::new(FolderPair { local, remote, above: folder.above, named: false }));
            return Ok(false);
        }
        let skip = match () {
            () if kind.is_symlink() => Some(Skip::Symlink),
            () if !kind.is_file() => Some(Skip::Special),
            () if is_part_name(path.local_name().as_encoded_bytes()) => Some(Skip::Unfinished),
            () => None,
        };
        match (skip, entry.metadata()) {
            (Some(why), _) => self.leave_out(path, Outcome::Skipped(why)),
            (None, Err(error)) => self.leave_out(path, failure(ClientError::local(entry.path(), error))),
            (None, Ok(metadata)) => {
                let item = self.file_item(path, &metadata);
                self.put(flow::reserved(item, Next::Again)).map(|()| true)
            }
        }
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
        let pair = FolderPair { local: parent, remote, above: folder.above, named: false };
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
