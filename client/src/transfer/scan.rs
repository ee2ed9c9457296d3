//! Looks through a job's source while its first files already travel.

mod existing;
mod local;
mod pages;
mod remote;
mod seen;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use ferry_shared::{
    entry::Mtime,
    name::Name,
    path::RemotePath,
    refusal::{Code, Refusal},
};

use self::seen::Seen;
use super::{
    conflict::{ConflictRule, FileFacts},
    core::Shared,
    event::{Event, Failure, Outcome, Skip},
    flow::{self, Next},
    item::{Item, Sink, Step, Stream},
    job::{Selected, Work},
    link::{Link, NoLink},
    local::{name::text_of, system},
    path::{FolderPair, ItemPath},
    task::Task,
    tries::is_outage,
};
use crate::{error::ClientError, reconnect::Backoff};

/// Why a pipe or a device that is named as a file is not sent.
const SPECIAL: &str = "it is neither a file nor a folder; `ferry put -` sends what a pipe gives";

/// Looks through a job's source and puts its items into the queue.
pub(super) async fn run(core: Shared, task: Arc<Task>, work: Work) {
    let result = tokio::select! {
        biased;
        () = core.stop.cancelled() => Err(ClientError::Cancelled),
        () = task.stop.cancelled() => Err(ClientError::Cancelled),
        result = look(&core, &task, work) => result,
    };
    match result {
        Ok(()) => {
            let totals = task.tally.totals();
            let (files, folders, bytes) = (totals.files, totals.folders, totals.bytes);
            core.emit(Event::JobCounted { job: task.id, files, folders, bytes }).await;
        }
        Err(_) if task.stop.is_cancelled() || core.stop.is_cancelled() => {}
        Err(error) => {
            let full = error.is_no_room();
            task.fail(error);
            if full {
                core.queue.cancel(Selected::Job(task.id), true);
            }
        }
    }
    core.queue.scanned(task.id);
}

async fn look(core: &Shared, task: &Arc<Task>, work: Work) -> Result<(), ClientError> {
    match work {
        Work::Upload { from, to } => {
            let path = from.clone();
            let found = core.blocking(move || std::fs::metadata(path)).await.map_err(io::Error::other);
            let metadata = found.flatten().map_err(|error| ClientError::local(&from, error))?;
            let named = from.file_name().map(Path::new);
            if named.is_some_and(|name| !task.options.filter.means_named(name, metadata.is_dir())) {
                return filtered(core, task, upload_item(core, task, &from, &to)?).await;
            }
            if metadata.is_dir() {
                return local::folder(core, task, from, to).await;
            }
            if !metadata.is_file() {
                return Err(ClientError::local(&from, io::Error::new(io::ErrorKind::InvalidInput, SPECIAL)));
            }
            let mut item = upload_item(core, task, &from, &to)?;
            let mtime = metadata.modified().map_err(|error| ClientError::local(&from, error))?;
            item.facts = FileFacts { size: metadata.len(), mtime: Mtime::from(mtime) };
            item.mode = system::mode_of(&metadata);
            file(core, item).await;
            Ok(())
        }
        Work::UploadStream { from, to } => {
            let mut item = upload_item(core, task, "-".as_ref(), &to)?;
            item.facts.mtime = Mtime::from(SystemTime::now());
            item.stream = Some(Stream::Source(from));
            file(core, item).await;
            Ok(())
        }
        Work::Download { from, to } => remote::look(core, task, from, to).await,
        Work::DownloadStream { from, to } => {
            let name = from.name().ok_or_else(|| not_usable("a folder cannot be written out"))?;
            let pair = pair(None, from.parent().unwrap_or_default(), true);
            let mut item = new_item(core, task, path(&pair, "-".into(), &name)?);
            item.stream = Some(Stream::Sink(Sink { to, written: Vec::new() }));
            if task.options.dry_run {
                item.facts.size = remote::file_size(core, &from).await?;
            }
            task.tally.add_file(item.facts.size);
            enqueue(core, task, vec![Next::Again(item)]).await;
            Ok(())
        }
    }
}

