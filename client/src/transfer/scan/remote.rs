//! Looks at what is on the server to be downloaded.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ferry_shared::{
    entry::{Entry, Kind},
    frame,
    link::LinkError,
    message::{Reply, Request, request::BlockRange},
    path::RemotePath,
    refusal::{Code, Refusal},
};

use super::{
    Seen, enqueue, link, new_item, not_usable, outlive,
    pages::{Pages, facts, fits_here},
    pair, path,
};
use crate::{
    error::ClientError,
    reconnect::Backoff,
    transfer::{
        core::{Core, Shared, joined},
        fit::growth,
        flow,
        item::Item,
        link::{Incoming, Link, out_of_step},
        local::folder::Folder,
        path::{FolderPair, ItemPath},
        source,
        task::{SourceFolder, Task},
    },
};

/// Looks through a download's source: a file or a folder.
pub(super) async fn look(core: &Shared, task: &Arc<Task>, from: RemotePath, to: PathBuf) -> Result<(), ClientError> {
    if from.is_home() {
        return folder(core, task, from, to).await;
    }
    let named = super::below(&from, from.depth().saturating_sub(1));
    let leaves_out = |folder| !task.options.filter.means_named(&named, folder);
    let mut backoff = Backoff::new(core.patience);
    let (reply, mut link) = loop {
        let mut link = link(core).await?;
        match ask(core, &mut link, &Request::Stat { path: from.clone() }).await {
            Err(error) => outlive(&mut backoff, error).await?,
            Ok(reply) => break (reply, link),
        }
    };
    match reply {
        Reply::Entry { entry, .. } => match entry.kind {
            kind @ (Kind::Folder | Kind::File) if leaves_out(kind == Kind::Folder) => {
                core.links.put(link);
                left_out(core, task, &from, &to).await
            }
            Kind::Folder => {
                core.links.put(link);
                task.note_mode(from.clone(), entry.mode);
                task.note_date(folder_path(&from, &to)?, entry.mtime);
                folder(core, task, from, to).await
            }
            Kind::File => {
                core.links.put(link);
                file(core, task, &from, &to, &entry).await
            }
            // One that was named is meant as what it leads to.
            Kind::Symlink => match target(core, &mut link, &from, entry).await? {
                Ok(Some(entry)) if !leaves_out(false) => {
                    core.links.put(link);
                    file(core, task, &from, &to, &entry).await
                }
                Ok(None) if !leaves_out(true) => {
                    core.links.put(link);
                    folder(core, task, from, to).await
                }
                Ok(_) => {
                    core.links.put(link);
                    left_out(core, task, &from, &to).await
                }
                Err(refusal) => {
                    core.links.put(link);
                    Err(refusal.into())
                }
            },
            Kind::Other => {
                core.links.put(link);
                Err(not_usable(&format!("{} is neither a file nor a folder", from.display())))
            }
        },
        Reply::Refused(refusal) => {
            core.links.put(link);
            Err(refusal.into())
        }
        other => Err(out_of_step(&Incoming::Reply(other))),
    }
}

/// What a link in the home leads to: a file's entry under the link's name, `None` for a folder. The server
/// follows links that stay in the home where it opens a file, and tells what it opened.
async fn target(
    core: &Core,
    link: &mut Link,
    path: &RemotePath,
    entry: Entry,
) -> Result<Result<Option<Entry>, Refusal>, ClientError> {
    let range = BlockRange { first: 0, count: 0 };
    let mut frames = core.pool.take();
    frame::put_message(&mut frames, &Request::Get { path: path.clone(), blocks: Some(range) })
        .map_err(LinkError::from)?;
    frame::put_have(&mut frames, 0, &[]).map_err(LinkError::from)?;
    core.send(&mut link.writer, &frames, |_| {}).await?;
    link.writer.flush().await?;
    let opened = match core.answer(link).await? {
        Incoming::Reply(Reply::Opened { size, mtime, mode, .. }) => {
            Entry { kind: Kind::File, size, mtime, mode, ..entry }
        }
        Incoming::Reply(Reply::Refused(refusal)) if refusal.code == Code::IsDirectory => return Ok(Ok(None)),
        Incoming::Reply(Reply::Refused(refusal)) => return Ok(Err(refusal)),
        other => return Err(out_of_step(&other)),
    };
    match core.answer(link).await? {
        Incoming::Reply(Reply::Sent { .. }) => Ok(Ok(Some(opened))),
        Incoming::Reply(Reply::Refused(refusal)) => Ok(Err(refusal)),
        other => Err(out_of_step(&other)),
    }
}

/// The filter leaves out what was named.
async fn left_out(core: &Shared, task: &Arc<Task>, from: &RemotePath, to: &Path) -> Result<(), ClientError> {
    let name = from.name().ok_or_else(|| not_usable("the home is a folder"))?;
    let pair = pair(to.parent().map(PathBuf::from), from.parent().unwrap_or_default(), true);
    let item = new_item(core, task, path(&pair, to.file_name().unwrap_or_default().into(), &name)?);
    super::filtered(core, task, item).await
}

/// The folder of a download, as its item would have it.
fn folder_path(from: &RemotePath, to: &Path) -> Result<ItemPath, ClientError> {
    let (remote, above) = (from.parent().unwrap_or_default(), from.depth().saturating_sub(1));
    let pair =
        Arc::new(FolderPair { local: to.parent().map(PathBuf::from), remote, above, named: false, follows: false });
    let name = from.name().ok_or_else(|| not_usable("the home has no name"))?;
    path(&pair, to.file_name().unwrap_or_default().into(), &name)
}

