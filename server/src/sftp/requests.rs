//! Every request, and what it does on the files.

use bytes::Bytes;
use ferry_shared::{
    entry::Kind,
    path::RemotePath,
    sftp::{
        Attributes, DATA_MAX, DataReply, Extended, OpenFlags, Reply, Request, SEND_MAX, ServerLimits, StatVfs, Status,
    },
};

use super::{
    attributes::{self, Wanted, wanted},
    channel::Channel,
    listing::Listing,
    opened::{HANDLES, Open, Writer},
    status::{self, Failure},
    task::{Copy, Task},
};
use crate::{
    bandwidth::Direction,
    files::{Existing, Step, Usage},
};

/// The unit in which the figures of a volume are told.
const UNIT: u64 = 4096;
/// Bytes in a name.
const NAME_MAX: u64 = 255;

impl Channel {
    /// Carries out a request, or starts a task that answers it.
    pub(super) fn handle(&mut self, id: u32, request: Request) -> Result<(), Failure> {
        use Request as R;
        let reply = match request {
            R::Open { path, flags, attributes } => {
                Reply::Handle(self.open(&status::path(&path)?, flags, &attributes)?)
            }
            R::Close { handle } => return self.close(id, &handle),
            R::Read { handle, offset, length } => return self.read(id, &handle, offset, length),
            R::Write { handle, offset, data } => return self.write(id, &handle, offset, &data),
            R::LStat { path } => Reply::Attributes(self.look(&status::path(&path)?, false)?),
            R::Stat { path } => Reply::Attributes(self.look(&status::path(&path)?, true)?),
            R::FStat { handle } => Reply::Attributes(self.look_at_open(&handle)?),
            R::SetStat { path, attributes } | R::Extended(Extended::LSetStat { path, attributes }) => {
                return self.set(id, status::path(&path)?, &attributes);
            }
            R::FSetStat { handle, attributes } => done(self.set_open(&handle, &attributes)?),
            R::OpenDir { path } => {
                self.opened.has_room()?;
                let listing = Listing::open(&self.files, status::path(&path)?, self.user.clone())?;
                Reply::Handle(self.opened.insert(Open::Folder(Box::new(listing))))
            }
            R::ReadDir { handle } => return self.read_folder(id, &handle),
            R::Remove { path } => done(self.remove(&status::path(&path)?)?),
            R::RemoveDir { path } => done(self.remove_folder(status::path(&path)?)?),
            R::MakeDir { path, attributes } => done(self.make_folder(&status::path(&path)?, &attributes)?),
            R::RealPath { path } => {
                let path = status::path(&path)?;
                Reply::path([b"/", path.as_bytes()].concat().into())
            }
            R::Rename { from, to } => done(self.rename(&status::path(&from)?, &status::path(&to)?, false)?),
            R::Extended(Extended::PosixRename { from, to }) => {
                done(self.rename(&status::path(&from)?, &status::path(&to)?, true)?)
            }
            R::ReadLink { path } => Reply::path(self.files.link_text(&status::path(&path)?)?.into()),
            R::Extended(Extended::Fsync { handle }) => done(self.opened.writer(&handle)?.1.flush()?),
            R::Extended(Extended::StatVfs { .. } | Extended::FStatVfs { .. }) => {
                Reply::Extended(volume(self.files.usage()).encode())
            }
            R::Extended(Extended::Limits) => {
                let (most, handles) = (DATA_MAX as u64, HANDLES as u64);
                Reply::Extended(ServerLimits { packet: SEND_MAX as u64, read: most, write: most, handles }.encode())
            }
            R::Extended(Extended::CopyData { from, from_offset, length, to, to_offset }) => {
                return self.copy(id, from, from_offset, length, to, to_offset);
            }
            R::Symlink { .. }
            | R::Extended(
                Extended::HardLink { .. }
                | Extended::ExpandPath { .. }
                | Extended::HomeDirectory { .. }
                | Extended::Unknown { .. },
            ) => return Err(Failure::Unsupported),
        };
        self.out.reply(id, &reply);
        Ok(())
    }

