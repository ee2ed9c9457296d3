//! The audit log: one line for each login, change, transfer, refusal and act of the operator.
//!
//! Each line has a number and the hash of the line before, so that nobody can change, drop or slip in one
//! unnoticed. What one user or stranger does too much of is told together, so that the rest is not pushed out. One thread writes; a bounded queue leads to it, and who records waits while that is
//! full. When the disk takes nothing the server goes on: what could not be written is counted, and
//! a `gap` line says how many lines are missing once there is room again.

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
/// The part of the log that one user may fill in a day before changes are told together.
const SHARE: u64 = 10;

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the audit log {}: {source}", path.display())]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// What waits to be written.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are lines")]
enum Message {
    Line(SystemTime, Who, Event),
    Keep(Keep),
    Stop,
}

/// The way to the audit log; clones lead to the same. The default leads nowhere.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    queue: Option<mpsc::Sender<Message>>,
    counts: Arc<LineCounts>,
}

/// What is known of the lines.
#[derive(Debug, Default)]
struct LineCounts {
    /// They could not be written.
    lost: AtomicU64,
    /// They are written, but a power cut could take them.
    unflushed: AtomicU64,
}

/// The thread that writes.
#[derive(Debug)]
pub struct AuditThread(JoinHandle<()>);

impl Audit {
    /// Goes on with the log in `folder`; where the disk does not let it, as soon as it does. Blocks on the disk.
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

    /// Goes on with a log that is there, where no server does: for a command that changes what a server would tell of.
    /// Whoever calls it keeps servers out meanwhile. Blocks on the disk.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn append(folder: &Path, lines: Vec<(Who, Event)>) -> Result<(), AuditError> {
        let path = folder.join(file::NAME);
        // Before the first start there is nothing to go on with, and nobody it could belong to.
        if !path.is_file() || lines.is_empty() {
            return Ok(());
        }
        let append = || {
            // The server begins other files, which are its own.
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

    /// Keeps as much from now on as `config` says.
    pub async fn change(&self, config: &config::Audit) {
        if let Some(queue) = &self.queue
            && queue.send(Message::Keep(keep(config))).await.is_err()
        {
            tracing::error!("the audit log's thread ended early");
        }
    }

    /// Records an event from a thread that may wait.
    pub fn record(&self, who: Who, event: Event) {
        if let Some(queue) = &self.queue
            && queue.blocking_send(Message::Line(SystemTime::now(), who, event)).is_err()
        {
            self.too_late();
        }
    }

    /// Records an event where nobody may wait; a full queue loses it, which is counted.
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

    /// Lines that could not be written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// Lines that a power cut could take; none a moment after the last one came.
    #[must_use]
    pub fn unflushed(&self) -> u64 {
        self.counts.unflushed.load(Ordering::Acquire)
    }

    /// Writes what waits and ends the thread; what comes later is lost.
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

/// Bytes of the log that one user may fill in a day before changes are told together.
fn share(keep: Keep) -> u64 {
    keep.max_size.saturating_mul(u64::from(keep.files) + 1) / SHARE
}

/// Whether a refusal is worth a line. The others are plain answers, as when somebody looks for a
/// file that is not there; lines about them would hide the rest.
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