/// The size of the file `from`.
pub(super) async fn file_size(core: &Shared, from: &RemotePath) -> Result<u64, ClientError> {
    let mut link = link(core).await?;
    let reply = ask(core, &mut link, &Request::Stat { path: from.clone() }).await?;
    core.links.put(link);
    match reply {
        Reply::Entry { entry, .. } if entry.kind == Kind::File => Ok(entry.size),
        Reply::Entry { .. } => Err(Refusal::new(Code::IsDirectory, format!("{} is not a file", from.display())).into()),
        Reply::Refused(refusal) => Err(refusal.into()),
        other => Err(out_of_step(&Incoming::Reply(other))),
    }
}

async fn file(core: &Shared, task: &Arc<Task>, from: &RemotePath, to: &Path, entry: &Entry) -> Result<(), ClientError> {
    let local_name = to.file_name().ok_or_else(|| not_usable("the target is not a file's name"))?;
    let name = from.name().ok_or_else(|| not_usable("the home is a folder"))?;
    let parent = to.parent().map(PathBuf::from).unwrap_or_default();
    let pair = pair(Some(parent.clone()), from.parent().unwrap_or_default(), true);
    let item = new_item(core, task, path(&pair, local_name.into(), &name)?);
    let item = Item { facts: facts(entry), mode: entry.mode, ..item };
    task.tally.add_file(entry.size);
    let make = task.options.parents && !task.options.dry_run;
    let (above, task_there, core_there) = (pair.remote.depth(), Arc::clone(task), Arc::clone(core));
    let planned = core.blocking(move || {
        if make {
            std::fs::create_dir_all(if parent.as_os_str().is_empty() { Path::new(".") } else { &parent })
                .map_err(|error| ClientError::local(&parent, error))?;
        }
        let root = Folder::open(&parent).map_err(|error| ClientError::local(&parent, error))?;
        // Set once: nobody else scans this job.
        let root = Arc::new(root);
        drop(task_there.landing.set((Arc::clone(&root), above)));
        let found = source::look(&item)?;
        let next = flow::found(item, found, false);
        let more = growth(&next, found.as_ref());
        fits_here(&core_there, &task_there, &root, &parent, vec![(next, more)])
    });
    let planned = joined(planned).await?;
    enqueue(core, task, planned).await;
    Ok(())
}

async fn folder(core: &Shared, task: &Arc<Task>, from: RemotePath, to: PathBuf) -> Result<(), ClientError> {
    let pages = Arc::new(Pages { core: Arc::clone(core), task: Arc::clone(task), from, to });
    // Of a filter that includes, folders are made for what comes into them, this one too.
    if !task.options.filter.includes() {
        let there = Arc::clone(&pages);
        joined(core.blocking(move || there.open_root())).await?;
        task.tally.add_folder();
        task.tally.folder_done();
    }
    task.note_folder(SourceFolder::Remote(pages.from.clone()));
    let (mut seen, mut backoff) = (Seen::default(), Backoff::new(core.patience));
    loop {
        let mut link = link(core).await?;
        let before = seen.count();
        match walk(core, &pages, &mut link, &mut seen).await {
            // What was planned is in the queue; the server is asked for the rest.
            Err(error) if seen.is_whole() => {
                if seen.count() > before {
                    backoff.reset();
                }
                outlive(&mut backoff, error).await?;
            }
            Err(error) => return Err(error),
            Ok(Err(refusal)) => {
                core.links.put(link);
                return Err(refusal.into());
            }
            // Only now: the walk's pages came on this connection.
            Ok(Ok(())) => return follow(core, &pages, link, std::mem::take(&mut seen.links)).await,
        }
    }
}

/// Queues what links of a remote folder lead to.
async fn follow(
    core: &Shared,
    pages: &Arc<Pages>,
    mut link: Link,
    links: Vec<(RemotePath, Entry)>,
) -> Result<(), ClientError> {
    for (under, entry) in links {
        let path = pages.from.join_path(&under).and_then(|folder| folder.join(&entry.name));
        let path = path.map_err(|error| not_usable(&error.to_string()))?;
        let mut backoff = Backoff::new(core.patience);
        let target = loop {
            match target(core, &mut link, &path, entry.clone()).await {
                Err(error) => outlive(&mut backoff, error).await?,
                Ok(target) => break target,
            }
            link = super::link(core).await?;
        };
        let there = Arc::clone(pages);
        let planned = joined(core.blocking(move || there.linked(&under, &entry, target))).await?;
        enqueue(core, &pages.task, planned).await;
    }
    core.links.put(link);
    Ok(())
}

/// Queues what is in a remote folder and was not seen yet.
async fn walk(
    core: &Shared,
    pages: &Arc<Pages>,
    link: &mut Link,
    seen: &mut Seen,
) -> Result<Result<(), Refusal>, ClientError> {
    core.request(link, &Request::Walk { path: pages.from.clone() }).await?;
    loop {
        let page = match core.answer(link).await? {
            Incoming::Reply(Reply::Entries(page)) => page,
            Incoming::Reply(Reply::Refused(refusal)) => return Ok(Err(refusal)),
            other => return Err(out_of_step(&other)),
        };
        let more = page.more;
        let (there, mut known) = (Arc::clone(pages), std::mem::take(seen));
        let planned = core.blocking(move || {
            let page = known.news(page);
            let planned = there.plan(page, &mut known)?;
            Ok((planned, known))
        });
        let (planned, known) = joined(planned).await?;
        *seen = known;
        enqueue(core, &pages.task, planned).await;
        if !more {
            return Ok(Ok(()));
        }
    }
}

pub(super) async fn ask(core: &Core, link: &mut Link, request: &Request) -> Result<Reply, ClientError> {
    core.request(link, request).await?;
    match core.answer(link).await? {
        Incoming::Reply(reply) => Ok(reply),
        other => Err(out_of_step(&other)),
    }
}