    fn open(&mut self, path: &RemotePath, flags: OpenFlags, attributes: &Attributes) -> Result<Bytes, Failure> {
        self.opened.has_room()?;
        if !flags.has(OpenFlags::WRITE) {
            let reading = self.files.open(path).map_err(|error| self.files.if_unfinished(error, path))?;
            return Ok(self.opened.insert(Open::File(Box::new(reading), path.clone())));
        }
        let existing = match flags {
            flags if flags.has(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => Existing::Refuse,
            flags if flags.has(OpenFlags::TRUNCATE) => Existing::Replace,
            _ => Existing::Keep,
        };
        let upload = match self.opened.upload_at(path) {
            Some(_) if existing == Existing::Refuse => {
                return Err(Failure::NotThis("the file is being written already"));
            }
            Some(upload) => {
                if existing == Existing::Replace {
                    self.opened.upload(upload)?.truncate(0)?;
                }
                upload
            }
            None => {
                let mode = attributes::mode_of_new(attributes);
                self.opened.begin(self.files.edit(path, existing, flags.has(OpenFlags::CREATE), mode)?)
            }
        };
        // Those who continue an unfinished upload know where it ends.
        let appends = flags.has(OpenFlags::APPEND) && !self.opened.upload(upload)?.is_resumed();
        Ok(self.opened.share(Writer { upload, reads: flags.has(OpenFlags::READ), appends }))
    }

    fn close(&mut self, id: u32, handle: &Bytes) -> Result<(), Failure> {
        match self.opened.remove(handle)? {
            Open::File(reading, path) => {
                self.hide(&path);
                reading.close()?;
            }
            Open::Upload(writer) => {
                let (editing, is_shared) = self.opened.take_upload(writer.upload)?;
                let path = editing.path().clone();
                self.hide(&path);
                let shared = is_shared.then_some(writer.upload);
                match editing.commit() {
                    Ok(work) => self.tasks.push_back(Task::commit(id, work, path, shared)),
                    Err(error) => {
                        if let Some(number) = shared {
                            self.opened.give_back(number, None);
                        }
                        return Err(error.into());
                    }
                }
                return Ok(());
            }
            Open::Folder(_) => {}
        }
        self.out.reply(id, &done(()));
        Ok(())
    }

    fn read(&mut self, id: u32, handle: &Bytes, offset: u64, length: u32) -> Result<(), Failure> {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(DATA_MAX);
        let Self { opened, out, .. } = self;
        let mut seen = None;
        out.write(id, |out| {
            let reply = DataReply::begin(out, id);
            let read = match opened.get(handle) {
                Ok(Open::File(reading, path)) => {
                    let read = reading.read_at(offset, length, out);
                    seen = Some((path.clone(), reading.size()));
                    read.map_err(Failure::from)
                }
                Ok(Open::Upload(writer)) if writer.reads => {
                    let number = writer.upload;
                    opened.upload(number).and_then(|editing| Ok(editing.read_at(offset, length, out)?))
                }
                Ok(Open::Upload(_) | Open::Folder(_)) => Err(Failure::Handle),
                Err(failure) => Err(failure),
            };
            match read {
                Ok(1..) => Ok(reply.end(out)),
                Ok(0) if length == 0 => Ok(reply.end(out)),
                Ok(_) => {
                    reply.abandon(out);
                    Err(Failure::End)
                }
                Err(failure) => {
                    reply.abandon(out);
                    Err(failure)
                }
            }
        })?;
        if let Some((path, size)) = seen {
            self.show(Direction::Down, &path, Some(size), offset.saturating_add(length as u64).min(size));
            self.opened.relieve();
        }
        Ok(())
    }

    fn write(&mut self, id: u32, handle: &Bytes, offset: u64, data: &[u8]) -> Result<(), Failure> {
        let (writer, editing) = self.opened.writer(handle)?;
        let offset = if writer.appends { editing.size() } else { offset };
        editing.write_at(offset, data)?;
        let (path, end) = (editing.path().clone(), offset.saturating_add(data.len() as u64));
        self.show(Direction::Up, &path, None, end);
        self.opened.relieve();
        self.out.status(id, Status::Ok, "");
        Ok(())
    }

    /// The attributes of an entry. A file that is being written here is shown as it will be.
    fn look(&mut self, path: &RemotePath, follow: bool) -> Result<Attributes, Failure> {
        if let Some(upload) = self.opened.upload_at(path) {
            return Ok(attributes::of_editing(self.opened.upload(upload)?));
        }
        let found = if follow { self.files.stat_through(path) } else { self.files.stat(path) };
        match found {
            Ok((entry, _)) => Ok(attributes::of_entry(&entry)),
            Err(error) if error.is_not_found() => Ok(attributes::of_parked(self.files.parked(path).ok_or(error)?)),
            Err(error) => Err(error.into()),
        }
    }

    fn look_at_open(&mut self, handle: &Bytes) -> Result<Attributes, Failure> {
        match self.opened.get(handle)? {
            Open::File(reading, _) => Ok(attributes::of_file(reading.size(), reading.mode(), reading.mtime())),
            Open::Upload(writer) => {
                let number = writer.upload;
                Ok(attributes::of_editing(self.opened.upload(number)?))
            }
            Open::Folder(listing) => {
                let path = listing.path().clone();
                self.look(&path, true)
            }
        }
    }

    fn set(&mut self, id: u32, path: RemotePath, attributes: &Attributes) -> Result<(), Failure> {
        let wanted = wanted(attributes)?;
        if let Some(upload) = self.opened.upload_at(&path) {
            set(self.opened.upload(upload)?, wanted)?;
        } else if wanted.size.is_some() {
            // An unfinished upload is not opened: that would cut it.
            self.files.stat(&path).map_err(|error| self.files.if_unfinished(error, &path))?;
            let mut editing = self.files.edit(&path, Existing::Keep, false, None)?;
            set(&mut editing, wanted)?;
            self.tasks.push_back(Task::commit(id, editing.commit()?, path, None));
            return Ok(());
        } else if !wanted.is_nothing() {
            let set = self.files.set_attributes(&path, wanted.mtime, wanted.mode);
            set.map_err(|error| self.files.if_unfinished(error, &path))?;
        } else {
            self.look(&path, true)?;
        }
        self.out.reply(id, &done(()));
        Ok(())
    }

    fn set_open(&mut self, handle: &Bytes, attributes: &Attributes) -> Result<(), Failure> {
        let wanted = wanted(attributes)?;
        match self.opened.get(handle)? {
            Open::Upload(writer) => {
                let number = writer.upload;
                set(self.opened.upload(number)?, wanted)
            }
            Open::File(_, path) if wanted.size.is_none() => {
                Ok(self.files.set_attributes(path, wanted.mtime, wanted.mode)?)
            }
            Open::File(..) | Open::Folder(_) => Err(Failure::Handle),
        }
    }

    fn read_folder(&mut self, id: u32, handle: &Bytes) -> Result<(), Failure> {
        // Uploads that are open here are not on the disk under their names.
        let Self { opened, out, files, .. } = self;
        let Open::Folder(_) = opened.get(handle)? else { return Err(Failure::Handle) };
        let mut open = opened.remove(handle)?;
        let Open::Folder(listing) = &mut open else { return Err(Failure::Handle) };
        let told = out.write(id, |out| {
            listing.next(id, out, |folder| {
                let parked = files.parked_in(folder).into_iter();
                let parked = parked.map(|(name, parked)| (name, attributes::of_parked(parked)));
                let new = opened
                    .uploads_in(folder)
                    .filter(|editing| files.stat(editing.path()).is_err_and(|error| error.is_not_found()));
                let new = new.filter_map(|editing| Some((editing.path().name()?, attributes::of_editing(editing))));
                parked.chain(new).collect()
            })
        });
        opened.put_back(handle, open);
        told
    }

    fn remove(&mut self, path: &RemotePath) -> Result<(), Failure> {
        match self.files.stat(path) {
            Ok((entry, _)) if entry.kind == Kind::Folder => Err(Failure::NotThis("it is a folder")),
            Ok(_) if self.files.failed_lately(path) => Err(Failure::NotThis(
                "the upload failed and this is the file from before; remove it again to remove it",
            )),
            Ok(_) => self.remove_entry(path.clone()),
            Err(error) if !error.is_not_found() => Err(error.into()),
            Err(error) => {
                if let Some(upload) = self.opened.upload_at(path) {
                    self.opened.abort(upload);
                    return Ok(());
                }
                if self.files.parked(path).is_none() {
                    return Err(error.into());
                }
                Ok(self.files.discard(path)?)
            }
        }
    }

    fn remove_folder(&mut self, path: RemotePath) -> Result<(), Failure> {
        match self.files.stat(&path)?.0.kind {
            Kind::Folder => self.remove_entry(path),
            _ => Err(Failure::NotThis("it is not a folder")),
        }
    }

    fn remove_entry(&mut self, path: RemotePath) -> Result<(), Failure> {
        let mut work = self.files.remove(path, false, None)?;
        while !matches!(work.step()?, Step::Last(_)) {}
        Ok(())
    }

    fn make_folder(&mut self, path: &RemotePath, attributes: &Attributes) -> Result<(), Failure> {
        self.files.make_dir(path, false)?;
        match attributes::mode_of_new(attributes) {
            // The attributes that it has already.
            None | Some(0o755) => Ok(()),
            mode => Ok(self.files.set_attributes(path, None, mode)?),
        }
    }

    fn rename(&mut self, from: &RemotePath, to: &RemotePath, replace: bool) -> Result<(), Failure> {
        let renamed = self.files.rename(from, to, replace);
        match renamed {
            Err(error) if error.is_not_found() && self.opened.upload_at(from).is_some() => {
                Err(Failure::NotThis("the file is being written"))
            }
            renamed => Ok(renamed.map_err(|error| self.files.if_unfinished(error, from))?),
        }
    }

    fn copy(
        &mut self,
        id: u32,
        from: Bytes,
        from_offset: u64,
        length: u64,
        to: Bytes,
        to_offset: u64,
    ) -> Result<(), Failure> {
        let (writer, _) = self.opened.writer(&to)?;
        if matches!(self.opened.get(&from)?, Open::Upload(source) if source.upload == writer.upload) {
            return Err(Failure::NotThis("a file cannot be copied into itself"));
        }
        let left = (length > 0).then_some(length);
        let copy = Copy { from, from_offset, left, to, to_offset, buffer: Vec::new() };
        self.tasks.push_back(Task::copy(id, copy));
        Ok(())
    }
}

fn done((): ()) -> Reply {
    Reply::status(Status::Ok, "")
}

/// Sets attributes of a file that is being written: the size first, because it changes the time.
fn set(editing: &mut crate::files::Editing, wanted: Wanted) -> Result<(), Failure> {
    if let Some(size) = wanted.size {
        editing.truncate(size)?;
    }
    if wanted.mode.is_some() || wanted.mtime.is_some() {
        editing.set_attributes(wanted.mtime, wanted.mode)?;
    }
    Ok(())
}

/// The quota as a volume: its size is the limit, and what is free can still be stored.
fn volume(usage: Usage) -> StatVfs {
    let Usage { used, reserved, limit, files, file_limit, free } = usage;
    let free_on_disk = free.unwrap_or(u64::MAX);
    let left =
        limit.map_or(free_on_disk, |limit| limit.saturating_sub(used.saturating_add(reserved)).min(free_on_disk));
    let all = limit.unwrap_or_else(|| used.saturating_add(reserved).saturating_add(left));
    // Without a limit, so many that no client computes with an overflow.
    let all_files = file_limit.unwrap_or(u64::from(u32::MAX)).max(files);
    StatVfs {
        block_size: UNIT,
        fragment_size: UNIT,
        blocks: all / UNIT,
        blocks_free: left / UNIT,
        blocks_available: left / UNIT,
        files: all_files,
        files_free: all_files - files,
        files_available: all_files - files,
        id: 0,
        flags: StatVfs::NO_SETUID,
        name_max: NAME_MAX,
    }
}
