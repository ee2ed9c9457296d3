//! The content of a file, block by block in any order, for verbs that show a part of it.

use std::ffi::OsStr;

use ferry_shared::limits::{BLOCK_SIZE, block_count};

use super::{call::Call, console::pause};
use crate::files::{Error, Reading};

/// An open file, and one of its blocks.
#[derive(Debug)]
pub(super) struct Source {
    reading: Reading,
    block: Vec<u8>,
    index: Option<u64>,
}

impl Source {
    /// Opens the file that was named as `typed`; writes a message if that fails.
    pub(super) async fn open(typed: &OsStr, call: &mut Call) -> Option<Self> {
        let path = call.path(typed).await?;
        match call.files.read(&path) {
            Ok(reading) => Some(Self { reading, block: Vec::new(), index: None }),
            Err(error) => {
                call.fail(typed, &error);
                None
            }
        }
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.reading.size()
    }

    /// The number of its blocks.
    pub(super) fn blocks(&self) -> u64 {
        block_count(self.size())
    }

    /// The bytes of a block. Reading one ends the step.
    pub(super) async fn block(&mut self, index: u64) -> Result<&[u8], Error> {
        if self.index != Some(index) {
            self.index = None;
            self.block.clear();
            pause().await;
            self.reading.read_block(index, &mut self.block)?;
            self.index = Some(index);
        }
        Ok(&self.block)
    }

    /// The bytes from `offset` to the end of its block; empty at the end of the file.
    pub(super) async fn from(&mut self, offset: u64) -> Result<&[u8], Error> {
        if offset >= self.size() {
            return Ok(&[]);
        }
        let inside = usize::try_from(offset % BLOCK_SIZE).unwrap_or(usize::MAX);
        Ok(self.block(offset / BLOCK_SIZE).await?.get(inside..).unwrap_or_default())
    }

    /// Prints the bytes from `start` to `end`.
    pub(super) async fn print(&mut self, start: u64, end: u64, call: &Call) -> Result<(), Error> {
        let mut offset = start;
        while offset < end {
            let bytes = self.from(offset).await?;
            let length = usize::try_from(end - offset).unwrap_or(usize::MAX).min(bytes.len());
            let Some(bytes) = bytes.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
            call.print(bytes).await;
            offset += length as u64;
        }
        Ok(())
    }

    /// The offset after the `lines`-th line; the size, if there are fewer lines.
    pub(super) async fn after_lines(&mut self, lines: u64) -> Result<u64, Error> {
        let (mut left, mut offset) = (lines, 0);
        while left > 0 && offset < self.size() {
            let bytes = self.from(offset).await?;
            let mut length = bytes.len();
            for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                left -= 1;
                if left == 0 {
                    length = at + 1;
                    break;
                }
            }
            offset += length as u64;
        }
        Ok(offset)
    }

    /// The offset of the `lines`-th line from the end; 0, if there are fewer lines.
    pub(super) async fn last_lines(&mut self, lines: u64) -> Result<u64, Error> {
        let (mut left, last) = (lines, self.size().saturating_sub(1));
        if lines == 0 {
            return Ok(self.size());
        }
        for index in (0..self.blocks()).rev() {
            let start = index * BLOCK_SIZE;
            let bytes = self.block(index).await?;
            for (at, _) in bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
                let offset = start + at as u64;
                // The newline that ends the last line begins no other one.
                if offset == last {
                    continue;
                }
                left -= 1;
                if left == 0 {
                    return Ok(offset + 1);
                }
            }
        }
        Ok(0)
    }

    /// Ends the reading, which the audit log then has as complete.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.reading.finish().map(drop)
    }
}

/// When the name of a file is printed before its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Titles {
    is_shown: bool,
    is_first: bool,
}

impl Titles {
    /// `quiet` and `verbose` are what the arguments ask for; else several files have titles.
    pub(super) fn new(files: usize, quiet: bool, verbose: bool) -> Self {
        Self { is_shown: verbose || files > 1 && !quiet, is_first: true }
    }

    /// Prints the title of the next file.
    pub(super) async fn print(&mut self, name: &[u8], call: &Call) {
        if self.is_shown {
            let gap: &[u8] = if self.is_first { b"" } else { b"\n" };
            call.print([gap, b"==> ", name, b" <==\n"].concat()).await;
        }
        self.is_first = false;
    }
}
