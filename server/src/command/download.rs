//! `Get`: the blocks of a file that the client does not hold.
//!
//! The client's digests are used as they arrive, so neither side ever holds the list for a large file. The server
//! reads and digests every block, sent or not: the root in `Sent` describes the file as it is on this disk now.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ferry_shared::{
    chunks::{Described, Known},
    digest::Digest,
    limits::{BLOCK_SIZE, block_count, block_len},
    message::{Reply, decode::Follows, request::BlockRange},
    path::RemotePath,
};

use crate::{
    files::{Error, Files, Reading},
    outbox::{Fate, Outbox},
};

/// How long the connection may be silent while equal blocks are read. After that one block is sent although the
/// client holds it, so that the client can tell a busy server from one that hangs.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The next block depends on digests that have not arrived yet.
    NeedsHave,
    /// One block was handled.
    More,
    /// `Sent` is in the outbox.
    Done,
}

/// A download in progress.
#[derive(Debug)]
pub(super) struct Download {
    reading: Reading,
    /// The next block, and the first block after the requested range.
    next: u64,
    end: u64,
    /// Whether a range was requested: the digest of a range is not the root of any file.
    is_range: bool,
    known: VecDeque<KnownDigests>,
    /// The chunks of the client's basis.
    chunks: Known,
    /// The block read last, which is sent with the next one, if the client has chunks.
    behind: Option<Unsent>,
    /// A buffer for the next block.
    spare: Vec<u8>,
    /// All digests below this block have arrived.
    told: u64,
    all_told: bool,
    /// When a block was last sent.
    last_sent: Instant,
}

/// Digests of consecutive blocks the client holds.
#[derive(Debug)]
struct KnownDigests {
    first: u64,
    digests: Vec<Digest>,
}

/// A block that was read and not sent yet.
#[derive(Debug)]
struct Unsent {
    index: u64,
    bytes: Vec<u8>,
    /// Whether the client does not have it.
    differs: bool,
}

/// Opens the file and sends `Opened` at once.
pub(super) fn start(
    files: &Files,
    path: &RemotePath,
    blocks: Option<BlockRange>,
    out: &mut Outbox,
) -> Result<Download, Error> {
    let reading = files.read(path)?;
    let count = block_count(reading.size());
    let (next, end) = match blocks {
        Some(range) => (range.first.min(count), range.first.saturating_add(range.count).min(count)),
        None => (0, count),
    };
    out.reply(&Reply::Opened {
        size: reading.size(),
        mtime: reading.mtime(),
        mode: reading.mode(),
        version: reading.version().clone(),
    });
    Ok(Download {
        reading,
        next,
        end,
        is_range: blocks.is_some(),
        known: VecDeque::new(),
        chunks: Known::default(),
        behind: None,
        spare: Vec::new(),
        told: 0,
        all_told: false,
        last_sent: Instant::now(),
    })
}

