//! How far everything is: latest values, to be asked for as often as one draws.

use std::time::Duration;

use super::{
    event::ItemState,
    job::{ItemId, JobId},
    path::ItemPath,
};

/// How far the engine is, at the moment it was asked.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Every job that was not yet reported done, in the order of the queue.
    pub jobs: Vec<JobProgress>,
    /// Files of more than one block that are being worked on.
    pub active: Vec<ActiveItem>,
    /// Bulk connections that are open.
    pub connections: usize,
    /// Bytes given to the network since the engine started.
    pub sent: u64,
    /// Bytes taken from the network since the engine started.
    pub received: u64,
}

/// How far a job is.
#[derive(Debug, Clone)]
pub struct JobProgress {
    /// Which.
    pub job: JobId,
    /// Whether its source is still being looked at, so that the totals still grow.
    pub counting: bool,
    /// Whether it is held.
    pub paused: bool,
    /// Files known so far.
    pub files: u64,
    /// Bytes known so far.
    pub bytes: u64,
    /// Files that are through, whatever became of them.
    pub files_done: u64,
    /// Bytes that are through: travelled, reused, or of files left out; none of files that failed.
    pub bytes_done: u64,
    /// Of these, bytes that were there already.
    pub reused: u64,
    /// Bytes of files that travelled.
    pub transferred: u64,
    /// Files that failed so far.
    pub failed: u64,
    /// Items that wait for an answer.
    pub asking: u64,
}

/// How far a file is that is being worked on.
#[derive(Debug, Clone)]
pub struct ActiveItem {
    /// Which.
    pub item: ItemId,
    /// Its job.
    pub job: JobId,
    /// What it is.
    pub path: ItemPath,
    /// Its size, unless the source is a stream.
    pub size: Option<u64>,
    /// Bytes that are through, reused ones included.
    pub done: u64,
    /// Of these, bytes that were there already.
    pub reused: u64,
    /// What it is at.
    pub state: ItemState,
    /// For how long it has been worked on.
    pub elapsed: Duration,
}
