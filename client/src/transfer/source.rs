//! An item's local side: the file an upload reads, the place a download lands. Blocks on the disk.

use std::{
    ffi::OsStr,
    fs::{File, FileTimes},
    io::{self, Read as _},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::SystemTime,
};

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, block_digest},
    entry::{Kind, Mtime},
    limits::{BLOCK_SIZE, block_count},
    name::Name,
    path::RemotePath,
};

use super::{
    conflict::FileFacts,
    core::Core,
    event::Grown,
    item::{Item, Over},
    local::{
        flush,
        folder::{Folder, Found},
        identity::Identity,
        name::local_name,
        part::{Earlier, Part},
        system::{self, Disk},
    },
    path::{FolderPair, ItemPath},
    task::{Direction, Task},
};
use crate::error::ClientError;

/// Why a file with content and without a size is not sent.
const NO_SIZE: &str = "it has content but no size; `ferry put -` sends such a file";

/// A local file, open to be read, as it was then.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    /// Its time, and its size: where the file ends, whatever the system says.
    pub(super) facts: FileFacts,
    pub(super) mode: u32,
    /// What was read since is the content of the file in this state.
    pub(super) identity: Identity,
    /// All that is in it, where it ended before its size: the system makes that up at each look, as in `/sys`.
    pub(super) content: Option<Vec<u8>>,
}

impl Opened {
    fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let facts = FileFacts { size: metadata.len(), mtime: Mtime::from(metadata.modified()?) };
        let identity = Identity::of(&file)?;
        Ok(Self { facts, mode: system::mode_of(&metadata), identity, content: None, file })
    }

    /// Reads to its end a file that says it is longer than it is.
    fn find_end(&mut self) -> io::Result<()> {
        let claimed = self.facts.size;
        if claimed == 0 || self.identity.disk() == Disk::Local {
            return Ok(());
        }
        match blocks::read_exact_at(&self.file, &mut [0], claimed - 1) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let mut content = Vec::new();
                let read = (&self.file).take(claimed.min(BLOCK_SIZE + 1)).read_to_end(&mut content)? as u64;
                self.facts.size = read + io::copy(&mut (&self.file).take(claimed - read), &mut io::sink())?;
                self.content = Some(content).filter(|_| read <= BLOCK_SIZE);
                Ok(())
            }
            read => read,
        }
    }

    /// Refuses a file that says it is empty and is not, as those of `/proc` and some network disks:
    /// it would be stored empty. `false` when it was written to meanwhile.
    fn require_size(&self) -> io::Result<bool> {
        let no_size = || io::Error::new(io::ErrorKind::InvalidInput, NO_SIZE);
        match (&self.file).read(&mut [0]) {
            Ok(0) => Ok(true),
            // It has a size now.
            Ok(_) if self.file.metadata()?.len() > 0 => Ok(false),
            Ok(_) => Err(no_size()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(no_size()),
            Err(error) => Err(error),
        }
    }
}

/// Opens an item's local file: what an upload reads, what a download finds at its target.
pub(super) fn open(task: &Task, path: &ItemPath) -> Result<Opened, ClientError> {
    let opened = match task.direction {
        Direction::Upload => system::open_source(&path.local().unwrap_or_default(), path.folder().follows),
        Direction::Download => folder(task, path.folder()).and_then(|folder| folder.open_file(path.local_name())),
    };
    let mut opened = opened.and_then(Opened::new).map_err(|error| failed(path, error))?;
    if task.direction == Direction::Upload {
        opened.find_end().map_err(|error| failed(path, error))?;
    }
    let empty = task.direction == Direction::Upload && opened.identity.size() == 0;
    if empty && !opened.require_size().map_err(|error| failed(path, error))? {
        return Err(ClientError::SourceChanged);
    }
    Ok(opened)
}

/// What is at a download's target.
pub(super) fn look(item: &Item) -> Result<Option<Found>, ClientError> {
    let look = || folder(&item.task, item.path.folder())?.look(item.path.local_name());
    look().map_err(|error| failed(&item.path, error))
}

