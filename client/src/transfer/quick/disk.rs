//! The thread that puts small downloads on disk: writes many, flushes them together,
//! renames them, and tells of each only when a flush covers its name too.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use ferry_shared::{blocks, digest::Digest, entry::Mtime, frame::Payload};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    error::ClientError,
    reconnect::Patience,
    transfer::{
        core::Shared,
        flow::{self, Next},
        item::{Done, Item},
        local::{
            flush,
            folder::Folder,
            part::{Earlier, Part},
        },
        path::FolderPair,
        source::{self, Published},
    },
};

/// Files flushed together; each holds a file handle until then.
const GROUP: usize = 64;
/// Up to so many files, flushing each is cheaper than flushing the file system.
const FEW: usize = 4;
/// Files handed over together.
const BATCH: usize = 64;
/// Bytes handed over together.
const BATCH_BYTES: u64 = 1 << 20;
/// Batches between the connection and the thread.
const BATCHES_AHEAD: usize = 2;
/// Folders kept open.
const OPEN_FOLDERS: usize = 8;

/// A small file that came whole.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) item: Item,
    pub(super) size: u64,
    pub(super) mtime: Mtime,
    pub(super) mode: u32,
    /// Its bytes; absent for an empty file, empty for zeros.
    pub(super) bytes: Option<Payload>,
    pub(super) root: Digest,
}

/// The way to the thread, which is started when the first file comes.
#[derive(Debug)]
pub(super) struct Disk {
    core: Shared,
    batch: Vec<Arrival>,
    bytes: u64,
    thread: Option<(mpsc::Sender<Vec<Arrival>>, JoinHandle<()>)>,
}

impl Disk {
    pub(super) fn new(core: &Shared) -> Self {
        Self { core: Arc::clone(core), batch: Vec::new(), bytes: 0, thread: None }
    }

    pub(super) async fn put(&mut self, arrival: Arrival) -> Result<(), ClientError> {
        self.bytes = self.bytes.saturating_add(arrival.size);
        self.batch.push(arrival);
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES { self.hand_over().await } else { Ok(()) }
    }

    /// Lets the thread begin with what came so far.
    pub(super) async fn hand_over(&mut self) -> Result<(), ClientError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let (sender, _) = self.thread.get_or_insert_with(|| {
            let (sender, inbox) = mpsc::channel(BATCHES_AHEAD);
            let writer = Writer::new(&self.core);
            (sender, self.core.blocking(move || writer.run(inbox)))
        });
        sender.send(batch).await.map_err(|_| ended())
    }

    /// Hands over the rest and waits until all is durable.
    pub(super) async fn finish(mut self) -> Result<(), ClientError> {
        self.hand_over().await?;
        match self.thread.take() {
            Some((sender, thread)) => {
                drop(sender);
                thread.await.map_err(|_| ended())
            }
            None => Ok(()),
        }
    }
}

fn ended() -> ClientError {
    ClientError::local("", io::Error::other("the thread that writes downloads has ended"))
}

struct Writer {
    core: Shared,
    folders: Vec<(Arc<FolderPair>, Arc<Folder>)>,
    /// Written, not flushed.
    written: Vec<Placed>,
    /// Flushed and named; the names are not flushed.
    named: Vec<Placed>,
}

#[derive(Debug)]
struct Placed {
    item: Item,
    part: Part,
    done: Done,
}

impl Writer {
    fn new(core: &Shared) -> Self {
        Self { core: Arc::clone(core), folders: Vec::new(), written: Vec::new(), named: Vec::new() }
    }

    fn run(mut self, mut inbox: mpsc::Receiver<Vec<Arrival>>) {
        loop {
            let batch = match inbox.try_recv() {
                Ok(batch) => Some(batch),
                Err(_) => {
                    self.flush();
                    self.flush();
                    inbox.blocking_recv()
                }
            };
            let Some(batch) = batch else { return };
            for arrival in batch {
                self.place(arrival);
                if self.written.len() >= GROUP {
                    self.flush();
                }
            }
        }
    }

    fn place(&mut self, arrival: Arrival) {
        match self.write(&arrival) {
            Ok((part, done)) => self.written.push(Placed { item: arrival.item, part, done }),
            Err(error) => self.next(flow::failed(arrival.item, error, self.core.patience)),
        }
    }

