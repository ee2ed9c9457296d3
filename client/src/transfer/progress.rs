//! The progress of jobs and files: current values, which front ends read each time they draw.

use std::time::Duration;

use super::{
    event::ItemState,
    job::{ItemId, JobId},
    path::ItemPath,
};

/// The progress of the engine at one moment.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Every job that was not reported as done yet, in the order of the queue.
    pub jobs: Vec<JobProgress>,
    /// Files that are being transferred: those of more than one block, and smaller ones whose bytes move slowly.
    pub active: Vec<ActiveItem>,
    /// The number of open bulk connections.
    pub connections: usize,
    /// Bytes given to the network since the engine started.
    pub sent: u64,
    /// Bytes taken from the network since the engine started.
    pub received: u64,
}

/// The progress of a job.
#[derive(Debug, Clone)]
pub struct JobProgress {
    /// The job.
    pub job: JobId,
    /// Whether its source is still being scanned, so that the totals still grow.
    pub counting: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Files known so far.
    pub files: u64,
    /// Bytes known so far.
    pub bytes: u64,
    /// Files that are done, with any outcome.
    pub files_done: u64,
    /// Bytes that are done: sent, reused, or of skipped files, but not of failed ones. Those of unfinished blocks may
    /// still be lost.
    pub bytes_done: u64,
    /// Of these, bytes that the target had already.
    pub reused: u64,
    /// Bytes of files that were sent.
    pub transferred: u64,
    /// Files that failed so far.
    pub failed: u64,
    /// Items that wait for an answer.
    pub asking: u64,
    /// Items that connections have taken.
    pub under_way: u64,
}

/// The progress of a file that is being transferred.
#[derive(Debug, Clone)]
pub struct ActiveItem {
    /// The item.
    pub item: ItemId,
    /// Its job.
    pub job: JobId,
    /// Its path.
    pub path: ItemPath,
    /// Its size, unless the source is a stream.
    pub size: Option<u64>,
    /// Bytes that are done, including reused ones and those of unfinished blocks, which may still be lost.
    pub done: u64,
    /// Of these, bytes that the target had already.
    pub reused: u64,
    /// Its state.
    pub state: ItemState,
    /// The time since its transfer started.
    pub elapsed: Duration,
}