/// Bytes of a download that an earlier attempt left here.
pub(super) fn part_length(item: &Item) -> u64 {
    let folder = find_folder(&item.task, item.path.folder(), false).ok().flatten();
    folder.map_or(0, |folder| Part::length(&folder, item.path.local_name()))
}

/// Gives a download's target, whose content is equal, the source's time and permission bits; `false` when it
/// is not the file any more that was compared.
pub(super) fn set_attributes(item: &Item) -> Result<bool, ClientError> {
    let opened = open(&item.task, &item.path)?;
    if item.identity != Some(opened.identity) {
        return Ok(false);
    }
    let set = || {
        if let Some(time) = item.facts.mtime.to_system().filter(|_| opened.facts.mtime != item.facts.mtime) {
            opened.file.set_times(FileTimes::new().set_modified(time))?;
        }
        let mode = item.task.options.mode_for(item.mode) & 0o777;
        if opened.mode == mode { Ok(()) } else { system::set_mode(&opened.file, mode) }
    };
    set().map(|()| true).map_err(|error| failed(&item.path, error))
}

/// Removes an upload's source; `false` when it is not, open and by its name, what `opened` was looked at as.
pub(super) fn remove(item: &Item, opened: &Opened) -> Result<bool, ClientError> {
    let path = item.path.local().unwrap_or_default();
    let remove = || {
        let named = system::open_source(&path, item.path.folder().named)?;
        let seen = &opened.identity;
        if seen.now(&opened.file)? != *seen || seen.now(&named)? != *seen {
            return Ok(false);
        }
        std::fs::remove_file(&path).map(|()| true)
    };
    remove().map_err(|error| failed(&item.path, error))
}

/// Removes what an unfinished download left.
pub(super) fn discard_part(item: &Item) -> Result<(), ClientError> {
    let discard = || {
        let folder = folder(&item.task, item.path.folder())?;
        Part::open(&folder, item.path.local_name(), Earlier::Keep, true)?.discard()
    };
    discard().map_err(|error| failed(&item.path, error))
}

/// What became of a part that was to get its target's name.
#[derive(Debug)]
pub(super) enum Published {
    Named,
    /// It may not replace this; gone by now where it is `None`.
    InTheWay(Option<Found>),
}

/// Gives a part its target's name, looking a last time at what that would replace.
pub(super) fn publish(part: &Part, name: &OsStr, over: Over) -> io::Result<Published> {
    let folder = part.folder();
    let there = if over == Over::Nothing { None } else { folder.look(name)? };
    let replaceable = |found: &Found| match over {
        _ if matches!(found.kind, Kind::Folder | Kind::Other) => false,
        Over::Nothing => false,
        Over::Anything => true,
        Over::This(seen) => seen.is_some() && found.identity == seen,
    };
    if there.is_some_and(|found| !replaceable(&found)) {
        return Ok(Published::InTheWay(there));
    }
    match part.publish(name, there.is_some()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Published::InTheWay(folder.look(name)?)),
        result => result.map(|()| Published::Named),
    }
}

/// Makes a download's folder.
pub(super) fn make_folder(item: &Item) -> Result<(), ClientError> {
    let make = || folder(&item.task, item.path.folder())?.enter(item.path.local_name(), true).map(drop);
    make().map_err(|error| failed(&item.path, error))
}

/// Gives a download's folder its source's date, where it is there and may be changed.
pub(super) fn set_folder_date(item: &Item) -> Result<(), ClientError> {
    let set = || match find_folder_at(&item.task, item.path.remote(), false)? {
        Some(folder) => folder.set_date(item.facts.mtime),
        None => Ok(()),
    };
    match set().map_err(|error| (error.kind(), error)) {
        // One that was there may be somebody else's. What stands in the way of one was told of before.
        Err((io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory, _)) => Ok(()),
        set => set.map_err(|(_, error)| failed(&item.path, error)),
    }
}

