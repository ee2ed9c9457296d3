//! Small files that arrive whole and are stored together, so that they share their flushes.

use std::{sync::Arc, time::Instant};

use ferry_shared::digest::Digest;

use super::{
    Act, Error, Files, NewFile, Replace, Stored,
    publish::{self, Payment, Ready},
};
use crate::{
    audit::event::{Event, shown},
    storage::{CommitGroup, Staged, StorageError},
    user_state::growth,
};

/// Files in staging that wait for their common flush. If it is dropped before [`Batch::store`], the files are
/// removed.
#[derive(Debug)]
pub struct Batch {
    files: Files,
    commits: Option<CommitGroup>,
    ready: Vec<(Ready, Act)>,
    bytes: u64,
}

impl Files {
    /// A batch without files.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch { files: self.clone(), commits: None, ready: Vec::new(), bytes: 0 }
    }
}

impl Batch {
    /// The total size of its files in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Checks a file that arrived whole and writes it to staging. The caller checks the declared size.
    ///
    /// # Errors
    /// [`Error`]; the file is then not in the batch.
    pub fn add(&mut self, new: NewFile, bytes: &[u8], expected: Digest) -> Result<(), Error> {
        super::may_change(&self.files.user)?;
        if Digest::of(bytes) != expected {
            return Err(Error::Mismatch { reason: "the bytes that arrived have another digest", kept: false });
        }
        let user = Arc::clone(&self.files.user);
        let size = bytes.len() as u64;
        let commits = self.commits.get_or_insert_with(|| user.home.commit_group());
        let target_state = commits.target_state(&new.path)?;
        if target_state.kind().is_some() && new.replace == Replace::Never {
            return Err(StorageError::Exists(new.path).into());
        }
        let payment = Payment::Upload(user.ledger.reserve(growth(&target_state, size))?);
        let staged = Staged::TempFile(user.home.temp_file(bytes, &new.meta())?);
        let act = self.files.act(Event::Upload { path: shown(&new.path), size: 0, digest: None });
        let NewFile { path: target, replace, parents, .. } = new;
        let ready = Ready { staged, target, size, digest: expected, overwrite: replace.into(), parents, payment };
        self.bytes = self.bytes.saturating_add(size);
        self.ready.push((ready, act));
        Ok(())
    }

    /// Makes all files durable under their names; the outcomes are in the order of the files. The batch is empty
    /// afterwards.
    ///
    /// # Errors
    /// If the files cannot be made durable: none of them may be acknowledged.
    pub fn store(&mut self) -> Result<Vec<Result<Stored, Error>>, Error> {
        self.bytes = 0;
        let (ready, acts): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready).into_iter().unzip();
        let Some(mut commits) = self.commits.take() else { return Ok(Vec::new()) };
        let start = Instant::now();
        let outcomes = publish::publish(&self.files.user, &mut commits, ready);
        self.files.counters.flushed(start);
        let outcomes = outcomes?;
        for (outcome, mut act) in outcomes.iter().zip(acts) {
            if let Ok(stored) = outcome {
                self.files.counters.uploads.one();
                act.transferred(stored.size, Some(stored.digest));
            }
        }
        Ok(outcomes)
    }
}
