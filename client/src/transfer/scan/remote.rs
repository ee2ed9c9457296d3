//! Looks at the server's side: what is there to be downloaded, or what an upload will meet.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use ferry_shared::{
    entry::{Entry, Kind},
    frame,
    link::LinkError,
    message::{Reply, Request, reply::Page},
    path::RemotePath,
    refusal::{Code, Refusal},
};

use super::{enqueue, failure, link, new_item, not_usable, pair, path};
use crate::{
    error::ClientError,
    transfer::{
        conflict::{FileFacts, is_keep_both_name},
        core::{Core, Shared, joined},
        event::{Outcome, Skip},
        flow::{self, Next},
        item::{Item, Step},
        link::{Incoming, Link, out_of_step},
        local::{
            folder::{Folder, Found},
            name::{local_name, text_of},
            part::is_part_name,
        },
        path::{FolderPair, ItemPath},
        source,
        task::{SourceFolder, Task},
    },
};

/// What is on the server, by its path's bytes.
pub(super) type Existing = HashMap<Box<[u8]>, Found>;

/// More than so many entries are not remembered: each upload then finds out for itself.
const MOST_REMEMBERED: usize = 1_000_000;

/// What an upload's folder meets on the server.
pub(super) struct Prepared {
    /// Whether the folder was there before.
    pub(super) there: bool,
    /// What is in it, unless that is too much to remember.
    pub(super) existing: Option<Existing>,
}

/// Makes an upload's folder, unless it is there.
pub(super) async fn prepare(core: &Shared, task: &Task, to: &RemotePath) -> Result<Prepared, ClientError> {
    let nothing = || Prepared { there: false, existing: None };
    let mut link = link(core).await?;
    if !task.options.dry_run && !to.is_home() {
        let mut made = ask(core, &mut link, &Request::MakeDir { path: to.clone(), parents: false }).await?;
        let missing = matches!(&made, Reply::Refused(refusal) if refusal.code == Code::NotFound);
        if missing && task.options.parents {
            made = ask(core, &mut link, &Request::MakeDir { path: to.clone(), parents: true }).await?;
        }
        match made {
            Reply::Done => {
                core.links.put(link);
                return Ok(nothing());
            }
            Reply::Refused(refusal) if refusal.code == Code::Exists => {}
            Reply::Refused(refusal) => {
                core.links.put(link);
                return Err(refusal.into());
            }
            other => return Err(out_of_step(&Incoming::Reply(other))),
        }
    }
    let existing = walk_existing(core, &mut link, to).await?;
    core.links.put(link);
    match existing {
        Ok(existing) => Ok(Prepared { there: true, existing }),
        Err(refusal) if task.options.dry_run && refusal.code == Code::NotFound => Ok(nothing()),
        Err(refusal) => Err(refusal.into()),
    }
}

async fn walk_existing(
    core: &Core,
    link: &mut Link,
    to: &RemotePath,
) -> Result<Result<Option<Existing>, Refusal>, ClientError> {
    let mut existing = Existing::new();
    send(core, link, &Request::Walk { path: to.clone() }).await?;
    loop {
        let page = match core.answer(link).await? {
            Incoming::Reply(Reply::Entries(page)) => page,
            Incoming::Reply(Reply::Refused(refusal)) => return Ok(Err(refusal)),
            other => return Err(out_of_step(&other)),
        };
        for entry in page.entries {
            let path = to.join_path(&page.under).and_then(|folder| folder.join(&entry.name));
            if let Ok(path) = path
                && existing.len() <= MOST_REMEMBERED
            {
                let facts = FileFacts { size: entry.size, mtime: entry.mtime };
                existing.insert(path.as_bytes().into(), Found { kind: entry.kind, facts });
            }
        }
        if !page.more {
            return Ok(Ok((existing.len() <= MOST_REMEMBERED).then_some(existing)));
        }
    }
}

