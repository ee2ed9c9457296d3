//! Reading this computer's files: folders page by page, blocks, digests, free space.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ferry_client::transfer::remote_name;
use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    limits::{BLOCK_LEN, BLOCK_SIZE, PAGE_MAX},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::tui::{
    effects::reply::Reply,
    event::{Answer, Event},
    state::{item::Item, side::Side},
};

/// How long entries are gathered before they are shown.
const PATIENCE: Duration = Duration::from_millis(50);

/// Reads a folder, a page at a time.
pub(in crate::tui::effects) fn list(folder: PathBuf, stop: CancellationToken, reply: Reply) {
    if let Err(error) = pages(&folder, &stop, &reply) {
        reply.post_error(&folder, error);
    }
}

fn pages(folder: &Path, stop: &CancellationToken, reply: &Reply) -> io::Result<()> {
    let mut items = Vec::new();
    let mut since = Instant::now();
    for entry in fs::read_dir(folder)? {
        if stop.is_cancelled() {
            return Ok(());
        }
        items.extend(item(&entry?));
        if items.len() >= PAGE_MAX || since.elapsed() > PATIENCE {
            reply.post(Answer::Page { items: std::mem::take(&mut items), more: true });
            since = Instant::now();
        }
    }
    reply.post(Answer::Page { items, more: false });
    Ok(())
}

/// An entry as a pane shows it; `None` where it is gone already, or has a name that no server can have.
pub(in crate::tui::effects) fn item(entry: &fs::DirEntry) -> Option<Item> {
    let name = remote_name(&entry.file_name()).ok()?;
    let metadata = entry.metadata().ok()?;
    let kind = kind(&metadata);
    let size = if kind == Kind::File { metadata.len() } else { 0 };
    let mtime = metadata.modified().map_or(Mtime(0, 0), Mtime::from);
    let mut item = Item::new(Entry { name, kind, size, mtime, mode: mode(&metadata) });
    item.leads = kind == Kind::Symlink && fs::metadata(entry.path()).is_ok_and(|target| target.is_dir());
    Some(item)
}

pub(super) fn kind(metadata: &fs::Metadata) -> Kind {
    let kind = metadata.file_type();
    match (kind.is_symlink(), kind.is_dir(), kind.is_file()) {
        (true, ..) => Kind::Symlink,
        (_, true, _) => Kind::Folder,
        (_, _, true) => Kind::File,
        _ => Kind::Other,
    }
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o777
}

#[cfg(not(unix))]
fn mode(metadata: &fs::Metadata) -> u32 {
    if metadata.permissions().readonly() { 0o444 } else { 0o644 }
}

/// Opens a regular file only; opening a FIFO would wait for its other end.
fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    File::open(path)
}

/// Reads a block of a file.
pub(in crate::tui::effects) fn read(path: PathBuf, index: u64, reply: &Reply) {
    match block(&path, index) {
        Ok((bytes, size)) => reply.post(Answer::Block { index, bytes, size }),
        Err(error) => reply.post_error(&path, error),
    }
}

fn block(path: &Path, index: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut file = open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(index.saturating_mul(BLOCK_SIZE)))?;
    let mut bytes = Vec::new();
    file.take(BLOCK_SIZE).read_to_end(&mut bytes)?;
    Ok((bytes, size))
}

/// Computes a file's digest.
pub(in crate::tui::effects) fn digest(path: PathBuf, stop: CancellationToken, reply: Reply) {
    match hash(&path, &stop) {
        Ok(Some(digest)) => reply.post(Answer::Digest(digest)),
        Ok(None) => {}
        Err(error) => reply.post_error(&path, error),
    }
}

fn hash(path: &Path, stop: &CancellationToken) -> io::Result<Option<String>> {
    let mut file = open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BLOCK_LEN];
    while !stop.is_cancelled() {
        match file.read(&mut buffer)? {
            0 => return Ok(Some(hasher.finalize().to_hex().to_string())),
            length => drop(hasher.update(&buffer[..length])),
        }
    }
    Ok(None)
}

/// Finds out how much is free where a folder is.
pub(in crate::tui::effects) fn free(events: mpsc::Sender<Event>, side: Side, path: PathBuf) {
    tokio::task::spawn_blocking(move || {
        let _ = events.blocking_send(Event::Free(side, free_bytes(&path)));
    });
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_path: &Path) -> Option<u64> {
    None
}