    fn write(&mut self, arrival: &Arrival) -> Result<(Part, Done), ClientError> {
        let Arrival { item, size, mtime, mode, bytes, root } = arrival;
        let length = usize::try_from(*size).unwrap_or(usize::MAX);
        let data = match bytes {
            Some(bytes) if bytes.is_empty() => blocks::zeros(length),
            Some(bytes) => &**bytes,
            None => &[],
        };
        let found = Digest::of(data);
        if data.len() != length || found != *root {
            return Err(ClientError::Mismatch { expected: *root, found });
        }
        let keep = item.task.options.keep_attributes;
        let part = self.folder(item).and_then(|folder| {
            let part = Part::open(&folder, item.path.local_name(), Earlier::Empty, keep)?;
            let written = blocks::write_all_at(&part.file, data, 0).and_then(|()| match keep {
                true => part.set_attributes(*mtime, item.task.options.mode_for(*mode)),
                false => Ok(()),
            });
            match written {
                Ok(()) => Ok(part),
                Err(error) => {
                    // Of no use to a later attempt, which begins anew; the first error is the one to tell.
                    let _ = part.discard();
                    Err(error)
                }
            }
        });
        if let (Some(growth), Ok(_)) = (&item.growth, &part) {
            growth.arrived(*size);
        }
        let part = part.map_err(|error| source::failed(&item.path, error))?;
        Ok((part, Done { root: *root, size: *size, transferred: *size, reused: 0, grown: None }))
    }

    fn folder(&mut self, item: &Item) -> io::Result<Arc<Folder>> {
        let pair = item.path.folder();
        if let Some((_, folder)) = self.folders.iter().find(|(other, _)| Arc::ptr_eq(other, pair)) {
            return Ok(Arc::clone(folder));
        }
        let folder = source::folder(&item.task, pair)?;
        if self.folders.len() >= OPEN_FOLDERS {
            self.folders.remove(0);
        }
        self.folders.push((Arc::clone(pair), Arc::clone(&folder)));
        Ok(folder)
    }

    /// One flush covers the names given since the last one and the files written since:
    /// then the former are done and the latter get their names.
    fn flush(&mut self) {
        if self.written.is_empty() && self.named.is_empty() {
            return;
        }
        if let Err(error) = make_durable(&self.written, &self.named) {
            let error = Arc::new(error);
            for placed in self.written.drain(..).chain(self.named.drain(..)).collect::<Vec<_>>() {
                let path = placed.item.path.local().unwrap_or_default();
                let error = ClientError::Local { path, error: Arc::clone(&error) };
                self.next(flow::failed(placed.item, error, self.core.patience));
            }
            return;
        }
        for placed in std::mem::take(&mut self.named) {
            self.next(flow::arrived(placed.item, placed.done));
        }
        for placed in std::mem::take(&mut self.written) {
            self.publish(placed);
        }
    }

    fn publish(&mut self, placed: Placed) {
        if placed.item.task.is_cancelled() {
            let Placed { item, part, .. } = placed;
            return match part.discard().map_err(|error| source::failed(&item.path, error)) {
                Ok(()) => self.next(Next::Again(item)),
                Err(error) => self.next(flow::failed(item, error, Patience::NONE)),
            };
        }
        let name = placed.item.path.local_name();
        match source::publish(&placed.part, name, placed.item.over()) {
            Ok(Published::Named) => self.named.push(placed),
            Ok(Published::InTheWay(found)) => {
                let Placed { item, part, .. } = placed;
                let next = match part.discard().map_err(|error| source::failed(&item.path, error)) {
                    Ok(()) => flow::in_the_way(item, found),
                    Err(error) => flow::failed(item, error, self.core.patience),
                };
                self.next(next);
            }
            Err(error) => {
                let error = source::failed(&placed.item.path, error);
                self.next(flow::failed(placed.item, error, self.core.patience));
            }
        }
    }

    fn next(&self, next: Next) {
        self.core.wait(self.core.apply(next));
    }
}

/// Flushes the files of `written` and the names of `named`.
fn make_durable(written: &[Placed], named: &[Placed]) -> io::Result<()> {
    let mut folders: BTreeMap<*const Folder, &Placed> =
        named.iter().map(|placed| (Arc::as_ptr(placed.part.folder()), placed)).collect();
    let mut left_files: Vec<&Placed> = written.iter().collect();
    let made_folders = named.iter().any(|placed| placed.item.task.made_folders.load(Relaxed));
    if made_folders || written.len() + folders.len() > FEW {
        // Every file system that is touched, through any file on it.
        let touched = written.iter().chain(named).map(|placed| (placed.part.folder().device(), placed));
        for (device, placed) in touched.collect::<BTreeMap<_, _>>() {
            if flush::file_system(&placed.part.file)? {
                left_files.retain(|placed| placed.part.folder().device() != device);
                folders.retain(|_, placed| placed.part.folder().device() != device);
            }
        }
    }
    left_files.iter().try_for_each(|placed| flush::file(&placed.part.file))?;
    folders
        .values()
        .try_for_each(|placed| source::sync_names(&placed.item.task, placed.item.path.folder(), &placed.part))
}