/// Looks through a download's source: a file or a folder.
pub(super) async fn look(core: &Shared, task: &Arc<Task>, from: RemotePath, to: PathBuf) -> Result<(), ClientError> {
    let mut link = link(core).await?;
    if from.is_home() {
        return folder(core, task, link, from, to).await;
    }
    match ask(core, &mut link, &Request::Stat { path: from.clone() }).await? {
        Reply::Entry { entry, .. } => match entry.kind {
            Kind::Folder => {
                task.note_mode(from.clone(), entry.mode);
                task.note_date(folder_path(&from, &to)?, entry.mtime);
                folder(core, task, link, from, to).await
            }
            Kind::File => {
                core.links.put(link);
                file(core, task, &from, &to, &entry).await
            }
            Kind::Symlink | Kind::Other => {
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

/// The folder of a download, as its item would have it.
fn folder_path(from: &RemotePath, to: &Path) -> Result<ItemPath, ClientError> {
    let (remote, above) = (from.parent().unwrap_or_default(), from.depth().saturating_sub(1));
    let pair = Arc::new(FolderPair { local: to.parent().map(PathBuf::from), remote, above, named: false });
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
    let (above, task_there) = (pair.remote.depth(), Arc::clone(task));
    let planned = core.blocking(move || {
        if make {
            std::fs::create_dir_all(if parent.as_os_str().is_empty() { Path::new(".") } else { &parent })
                .map_err(|error| ClientError::local(&parent, error))?;
        }
        let root = Folder::open(&parent).map_err(|error| ClientError::local(&parent, error))?;
        // Set once: nobody else scans this job.
        drop(task_there.landing.set((Arc::new(root), above)));
        source::look(&item).map(|found| flow::found(item, found, false))
    });
    let planned = joined(planned).await?;
    enqueue(core, task, vec![planned]).await;
    Ok(())
}

async fn folder(
    core: &Shared,
    task: &Arc<Task>,
    mut link: Link,
    from: RemotePath,
    to: PathBuf,
) -> Result<(), ClientError> {
    let pages = Arc::new(Pages { core: Arc::clone(core), task: Arc::clone(task), from, to });
    let there = Arc::clone(&pages);
    joined(core.blocking(move || there.open_root())).await?;
    task.tally.add_folder();
    task.tally.folder_done();
    task.note_folder(SourceFolder::Remote(pages.from.clone()));
    send(core, &mut link, &Request::Walk { path: pages.from.clone() }).await?;
    let mut left_out = HashSet::new();
    loop {
        let page = match core.answer(&mut link).await? {
            Incoming::Reply(Reply::Entries(page)) => page,
            Incoming::Reply(Reply::Refused(refusal)) => {
                core.links.put(link);
                return Err(refusal.into());
            }
            other => return Err(out_of_step(&other)),
        };
        let more = page.more;
        let there = Arc::clone(&pages);
        let planned = core.blocking(move || {
            let planned = there.plan(page, &mut left_out);
            Ok((planned, left_out))
        });
        let (planned, known) = joined(planned).await?;
        left_out = known;
        enqueue(core, task, planned).await;
        if !more {
            core.links.put(link);
            return Ok(());
        }
    }
}

/// Makes items of a remote folder's pages. Blocks on the disk.
struct Pages {
    core: Shared,
    task: Arc<Task>,
    from: RemotePath,
    to: PathBuf,
}

impl Pages {
    fn open_root(&self) -> Result<(), ClientError> {
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

    fn plan(&self, page: Page, left_out: &mut HashSet<RemotePath>) -> Vec<Next> {
        let Ok(remote) = self.from.join_path(&page.under) else { return Vec::new() };
        if !left_out.is_empty() && is_below(&page.under, left_out) {
            return Vec::new();
        }
        let local = Some(self.local(&page.under));
        let above = self.from.depth().saturating_sub(1);
        let pair = Arc::new(FolderPair { local, remote, above, named: false });
        let create = !self.task.options.dry_run;
        let here = source::find_folder(&self.task, &pair, create);
        let here = here.map_err(|error| ClientError::local(self.local(&page.under), error));
        let mut planned: Vec<Next> = page.unreadable.iter().filter_map(|folder| self.unreadable(folder)).collect();
        if let (Err(error), true) = (&here, page.entries.is_empty()) {
            let item = self.from.join_path(&page.under).ok().and_then(|folder| self.folder_item(&folder));
            planned.extend(item.map(|item| Next::Done(item, failure(error.clone()))));
        }
        let mut entries = page.entries;
        // They keep their own names, whatever is put beside the others.
        entries.sort_by_key(|entry| !is_keep_both_name(&entry.name));
        for entry in entries {
            match entry.kind {
                Kind::Folder => planned.extend(self.subfolder(&pair, &page.under, &entry, left_out)),
                _ => planned.extend(self.file(&pair, &here, &entry)),
            }
        }
        planned
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
        self.task.tally.add_folder();
        self.task.tally.folder_done();
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
    ) -> Option<Next> {
        let filter = &self.task.options.filter;
        let path = pair.remote.join(&entry.name).ok()?;
        if !filter.is_open() && !filter.takes_file(&self.below(&path)) {
            return None;
        }
        match entry.kind {
            Kind::File => {}
            Kind::Symlink => return self.leave_out(pair, entry, Skip::Symlink),
            Kind::Folder | Kind::Other => return self.leave_out(pair, entry, Skip::Special),
        }
        if is_part_name(entry.name.as_bytes()) {
            return self.leave_out(pair, entry, Skip::Unfinished);
        }
        let Ok(name) = local_name(&entry.name) else { return self.leave_out(pair, entry, Skip::UnusableName) };
        let found = match here {
            Ok(Some(folder)) if !folder.is_fresh() => folder.look(&name),
            Ok(_) => Ok(None),
            Err(error) => Err(std::io::Error::other(error.to_string())),
        };
        let path = ItemPath::new(Arc::clone(pair), name, &entry.name).ok()?;
        self.task.tally.add_file(entry.size);
        let item = Item { facts: facts(entry), mode: entry.mode, ..new_item(&self.core, &self.task, path) };
        Some(match (found, here) {
            (Ok(found), _) => flow::reserved(item, |item| flow::found(item, found, false)),
            (Err(_), Err(error)) => Next::Done(item, failure(error.clone())),
            (Err(error), Ok(_)) => {
                let error = source::failed(&item.path, error);
                Next::Done(item, failure(error))
            }
        })
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
        let pair = FolderPair { local: Some(self.local(&below)), remote: parent, above, named: false };
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

fn facts(entry: &Entry) -> FileFacts {
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

async fn ask(core: &Core, link: &mut Link, request: &Request) -> Result<Reply, ClientError> {
    send(core, link, request).await?;
    match core.answer(link).await? {
        Incoming::Reply(reply) => Ok(reply),
        other => Err(out_of_step(&other)),
    }
}

async fn send(core: &Core, link: &mut Link, request: &Request) -> Result<(), ClientError> {
    let mut frames = core.pool.take();
    frame::put_message(&mut frames, request).map_err(LinkError::from)?;
    core.send(&mut link.writer, &frames, |_| {}).await?;
    Ok(link.writer.flush().await?)
}