/// What was named is left out by the filter.
async fn filtered(core: &Shared, task: &Arc<Task>, item: Item) -> Result<(), ClientError> {
    task.tally.add_file(0);
    enqueue(core, task, vec![Next::Done(item, Outcome::Skipped(Skip::Filtered))]).await;
    Ok(())
}

/// The one file of an upload, without what is known of it.
fn upload_item(core: &Shared, task: &Arc<Task>, from: &std::path::Path, to: &RemotePath) -> Result<Item, ClientError> {
    let name = to.name().ok_or_else(|| ClientError::from(Refusal::new(Code::IsDirectory, "the home is a folder")))?;
    let local_name: OsString = from.file_name().unwrap_or_default().into();
    let local = (!task.is_stream()).then(|| from.parent().map(PathBuf::from).unwrap_or_default());
    let pair = pair(local, to.parent().unwrap_or_default(), true);
    Ok(new_item(core, task, path(&pair, local_name, &name)?))
}

/// Queues the one file of an upload. Whether something is at its target shows when it is
/// tried: that costs nothing where nothing is.
async fn file(core: &Shared, mut item: Item) {
    let task = Arc::clone(&item.task);
    task.tally.add_file(item.facts.size);
    item.step = match task.options.conflict {
        _ if task.options.dry_run => Step::Look(None),
        ConflictRule::Replace => Step::Replace(None),
        _ => Step::Fresh,
    };
    enqueue(core, &task, vec![Next::Again(item)]).await;
}

fn pair(local: Option<PathBuf>, remote: RemotePath, named: bool) -> Arc<FolderPair> {
    let above = remote.depth();
    Arc::new(FolderPair { local, remote, above, named, follows: named })
}

fn path(pair: &Arc<FolderPair>, local_name: OsString, remote_name: &Name) -> Result<ItemPath, ClientError> {
    ItemPath::new(Arc::clone(pair), local_name, remote_name).map_err(|error| not_usable(&error.to_string()))
}

pub(super) fn new_item(core: &Shared, task: &Arc<Task>, path: ItemPath) -> Item {
    Item::new(core.queue.new_item_id(), Arc::clone(task), path)
}

fn not_usable(why: &str) -> ClientError {
    Refusal::new(Code::BadPath, why).into()
}

/// A path below a job's folder, whose own path has `depth` names, as filters see it.
fn below(path: &RemotePath, depth: usize) -> PathBuf {
    path.names().skip(depth).map(|name| text_of(name).unwrap_or_default()).collect()
}

fn failure(error: ClientError) -> Outcome {
    Outcome::Failed(Failure { retryable: true, error })
}

/// Puts what was found on its way; waits while too much is waiting.
async fn enqueue(core: &Shared, task: &Arc<Task>, found: Vec<Next>) {
    let mut items = Vec::with_capacity(found.len());
    for next in found {
        let next = match next {
            Next::Again(item) if matches!(item.step, Step::Fresh | Step::Replace(_)) => flow::start(item),
            next => next,
        };
        match next {
            Next::Again(item) => items.push(item),
            next => {
                core.queue.adopt(task.id);
                core.apply(next).await;
            }
        }
    }
    if !items.is_empty() {
        core.queue.push(task.id, items);
    }
    core.queue.room(task.id).await;
}

/// Waits after an exchange with the server broke that may be begun anew.
///
/// # Errors
/// What broke it, when it was no outage or one for too long.
async fn outlive(backoff: &mut Backoff, error: ClientError) -> Result<(), ClientError> {
    match backoff.next_delay(&error).filter(|_| is_outage(&error)) {
        Some(delay) => tokio::time::sleep(delay).await,
        None => return Err(error),
    }
    Ok(())
}

/// A connection for looking at the server's side.
async fn link(core: &Shared) -> Result<Link, ClientError> {
    match core.link_in_turn().await {
        Ok(link) => Ok(link),
        Err(NoLink::Failed(error)) => {
            core.fail_waiting(&error, Vec::new()).await;
            Err(error)
        }
        Err(NoLink::Stopped | NoLink::Enough) => Err(ClientError::Cancelled),
    }
}
