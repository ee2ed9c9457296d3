//! The audit log: one line for each login, change, transfer, refusal and action of the operator.
//!
//! Each line has a number and the hash of the previous line, so that nobody can change, remove or insert a line
//! unnoticed. Frequent events of one user or stranger are summarised, so that they do not push other lines out. One
//! thread writes; a bounded queue leads to it, and callers wait while the queue is full. If the disk cannot be
//! written, the server continues: lost lines are counted, and once there is room again a `gap` line says how many
//! are missing.

mod chain;
pub(crate) mod event;
mod file;
mod fold;
pub(crate) mod verify;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use ferry_shared::refusal::{Code, Refusal};
use tokio::sync::mpsc;

use crate::{config, disk_fault::Fault, private_file};
use event::{Event, Who};
use file::{AuditFile, Keep};
use writer::Writer;

/// Lines that wait to be written.
const QUEUE: usize = 1024;
/// The share of the log (one part in this many) that one user may fill per day before changes are summarised.
const SHARE: u64 = 10;

/// The reason why there is no audit log.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the audit log {}: {source}", path.display())]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// A message to the writing thread.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are lines")]
enum Message {
    Line(SystemTime, Who, Event),
    Keep(Keep),
    Stop,
}

/// A handle to the audit log; clones share it. The default handle records nothing.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    queue: Option<mpsc::Sender<Message>>,
    counts: Arc<LineCounts>,
}

/// Counts of lines that are not safely on disk.
#[derive(Debug, Default)]
struct LineCounts {
    /// Lines that could not be written.
    lost: AtomicU64,
    /// Lines that are written, but that a power cut could destroy.
    unflushed: AtomicU64,
}

/// The writing thread.
#[derive(Debug)]
pub struct AuditThread(JoinHandle<()>);

impl Audit {
    /// Continues the log in `folder`; if the disk does not allow it, as soon as it does. Blocks on the disk.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn open(folder: &Path, config: &config::Audit) -> Result<(Self, AuditThread), AuditError> {
        let path = folder.join(file::NAME);
        let failed = |source| AuditError { path: path.clone(), source };
        private_file::make_folder(folder).map_err(failed)?;
        let keep = keep(config);
        let file = match AuditFile::open(path.clone(), keep) {
            Err(error) if Fault::behind(&error).is_some() => {
                tracing::error!(path = %path.display(), %error, "the audit log cannot be opened; the server goes on without it until it can");
                AuditFile::waiting(path.clone(), keep)
            }
            opened => opened.map_err(failed)?,
        };
        let (queue, messages) = mpsc::channel(QUEUE);
        let counts = Arc::default();
        let writer = Writer::new(file, messages, Arc::clone(&counts), share(keep));
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(|| writer.run()).map_err(failed)?;
        Ok((Self { queue: Some(queue), counts }, AuditThread(thread)))
    }

    /// Appends to an existing log while no server runs, for a command that makes changes a server would record. The
    /// caller keeps servers out meanwhile. Blocks on the disk.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn append(folder: &Path, lines: Vec<(Who, Event)>) -> Result<(), AuditError> {
        let path = folder.join(file::NAME);
        // Before the first start there is no log to continue, and its owner would be unknown.
        if !path.is_file() || lines.is_empty() {
            return Ok(());
        }
        let append = || {
            // Only the server starts new files, so that they belong to it.
            let keep = Keep { max_size: u64::MAX, files: u32::MAX, age: Duration::MAX };
            let mut file = AuditFile::open(path.clone(), keep)?;
            let recovered = file.torn.then_some((Who::default(), Event::Recovered));
            let mut bytes = Vec::new();
            for (who, event) in recovered.into_iter().chain(lines) {
                file.end.append(&mut bytes, SystemTime::now(), &who, &event)?;
            }
            file.append(&bytes)?;
            file.flush()
        };
        append().map_err(|source| AuditError { path: path.clone(), source })
    }

    /// Applies the limits of `config` from now on.
    pub async fn change(&self, config: &config::Audit) {
        if let Some(queue) = &self.queue
            && queue.send(Message::Keep(keep(config))).await.is_err()
        {
            tracing::error!("the audit log's thread ended early");
        }
    }

    /// Records an event from a thread that may block.
    pub fn record(&self, who: Who, event: Event) {
        if let Some(queue) = &self.queue
            && queue.blocking_send(Message::Line(SystemTime::now(), who, event)).is_err()
        {
            self.too_late();
        }
    }

    /// Records a refusal after login, if it is significant. Blocks as [`Audit::record`] does.
    pub(crate) fn refused(&self, who: Who, refusal: &Refusal) {
        if is_noted(refusal) {
            self.record(who, Event::refused(refusal));
        }
    }

    /// Records an event where blocking is not allowed; if the queue is full, the event is lost and counted.
    pub fn record_now(&self, who: Who, event: Event) {
        if let Some(queue) = &self.queue
            && queue.try_send(Message::Line(SystemTime::now(), who, event)).is_err()
        {
            self.too_late();
        }
    }

    /// Records an event from a task.
    pub async fn note(&self, who: Who, event: Event) {
        if let Some(queue) = &self.queue
            && queue.send(Message::Line(SystemTime::now(), who, event)).await.is_err()
        {
            self.too_late();
        }
    }

    /// The number of lines that could not be written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// The number of lines that a power cut could destroy; zero shortly after the last line.
    #[must_use]
    pub fn unflushed(&self) -> u64 {
        self.counts.unflushed.load(Ordering::Acquire)
    }

    /// Writes the queued lines and ends the thread; later events are lost.
    pub async fn close(&self, thread: AuditThread) {
        if let Some(queue) = &self.queue
            && queue.send(Message::Stop).await.is_err()
        {
            tracing::error!("the audit log's thread ended early");
        }
        match tokio::task::spawn_blocking(move || thread.0.join()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => tracing::error!("the audit log's thread panicked"),
        }
    }

    fn too_late(&self) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("an event is missing in the audit log");
    }
}

fn keep(config: &config::Audit) -> Keep {
    let age = Duration::from_secs(u64::from(config.keep_days) * 24 * 60 * 60);
    Keep { max_size: config.max_size.0, files: config.keep, age }
}

/// Bytes of the log that one user may fill per day before changes are summarised.
fn share(keep: Keep) -> u64 {
    keep.max_size.saturating_mul(u64::from(keep.files) + 1) / SHARE
}

/// Whether a refusal deserves a line. The others are plain answers, for example to a request for a missing file;
/// lines about them would hide the rest.
#[must_use]
pub(crate) fn is_noted(refusal: &Refusal) -> bool {
    !matches!(
        refusal.code,
        Code::NotFound
            | Code::Exists
            | Code::IsDirectory
            | Code::NotDirectory
            | Code::NotEmpty
            | Code::Busy
            | Code::Superseded
            | Code::Changed
            | Code::Unsupported
            | Code::OtherFilesystem
    )
}

#[cfg(test)]
mod tests;
