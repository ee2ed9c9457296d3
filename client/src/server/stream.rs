//! Pages and blocks from a server of either protocol.

use std::ops::Deref;

use ferry_shared::message::reply::Page;

use crate::{error::ClientError, remote, sftp, site::BlockBytes};

/// Pages of entries.
#[derive(Debug)]
pub enum PageStream {
    /// From a ferry server.
    Ferry(remote::PageStream),
    /// From an SSH server.
    Sftp(sftp::PageStream),
}

impl PageStream {
    /// The next page; `None` after the last one. This method is cancel safe.
    pub async fn next(&mut self) -> Option<Result<Page, ClientError>> {
        match self {
            Self::Ferry(pages) => pages.next().await,
            Self::Sftp(pages) => pages.next().await,
        }
    }
}

/// A block of a file.
#[derive(Debug)]
pub struct Block {
    /// Its index in the file.
    pub index: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Ferry(remote::Block),
    Sftp(BlockBytes),
}

impl Deref for Block {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Ferry(block) => block,
            Bytes::Sftp(bytes) => bytes,
        }
    }
}

/// The blocks of a file, in order.
pub struct BlockStream {
    /// The size of the whole file in bytes.
    pub size: u64,
    blocks: Blocks,
}

enum Blocks {
    Ferry(Box<remote::BlockStream>),
    Sftp(sftp::BlockReader),
}

impl BlockStream {
    pub(super) fn ferry(blocks: remote::BlockStream) -> Self {
        Self { size: blocks.size, blocks: Blocks::Ferry(Box::new(blocks)) }
    }

    pub(super) fn sftp(blocks: sftp::BlockReader) -> Self {
        Self { size: blocks.size, blocks: Blocks::Sftp(blocks) }
    }

    /// The next block; `None` after the last one. Not cancel safe.
    pub async fn next(&mut self) -> Option<Result<Block, ClientError>> {
        match &mut self.blocks {
            Blocks::Ferry(blocks) => {
                let block = blocks.next().await?;
                Some(block.map(|block| Block { index: block.index, bytes: Bytes::Ferry(block) }))
            }
            Blocks::Sftp(blocks) => {
                let block = blocks.next().await?;
                Some(block.map(|(index, bytes)| Block { index, bytes: Bytes::Sftp(bytes) }))
            }
        }
    }
}