impl Download {
    /// Takes digests from the client; an empty list ends them.
    ///
    /// The client may know a longer file than the present one. Its digests of blocks past the end are valid and
    /// ignored.
    pub(super) fn have(&mut self, first: u64, mut digests: Vec<Digest>) -> Result<(), &'static str> {
        if self.all_told {
            return Err("have-frames after the last one");
        }
        if digests.is_empty() {
            self.all_told = true;
            return Ok(());
        }
        if first < self.told {
            return Err("have-frames out of order");
        }
        self.told = first.saturating_add(digests.len() as u64);
        let useful = block_count(self.size()).saturating_sub(first);
        digests.truncate(usize::try_from(useful).unwrap_or(usize::MAX));
        if !digests.is_empty() {
            self.known.push_back(KnownDigests { first, digests });
        }
        Ok(())
    }

    /// Takes descriptions of chunks that the client has.
    pub(super) fn chunks(&mut self, described: &Described) -> Result<(), &'static str> {
        if self.all_told {
            return Err("a chunks-frame after the last have-frame");
        }
        self.chunks.take(described);
        Ok(())
    }

    /// Handles one block.
    pub(super) fn step(&mut self, out: &mut Outbox) -> Result<Step, Error> {
        let known = self.all_told || self.next < self.told;
        if self.next < self.end && !known {
            return Ok(Step::NeedsHave);
        }
        if self.next >= self.end {
            // The client's last have-frame belongs to this request; do not answer before it arrives.
            return if self.all_told { self.finish(out) } else { Ok(Step::NeedsHave) };
        }
        let held = self.known_digest();
        let index = self.next;
        let silent = self.last_sent.elapsed() >= KEEP_ALIVE;
        let sent = match self.chunks.is_empty() {
            true => self.whole_block(out, index, held, silent)?,
            false => self.delta_block(out, index, held, silent)?,
        };
        if sent {
            self.last_sent = Instant::now();
        }
        self.next += 1;
        Ok(Step::More)
    }

    /// Reads a block and sends it, unless the client has it; returns whether it was sent.
    fn whole_block(&mut self, out: &mut Outbox, index: u64, held: Option<Digest>, silent: bool) -> Result<bool, Error> {
        let length = block_len(self.size(), index).unwrap_or(0);
        let mut sent = false;
        out.block(index, length, |buffer| {
            sent = held != Some(self.reading.read_block(index, buffer)?) || silent;
            Ok(if sent { Fate::Send } else { Fate::Skip })
        })?;
        Ok(sent)
    }

    /// Reads a block, and sends the one before it as a delta if the client does not have it; returns whether it was sent.
    fn delta_block(&mut self, out: &mut Outbox, index: u64, held: Option<Digest>, silent: bool) -> Result<bool, Error> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        let digest = self.reading.read_block(index, &mut bytes)?;
        let differs = held != Some(digest) || silent;
        let passed = self.behind.replace(Unsent { index, bytes, differs });
        let sent = self.send_delta(out, passed)?;
        if index + 1 < self.end {
            return Ok(sent);
        }
        let last = self.behind.take();
        Ok(self.send_delta(out, last)? || sent)
    }

    fn send_delta(&mut self, out: &mut Outbox, unsent: Option<Unsent>) -> Result<bool, Error> {
        let Some(Unsent { index, bytes, differs }) = unsent else { return Ok(false) };
        if differs {
            let behind = self.behind.as_ref().map_or(&[][..], |behind| &behind.bytes);
            let mut steps = Vec::new();
            match self.chunks.delta(index, &bytes, behind, &mut steps) {
                0 => out.block(index, bytes.len(), |buffer| {
                    buffer.extend_from_slice(&bytes);
                    Ok(Fate::Send)
                })?,
                _ => out.delta(index, &steps).map_err(Error::fault)?,
            }
        } else {
            self.chunks.pass(index, &bytes);
        }
        self.spare = bytes;
        Ok(differs)
    }

    /// The client's digest of the next block, if the client sent one.
    fn known_digest(&mut self) -> Option<Digest> {
        while let Some(held) = self.known.front() {
            let offset = self.next.checked_sub(held.first)?;
            if let Some(digest) = usize::try_from(offset).ok().and_then(|offset| held.digests.get(offset)) {
                return Some(*digest);
            }
            self.known.pop_front();
        }
        None
    }

    fn finish(&mut self, out: &mut Outbox) -> Result<Step, Error> {
        let (root, version) = self.reading.finish()?;
        out.reply(&Reply::Sent { root: root.filter(|_| !self.is_range), version });
        Ok(Step::Done)
    }

    /// The file's size.
    pub(super) fn size(&self) -> u64 {
        self.reading.size()
    }

    /// Bytes of the file that have been handled.
    pub(super) fn position(&self) -> u64 {
        self.next.saturating_mul(BLOCK_SIZE).min(self.size())
    }

    /// The frames of the request that are still to come.
    pub(super) fn follows(&self) -> Follows {
        if self.all_told { Follows::Nothing } else { Follows::UpToEmptyHave }
    }
}
