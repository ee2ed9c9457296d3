//! A local source file: opened without blocking or following links unasked, read to its actual end, and verified to be
//! unchanged while it was read.

use std::{
    fs::File,
    io::{self, Read as _},
    time::SystemTime,
};

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, block_digest},
    entry::Mtime,
    limits::{BLOCK_SIZE, block_count},
    pool::BufferPool,
};

use super::{
    identity::Identity,
    landing::{Create, Targets},
    place::{failed, source_path},
    system::{self, Disk},
};
use crate::{
    error::ClientError,
    site::{FileFacts, Grown, Location, Opened, Reach, Version},
};

/// The reason for refusing a file that has content but reports no size.
const NO_SIZE: &str = "it has content but no size; `ferry put -` sends such a file";

/// A local file opened for reading, in its state at that time.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    /// The date, and the actual size, which may differ from the reported one.
    pub(super) facts: FileFacts,
    pub(super) mode: u32,
    /// The state of the file when it was opened.
    pub(super) identity: Identity,
    /// The content of a file that is shorter than its reported size, as in `/sys`. The system generates such content
    /// anew for each read.
    pub(super) content: Option<Vec<u8>>,
}

impl OpenFile {
    fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let facts = FileFacts { size: metadata.len(), mtime: Mtime::from(metadata.modified()?) };
        let identity = Identity::of(&file)?;
        Ok(Self { facts, mode: system::mode_of(&metadata), identity, content: None, file })
    }

    /// Determines the actual end of a file that is shorter than its reported size.
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

    /// Refuses a file that reports size 0 but has content, as in `/proc` and on some network disks, because it would be
    /// stored empty. `false` if the file was written to meanwhile.
    fn require_size(&self) -> io::Result<bool> {
        let no_size = || io::Error::new(io::ErrorKind::InvalidInput, NO_SIZE);
        match (&self.file).read(&mut [0]) {
            Ok(0) => Ok(true),
            // The file has a size now.
            Ok(_) if self.file.metadata()?.len() > 0 => Ok(false),
            Ok(_) => Err(no_size()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(no_size()),
            Err(error) => Err(error),
        }
    }

    /// The file as the target sees it.
    pub(super) fn told(&self) -> Opened {
        Opened {
            size: Some(self.facts.size),
            mtime: self.facts.mtime,
            mode: self.mode,
            version: Some(Version::new(self.identity)),
        }
    }

    /// Appends block `index` to `out`.
    pub(super) fn read_block(&self, at: &Location, index: u64, out: &mut Vec<u8>) -> Result<(), ClientError> {
        match &self.content {
            Some(content) if index == 0 => {
                out.extend_from_slice(content);
                Ok(())
            }
            _ => blocks::read_block(&self.file, self.facts.size, index, out).map_err(|error| read_error(at, error)),
        }
    }
}

/// Opens a file. Determines the actual end of a source; does not follow links at a target.
pub(super) fn open(targets: &mut Targets, at: &Location) -> Result<OpenFile, ClientError> {
    open_as(targets, at).map_err(|error| failed(at, error))?.ok_or(ClientError::SourceChanged)
}

fn open_as(targets: &mut Targets, at: &Location) -> io::Result<Option<OpenFile>> {
    if at.reach() == Reach::Contained {
        let target = targets.get(at, Create::None)?;
        return OpenFile::new(target.folder.open_file(target.name()?)?).map(Some);
    }
    let mut opened = OpenFile::new(system::open_source(&source_path(at)?, at.reach() == Reach::Follow)?)?;
    opened.find_end()?;
    let written_to = opened.identity.size() == 0 && !opened.require_size()?;
    Ok((!written_to).then_some(opened))
}

/// Computes the digest of a file. `each` is called for every block and may stop it.
pub(super) fn digest(
    pool: &BufferPool,
    at: &Location,
    opened: &OpenFile,
    mut each: impl FnMut(u64) -> Result<(), ClientError>,
) -> Result<Digest, ClientError> {
    if let Some(content) = &opened.content {
        return Ok(Digest::of(content));
    }
    let (size, mut root) = (opened.facts.size, RootBuilder::new());
    let mut block = pool.take();
    for index in 0..block_count(size) {
        each(index)?;
        block.clear();
        opened.read_block(at, index, &mut block)?;
        root.push(block_digest(size, index, &block));
    }
    Ok(root.root())
}

/// Verifies that the content read from a file, with the digest `root`, existed at one point in time.
///
/// If the state of the file does not prove that, the file is read again: content that is equal twice existed between
/// the two reads. A file that only grew counts with its old size; with `growing`, it is not even read again.
pub(super) fn settle(
    pool: &BufferPool,
    at: &Location,
    opened: &mut OpenFile,
    root: Digest,
    growing: bool,
    each: impl FnMut(u64) -> Result<(), ClientError>,
) -> Result<Option<Grown>, ClientError> {
    let now = opened.identity.now(&opened.file).map_err(|error| failed(at, error))?;
    if opened.identity.proves(&now) || opened.content.is_some() {
        return Ok(None);
    }
    if now.size() < opened.identity.size() {
        return Err(ClientError::SourceChanged);
    }
    let grown = now.size() > opened.identity.size();
    let time = SystemTime::now();
    let proven = !(grown && growing);
    if proven && digest(pool, at, opened, each)? != root {
        return Err(ClientError::SourceChanged);
    }
    opened.identity = now;
    Ok(grown.then_some(Grown { at: time, proven }))
}

/// Converts a read error; a file that ends early has changed.
fn read_error(at: &Location, error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ClientError::SourceChanged,
        _ => failed(at, error),
    }
}
