//! The list of parts: created, continued, listed and removed under one lock.

use std::{fs::File, sync::Arc, time::SystemTime};

use ferry_shared::{entry::Mtime, limits::BLOCK_SIZE, path::RemotePath};
use rustix::{
    fs::{Mode, OFlags, openat},
    io::Errno,
};

use super::{
    Part, PartMeta, Record, Staging,
    part::Holder,
    sidecar::{self, Sidecar},
};
use crate::storage::{Home, StorageError, disk, durable, metadata::Metadata};

/// A staged part as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInfo {
    /// The latest declaration.
    pub meta: PartMeta,
    /// Bytes on disk.
    pub length: u64,
    /// When it was started.
    pub started: Mtime,
    /// When it last changed, according to the disk; expiry is based on this.
    pub touched: Mtime,
    /// Whether an upload writes to it.
    pub active: bool,
}

impl PartInfo {
    /// The size under which a protocol without digests may show the part, so that a client continues from there;
    /// `None` if it must not be shown.
    ///
    /// The size is durable, whole blocks, and always less than what arrived: a part never looks like the whole file.
    #[must_use]
    pub fn shown_size(&self) -> Option<u64> {
        let lasting = self.meta.lasting.filter(|lasting| lasting.in_order && !self.active)?;
        let less = self.length.checked_sub(1)?;
        Some(less.min(lasting.durable) / BLOCK_SIZE * BLOCK_SIZE)
    }
}

impl Home {
    /// Creates a new staged part for `meta.path`. An existing one is removed and its holder superseded.
    ///
    /// # Errors
    /// An error of the disk; the existing part then stays, without a holder.
    pub fn create_part(&self, meta: PartMeta) -> Result<Part, StorageError> {
        let staging = self.staging();
        let mut parts = staging.parts.lock();
        if let Some(record) = parts.get(&meta.path) {
            record.supersede();
        }
        let id = sidecar::id(&meta.path);
        let name = format!("{id}.part");
        let own = |error: Errno| StorageError::own("make a part", error);
        match staging.unlink(&name) {
            Ok(()) | Err(Errno::NOENT) => drop(parts.remove(&meta.path)),
            Err(error) => return Err(own(error)),
        }
        let flags = durable::OWN | OFlags::RDWR | OFlags::EXCL;
        let file = disk::create(&staging.folder, &name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| own(error).making(&staging.folder))?;
        let sidecar = Sidecar::new(&meta, SystemTime::now().into());
        if let Err(error) = staging.write_sidecar(&sidecar) {
            // If they cannot be removed now, the next start removes both.
            let _ = (staging.unlink(&name), staging.unlink(&format!("{id}.json")));
            return Err(error);
        }
        let holder = Holder::new(Arc::new(file.into()), 0);
        parts.insert(meta.path.clone(), Record { sidecar, holder: Arc::downgrade(&holder) });
        Ok(Part::new(staging, holder, meta))
    }

    /// Opens the staged part of `meta.path`, if there is one. Its holder is superseded and its declaration becomes
    /// `meta`; its data stays, up to the newly declared size.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn open_part(&self, meta: PartMeta) -> Result<Option<Part>, StorageError> {
        let staging = self.staging();
        let mut parts = staging.parts.lock();
        let Some(record) = parts.get_mut(&meta.path) else { return Ok(None) };
        let file = match record.supersede() {
            Some(file) => file,
            None => Arc::new(staging.reopen(&meta.path)?),
        };
        let metadata = Metadata::of(&*file).map_err(|error| StorageError::own("look at a part", error))?;
        let length = meta.size.map_or(metadata.size, |size| size.min(metadata.size));
        if length < metadata.size {
            disk::set_length(&file, length).map_err(|error| StorageError::own("cut a part", error))?;
        }
        let sidecar = Sidecar::new(&meta, record.sidecar.started);
        if sidecar != record.sidecar {
            staging.write_sidecar(&sidecar)?;
            record.sidecar = sidecar;
        }
        let holder = Holder::new(file, length);
        record.holder = Arc::downgrade(&holder);
        Ok(Some(Part::new(staging, holder, meta)))
    }

    /// Removes the staged part of `path`; returns whether there was one. Its holder is superseded.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn discard(&self, path: &RemotePath) -> Result<bool, StorageError> {
        let staging = self.staging();
        let mut parts = staging.parts.lock();
        let Some(record) = parts.get(path) else { return Ok(false) };
        record.supersede();
        let id = sidecar::id(path);
        for name in [format!("{id}.part"), format!("{id}.json")] {
            match staging.unlink(&name) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(StorageError::own("discard a part", error)),
            }
        }
        parts.remove(path);
        Ok(true)
    }

    /// All staged parts, ordered by path.
    #[must_use]
    pub fn parts(&self) -> Vec<PartInfo> {
        self.parts_below(&RemotePath::home())
    }

    /// The staged parts of `path` and of everything below it, ordered by path.
    #[must_use]
    pub fn parts_below(&self, path: &RemotePath) -> Vec<PartInfo> {
        let staging = self.staging();
        let parts = staging.parts.lock();
        let below = parts.iter().filter(|(target, _)| target.starts_with(path));
        let mut found: Vec<PartInfo> = below.map(|(_, record)| record.info(staging)).collect();
        found.sort_by(|a, b| a.meta.path.cmp(&b.meta.path));
        found
    }

    /// Whether there is a staged part of `path`.
    #[must_use]
    pub fn has_part(&self, path: &RemotePath) -> bool {
        self.staging().parts.lock().contains_key(path)
    }

    /// The staged part of `path`, if there is one.
    #[must_use]
    pub fn part_info(&self, path: &RemotePath) -> Option<PartInfo> {
        let staging = self.staging();
        staging.parts.lock().get(path).map(|record| record.info(staging))
    }
}

impl Record {
    /// Ends the present hold, if there is one; returns its file.
    fn supersede(&self) -> Option<Arc<File>> {
        self.holder.upgrade().map(|holder| holder.supersede())
    }

    fn info(&self, staging: &Staging) -> PartInfo {
        let metadata = staging.metadata(&format!("{}.part", sidecar::id(&self.sidecar.path)));
        // Without its metadata the length is shown as zero; using the part will report the error.
        let (length, touched) =
            metadata.map_or((0, self.sidecar.started), |metadata| (metadata.size, metadata.touched()));
        let active = self.holder.upgrade().is_some_and(|holder| !holder.is_superseded());
        PartInfo { meta: self.sidecar.meta(), length, started: self.sidecar.started, touched, active }
    }
}

impl Staging {
    /// Opens a part that nobody holds. Its file may already have a mode that denies writing.
    fn reopen(&self, path: &RemotePath) -> Result<File, StorageError> {
        let name = format!("{}.part", sidecar::id(path));
        let open = || openat(&self.folder, &name, durable::OWN | OFlags::RDWR, Mode::empty());
        let file = match open() {
            Err(Errno::ACCESS) => disk::set_mode_at(&self.folder, &name, Mode::RUSR | Mode::WUSR).and_then(|()| open()),
            opened => opened,
        };
        Ok(file.map_err(|error| StorageError::own("open a part", error))?.into())
    }
}