/// The folder a download's item is in, made where it is missing.
pub(super) fn folder(task: &Task, pair: &FolderPair) -> io::Result<Arc<Folder>> {
    find_folder(task, pair, true)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The folder a download's item is in; `None` when it is missing and not to be made. Each
/// name on the way is entered by itself: no symlink below the destination is followed.
pub(super) fn find_folder(task: &Task, pair: &FolderPair, create: bool) -> io::Result<Option<Arc<Folder>>> {
    find_folder_at(task, &pair.remote, create)
}

fn find_folder_at(task: &Task, remote: &RemotePath, create: bool) -> io::Result<Option<Arc<Folder>>> {
    let Some((root, above)) = task.landing.get() else { return Ok(None) };
    let (mut folder, mut depth) = (Arc::clone(root), *above);
    for name in remote.names().skip(*above) {
        let name = Name::new(name).map_err(io::Error::other)?;
        let name = local_name(&name).map_err(io::Error::other)?;
        depth += 1;
        let next = match folder.enter(&name, false)? {
            Some(next) => next,
            None if create => folder.make(&name, task.take_mode(&head(remote, depth)))?,
            None => return Ok(None),
        };
        task.made_folders.fetch_or(next.is_fresh(), Relaxed);
        folder = Arc::new(next);
    }
    Ok(Some(folder))
}

/// `path` up to its `depth`th name.
fn head(path: &RemotePath, depth: usize) -> RemotePath {
    let names: Vec<&[u8]> = path.names().take(depth).collect();
    RemotePath::from_wire(&names.join(&b'/')).unwrap_or_default()
}

/// Makes the names that lead to a published part durable: its own and, where the task
/// made folders, theirs.
pub(super) fn sync_names(task: &Task, pair: &FolderPair, part: &Part) -> io::Result<()> {
    if !task.made_folders.load(Relaxed) {
        return part.folder().sync();
    }
    if flush::file_system(&part.file)? {
        return Ok(());
    }
    let mut pair = pair.remote.clone();
    let above = task.landing.get().map_or(0, |(_, above)| *above);
    while let Some(folder) = find_folder_at(task, &pair, false)? {
        folder.sync()?;
        match pair.parent().filter(|parent| parent.depth() >= above) {
            Some(parent) => pair = parent,
            None => break,
        }
    }
    Ok(())
}

/// A file's digest. `each` is called for every block and may stop it.
pub(super) fn digest(
    core: &Core,
    path: &ItemPath,
    opened: &Opened,
    mut each: impl FnMut(u64) -> Result<(), ClientError>,
) -> Result<Digest, ClientError> {
    if let Some(content) = &opened.content {
        return Ok(Digest::of(content));
    }
    let (size, mut root) = (opened.facts.size, RootBuilder::new());
    let mut block = core.pool.take();
    for index in 0..block_count(size) {
        each(index)?;
        block.clear();
        blocks::read_block(&opened.file, size, index, &mut block).map_err(|error| read_error(path, error))?;
        root.push(block_digest(size, index, &block));
    }
    Ok(root.root())
}

/// Looks whether what was read of a file, with the digest `root`, is what was in it at one time. Where its state
/// does not prove that, it is read again: what is found twice was there between the two. A file that
/// only grew meanwhile counts as it was then; `unproven`: also without being read again.
pub(super) fn settle(
    core: &Core,
    path: &ItemPath,
    opened: &mut Opened,
    root: Digest,
    unproven: bool,
    each: impl FnMut(u64) -> Result<(), ClientError>,
) -> Result<Option<Grown>, ClientError> {
    let now = opened.identity.now(&opened.file).map_err(|error| failed(path, error))?;
    if opened.identity.proves(&now) || opened.content.is_some() {
        return Ok(None);
    }
    if now.size() < opened.identity.size() {
        return Err(ClientError::SourceChanged);
    }
    let grown = now.size() > opened.identity.size();
    let at = SystemTime::now();
    let proven = !(grown && unproven);
    if proven && digest(core, path, opened, each)? != root {
        return Err(ClientError::SourceChanged);
    }
    opened.identity = now;
    Ok(grown.then_some(Grown { at, proven }))
}

/// What a file that cannot be read to the size it had means.
pub(super) fn read_error(path: &ItemPath, error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ClientError::SourceChanged,
        _ => failed(path, error),
    }
}

/// A local error, with the file it is about.
pub(super) fn failed(path: &ItemPath, error: io::Error) -> ClientError {
    ClientError::local(path.local().unwrap_or_default(), error)
}
