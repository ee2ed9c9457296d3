//! The staging folder beside a home: unfinished uploads, and who writes to them.

mod part;
mod registry;
mod sidecar;
mod temp_file;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use ferry_shared::{entry::Mtime, path::RemotePath};
use parking_lot::Mutex;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::AtFlags,
};
use serde::{Deserialize, Serialize};

pub(crate) use part::Part;
pub(crate) use registry::PartInfo;
pub(crate) use temp_file::TempFile;

use self::{part::Holder, sidecar::Sidecar};
use super::{Durability, StorageError, disk, listing::Stream, metadata::Metadata, volume::Reserve};

/// The options with which a [`Home`](super::Home) is opened.
pub(super) struct Manner {
    pub(super) durability: Durability,
    /// Whether unusable files in staging are removed.
    pub(super) clean: bool,
    /// The space that users leave free on the disk.
    pub(super) reserve: Arc<Reserve>,
}

/// The attributes of a stored file besides its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileMeta {
    /// The modification time; the present time, if absent.
    pub mtime: Option<Mtime>,
    /// The permission bits; `0o644`, if absent.
    pub mode: Option<u32>,
}

/// The declaration of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartMeta {
    /// The target.
    pub path: RemotePath,
    /// Its size in bytes, if known.
    pub size: Option<u64>,
    /// The attributes of the file.
    pub file: FileMeta,
    /// Set if the size is unknown and the part outlives the connection that writes it.
    pub lasting: Option<Lasting>,
}

/// The state from which an upload of unknown size can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasting {
    /// Whether all of it was written front to back, so that its beginning is final.
    pub in_order: bool,
    /// The number of leading bytes that are durable.
    pub durable: u64,
}

/// A user's staging folder.
///
/// A part is `ID.part` with `ID.json` beside it, and the ID is derived from the target's path: so there is one part
/// for each target. Temporary files are `N.tmp`. Everything else is removed when the folder is opened.
pub(super) struct Staging {
    folder: OwnedFd,
    durability: Durability,
    reserve: Arc<Reserve>,
    next_temp_file: AtomicU64,
    /// A record is inserted after its files were created, and removed after they were removed: consistent even
    /// after a panic.
    parts: Mutex<HashMap<RemotePath, Record>>,
}

/// A part that has its sidecar, and its current writer.
#[derive(Debug)]
struct Record {
    sidecar: Sidecar,
    holder: Weak<Holder>,
}

impl Staging {
    /// Reads the folder; with `clean`, removes unusable files and reports a line for each.
    pub(super) fn open(folder: OwnedFd, manner: Manner) -> Result<(Self, Vec<String>), StorageError> {
        let Manner { durability, clean, reserve } = manner;
        let (next_temp_file, parts) = (AtomicU64::new(0), Mutex::default());
        let mut staging = Self { folder, durability, reserve, next_temp_file, parts };
        let mut report = Vec::new();
        let mut parts = HashMap::new();
        let names = staging.names()?;
        for name in &names {
            let Some(id) = name.strip_suffix(".json") else { continue };
            match staging.read_sidecar(id) {
                Ok(sidecar) => {
                    parts.insert(sidecar.path.clone(), Record { sidecar, holder: Weak::new() });
                }
                Err(why) => report.push(format!("{name}: {why}")),
            }
        }
        if clean {
            staging.remove_unknown(&names, &parts, &mut report);
        }
        staging.parts = Mutex::new(parts);
        Ok((staging, report))
    }

    fn names(&self) -> Result<Vec<String>, StorageError> {
        let folder = self.folder.try_clone().map_err(|error| StorageError::own("open staging", error))?;
        let stream = Stream::new(folder, RemotePath::home())?;
        stream.map(|found| found.map(|(name, _)| name.to_string_lossy().into_owned())).collect()
    }

    /// Removes every file that does not belong to a part.
    fn remove_unknown(&self, names: &[String], parts: &HashMap<RemotePath, Record>, report: &mut Vec<String>) {
        let ids: Vec<String> = parts.keys().map(sidecar::id).collect();
        for name in names {
            let known =
                [".json", ".part"].iter().any(|end| name.strip_suffix(end).is_some_and(|id| contains(&ids, id)));
            if known {
                continue;
            }
            match self.unlink(name) {
                Ok(()) => report.push(format!("{name}: thrown away, it belongs to no unfinished upload")),
                Err(error) => report.push(format!("{name}: cannot be thrown away: {error}")),
            }
        }
    }

    /// The folder's handle; it can also be flushed.
    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Bytes free to users on the disk.
    pub(super) fn free(&self) -> Result<u64, StorageError> {
        self.reserve.free(&self.folder)
    }

    /// Refuses to write this many bytes if users would no longer leave enough space free.
    pub(super) fn require_room(&self, bytes: u64, what: &'static str) -> Result<(), StorageError> {
        self.reserve.require(&self.folder, bytes, what)
    }

    fn unlink(&self, name: &str) -> rustix::io::Result<()> {
        disk::unlink(&self.folder, name, AtFlags::empty())
    }

    fn metadata(&self, name: &str) -> rustix::io::Result<Metadata> {
        Metadata::at(&self.folder, name)
    }

    fn next_temp_file(&self) -> String {
        format!("{}.tmp", self.next_temp_file.fetch_add(1, Ordering::Relaxed))
    }
}

fn contains(ids: &[String], id: &str) -> bool {
    ids.iter().any(|known| known == id)
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging").finish_non_exhaustive()
    }
}
