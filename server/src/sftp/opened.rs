//! The handles that are open on a channel: files, folders, and the uploads that handles for writing share.

use std::collections::HashMap;

use bytes::Bytes;
use ferry_shared::path::RemotePath;

use super::{listing::Listing, status::Failure};
use crate::files::{Editing, Reading};

/// Handles open at a time.
pub(super) const HANDLES: usize = 128;
/// Bytes in memory for the open files of a channel; beyond this, files are written in smaller pieces.
const MEMORY: usize = 8 << 20;

/// An open handle.
#[derive(Debug)]
pub(super) enum Open {
    /// A file that is read.
    File(Box<Reading>, RemotePath),
    /// A file that is written.
    Upload(Writer),
    /// A folder.
    Folder(Box<Listing>),
}

/// A handle for writing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer {
    /// The number of the upload, which other handles may share.
    pub(super) upload: u64,
    /// Whether it may read too.
    pub(super) reads: bool,
    /// Whether it writes at the end, whatever the offset says.
    pub(super) appends: bool,
}

#[derive(Debug)]
struct Upload {
    /// `None` while it is being committed.
    editing: Option<Editing>,
    path: RemotePath,
    handles: usize,
}

/// Everything that is open on a channel.
#[derive(Debug, Default)]
pub(super) struct Opened {
    handles: HashMap<u32, Open>,
    last_handle: u32,
    uploads: HashMap<u64, Upload>,
    last_upload: u64,
}

/// The number of a handle as the client sends it.
pub(super) fn number(handle: &Bytes) -> Result<u32, Failure> {
    <[u8; 4]>::try_from(&**handle).map(u32::from_be_bytes).map_err(|_| Failure::Handle)
}

impl Opened {
    /// Refuses another handle if there are too many.
    pub(super) fn has_room(&self) -> Result<(), Failure> {
        if self.handles.len() < HANDLES { Ok(()) } else { Err(Failure::TooManyHandles) }
    }

    /// Gives out a handle. A number is never used twice on a channel.
    pub(super) fn insert(&mut self, open: Open) -> Bytes {
        self.last_handle = self.last_handle.wrapping_add(1);
        self.handles.insert(self.last_handle, open);
        Bytes::copy_from_slice(&self.last_handle.to_be_bytes())
    }

    /// The thing that is open under a handle.
    pub(super) fn get(&mut self, handle: &Bytes) -> Result<&mut Open, Failure> {
        self.handles.get_mut(&number(handle)?).ok_or(Failure::Handle)
    }

    /// Takes a handle back.
    pub(super) fn remove(&mut self, handle: &Bytes) -> Result<Open, Failure> {
        self.handles.remove(&number(handle)?).ok_or(Failure::Handle)
    }

    /// Puts back what was taken from a handle for a moment.
    pub(super) fn put_back(&mut self, handle: &Bytes, open: Open) {
        if let Ok(number) = number(handle) {
            self.handles.insert(number, open);
        }
    }

    /// Whether a handle is on a file that exists and was not changed yet.
    pub(super) fn is_unchanged(&self, handle: &Bytes) -> bool {
        let Some(Open::Upload(writer)) = number(handle).ok().and_then(|number| self.handles.get(&number)) else {
            return false;
        };
        let upload = self.uploads.get(&writer.upload).and_then(|upload| upload.editing.as_ref());
        upload.is_some_and(|editing| editing.is_unchanged() && editing.size() > 0)
    }

    /// Whether no file is open.
    pub(super) fn is_at_rest(&self) -> bool {
        self.handles.values().all(|open| matches!(open, Open::Folder(_)))
    }

    /// Gives out a handle on a new upload, or on another handle's one.
    pub(super) fn begin(&mut self, editing: Editing) -> u64 {
        self.last_upload += 1;
        let upload = Upload { path: editing.path().clone(), editing: Some(editing), handles: 0 };
        self.uploads.insert(self.last_upload, upload);
        self.last_upload
    }

    /// Counts one more handle on an upload.
    pub(super) fn share(&mut self, writer: Writer) -> Bytes {
        if let Some(upload) = self.uploads.get_mut(&writer.upload) {
            upload.handles += 1;
        }
        self.insert(Open::Upload(writer))
    }

    /// The upload with this number.
    pub(super) fn upload(&mut self, number: u64) -> Result<&mut Editing, Failure> {
        self.uploads.get_mut(&number).and_then(|upload| upload.editing.as_mut()).ok_or(Failure::Handle)
    }

    /// The upload of a handle that writes.
    pub(super) fn writer(&mut self, handle: &Bytes) -> Result<(Writer, &mut Editing), Failure> {
        match self.get(handle)? {
            Open::Upload(writer) => {
                let writer = *writer;
                self.upload(writer.upload).map(|editing| (writer, editing))
            }
            Open::File(..) | Open::Folder(_) => Err(Failure::Handle),
        }
    }

    /// The path of the upload of a handle.
    pub(super) fn path_of(&self, handle: &Bytes) -> Option<&RemotePath> {
        match self.handles.get(&number(handle).ok()?)? {
            Open::Upload(writer) => self.uploads.get(&writer.upload).map(|upload| &upload.path),
            Open::File(..) | Open::Folder(_) => None,
        }
    }

    /// The upload to a path.
    pub(super) fn upload_at(&self, path: &RemotePath) -> Option<u64> {
        self.uploads.iter().find(|(_, upload)| upload.path == *path).map(|(number, _)| *number)
    }

    /// The uploads that are open, directly in a folder.
    pub(super) fn uploads_in(&self, folder: &RemotePath) -> impl Iterator<Item = &Editing> {
        let inside = |upload: &&Upload| upload.path.parent().as_ref() == Some(folder);
        self.uploads.values().filter(inside).filter_map(|upload| upload.editing.as_ref())
    }

    /// Takes an upload to be committed because a handle on it is closed; says whether other handles share it, which
    /// need it back.
    pub(super) fn take_upload(&mut self, number: u64) -> Result<(Editing, bool), Failure> {
        let upload = self.uploads.get_mut(&number).ok_or(Failure::Handle)?;
        upload.handles = upload.handles.saturating_sub(1);
        let is_shared = upload.handles > 0;
        let editing = upload.editing.take().ok_or(Failure::Handle);
        if !is_shared {
            self.uploads.remove(&number);
        }
        editing.map(|editing| (editing, is_shared))
    }

    /// Gives an upload back that other handles go on with; `None` if it failed.
    pub(super) fn give_back(&mut self, number: u64, editing: Option<Editing>) {
        match (self.uploads.get_mut(&number), editing) {
            (Some(upload), Some(editing)) => upload.editing = Some(editing),
            _ => drop(self.uploads.remove(&number)),
        }
    }

    /// Discards an upload; handles on it fail from now on.
    pub(super) fn abort(&mut self, number: u64) {
        if let Some(editing) = self.uploads.remove(&number).and_then(|upload| upload.editing) {
            editing.abort();
        }
    }

    /// Frees memory if the open files take too much of it.
    pub(super) fn relieve(&mut self) {
        let readings = |open: &Open| if let Open::File(reading, _) = open { reading.buffered() } else { 0 };
        let read: usize = self.handles.values().map(readings).sum();
        if read > MEMORY {
            self.rest();
        }
        let written = |upload: &Upload| upload.editing.as_ref().map_or(0, Editing::buffered);
        if self.uploads.values().map(written).sum::<usize>() <= MEMORY {
            return;
        }
        if let Some(largest) = self.uploads.values_mut().max_by_key(|upload| written(upload))
            && let Some(editing) = &mut largest.editing
            && let Err(error) = editing.unburden()
        {
            // The next request for it is refused.
            tracing::debug!(%error, "an upload cannot go on");
        }
    }

    /// Frees the memory of files that are read.
    pub(super) fn rest(&mut self) {
        for open in self.handles.values_mut() {
            if let Open::File(reading, _) = open {
                reading.rest();
            }
        }
    }
}
