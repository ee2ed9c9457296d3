//! A running job: the state that its items share.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    conflict::{ConflictRule, Decision, Scope, kind_of},
    event::{Outcome, Summary},
    job::{JobId, JobOptions},
    path::ItemPath,
    pieces::Pieces,
    sessions::Pool,
    tally::Tally,
};
use crate::{
    error::ClientError,
    site::{Abilities, Folders, SitePath},
};

/// One end of a job.
#[derive(Debug)]
pub(super) struct End {
    pub(super) kind: EndKind,
    pub(super) abilities: Abilities,
}

/// The kind of a job's end.
#[derive(Debug)]
pub(super) enum EndKind {
    /// A site.
    Site(Arc<Pool>),
    /// A stream of this program.
    Stream,
}

impl End {
    pub(super) fn site(pool: Arc<Pool>) -> Self {
        Self { abilities: pool.abilities, kind: EndKind::Site(pool) }
    }

    pub(super) fn stream() -> Self {
        Self { kind: EndKind::Stream, abilities: Abilities { near: true, ..Abilities::ALL } }
    }

    /// Its session pool; `None` for a stream.
    pub(super) fn pool(&self) -> Option<&Arc<Pool>> {
        match &self.kind {
            EndKind::Site(pool) => Some(pool),
            EndKind::Stream => None,
        }
    }
}

/// The state that the items of a job share.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: JobId,
    pub(super) from: End,
    pub(super) to: End,
    pub(super) options: JobOptions,
    pub(super) tally: Tally,
    pub(super) pieces: Pieces,
    /// Cancelled when the job is cancelled.
    pub(super) stop: CancellationToken,
    /// Whether the parts of unfinished files are kept then.
    keep_parts: OnceLock<bool>,
    answers: Mutex<Answers>,
    /// Target paths that are reserved for one item each, because two items of the job might get the same one.
    reserved: Mutex<HashSet<SitePath>>,
    error: OnceLock<ClientError>,
}

#[derive(Debug, Default)]
struct Answers {
    all: Option<Decision>,
    folders: HashMap<SitePath, Decision>,
    kinds: HashMap<Vec<u8>, Decision>,
}

impl Task {
    pub(super) fn new(id: JobId, from: End, to: End, pieces: usize, options: JobOptions) -> Self {
        Self {
            id,
            from,
            to,
            options,
            tally: Tally::default(),
            pieces: Pieces::new(pieces),
            stop: CancellationToken::new(),
            keep_parts: OnceLock::new(),
            answers: Mutex::default(),
            reserved: Mutex::default(),
            error: OnceLock::new(),
        }
    }

    /// Whether one of its ends is a stream.
    pub(super) fn is_stream(&self) -> bool {
        self.from.pool().is_none() || self.to.pool().is_none()
    }

    /// Whether one of its ends is at this site.
    pub(super) fn is_at(&self, pool: &Arc<Pool>) -> bool {
        [&self.from, &self.to].into_iter().filter_map(End::pool).any(|other| Arc::ptr_eq(other, pool))
    }

    /// Whether both ends are at one site.
    pub(super) fn is_within_one_site(&self) -> bool {
        self.from.pool().zip(self.to.pool()).is_some_and(|(from, to)| Arc::ptr_eq(from, to))
    }

    /// Whether both have the same ends, so that the sessions of one serve the other.
    pub(super) fn is_between(&self, other: &Self) -> bool {
        let same = |a: &End, b: &End| match (a.pool(), b.pool()) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same(&self.from, &other.from) && same(&self.to, &other.to)
    }

    /// Whether one of its sites cannot be reached now, and a worker is retrying.
    pub(super) fn is_waiting_for_site(&self) -> bool {
        [&self.from, &self.to].into_iter().filter_map(End::pool).any(|pool| pool.is_probing())
    }

    /// Whether permission bits of folders are copied.
    pub(super) fn carries_modes(&self) -> bool {
        self.carries_dates() && self.to.abilities.mode_bits && self.from.abilities.mode_bits
    }

    /// Whether dates of folders are copied: only between sites with real folders.
    pub(super) fn carries_dates(&self) -> bool {
        let real = self.to.abilities.folders == Folders::Real && self.from.abilities.folders == Folders::Real;
        real && self.options.keep_attributes && !self.options.dry_run
    }

    /// Cancels the job. The parts of unfinished files are kept only with `keep_parts`.
    pub(super) fn cancel(&self, keep_parts: bool) {
        // The first call decides.
        let _ = self.keep_parts.set(keep_parts);
        self.stop.cancel();
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(super) fn keeps_parts(&self) -> bool {
        self.keep_parts.get().copied().unwrap_or(true)
    }

    /// Whether remembered digests count as a comparison of the contents. A move and a resumed job read both files, and so
    /// does a job that reads its copies back. The other rules left out here hardly compare anything.
    pub(super) fn may_trust_digests(&self) -> bool {
        let JobOptions { conflict, remove_source, again, verify, .. } = self.options;
        let compares = !matches!(conflict, ConflictRule::Skip | ConflictRule::Changed);
        let digests = self.from.abilities.digest && self.to.abilities.digest && !self.is_stream();
        compares && digests && !remove_source && !again && !verify
    }

    /// The rule for a conflict at `path`: the job's, unless an answer covers it.
    pub(super) fn rule(&self, path: &ItemPath) -> ConflictRule {
        if self.options.conflict != ConflictRule::Ask {
            return self.options.conflict;
        }
        let answers = self.answers.lock();
        let folder = || answers.folders.get(&folder_of(path)?).copied();
        let kind = || answers.kinds.get(&kind_at(path)).copied();
        answers.all.or_else(folder).or_else(kind).map_or(ConflictRule::Ask, ConflictRule::from)
    }

    /// Remembers an answer that was given at `path`, for all conflicts in its scope.
    pub(super) fn remember(&self, path: &ItemPath, decision: Decision, scope: Scope) {
        let mut answers = self.answers.lock();
        match scope {
            Scope::This => {}
            Scope::Folder => {
                if let Some(folder) = folder_of(path) {
                    answers.folders.insert(folder, decision);
                }
            }
            Scope::Kind => drop(answers.kinds.insert(kind_at(path), decision)),
            Scope::All => answers.all = Some(decision),
        }
    }

    /// Records that an item ended, after which its folder may have another date.
    pub(super) fn ended(&self, path: &ItemPath, outcome: &Outcome) {
        let unchanged = matches!(outcome, Outcome::Equal { .. } | Outcome::Skipped(_) | Outcome::Would { .. });
        if !unchanged {
            self.pieces.date_is_due(path.piece(), &path.folder().below);
        }
    }

    /// Reserves a target path for one item; `false` if another item of the job has it.
    pub(super) fn reserve(&self, path: &ItemPath) -> bool {
        path.to().is_none_or(|to| self.reserved.lock().insert(to))
    }

    /// Records the error that fails the job as a whole.
    pub(super) fn fail(&self, error: ClientError) {
        drop(self.error.set(error));
    }

    pub(super) fn summary(&self) -> Summary {
        let failed_pieces = self.pieces.failed();
        let error = self.error.get().cloned();
        // A job that fails as a whole is stopped, too.
        let cancelled = self.stop.is_cancelled() && error.is_none();
        let error = error.or_else(|| self.pieces.first_error());
        Summary { cancelled, failed_pieces, error, ..self.tally.summary() }
    }
}

/// The folder of an item's target.
fn folder_of(path: &ItemPath) -> Option<SitePath> {
    path.to()?.parent()
}

fn kind_at(path: &ItemPath) -> Vec<u8> {
    path.target_name().map_or_else(Vec::new, |name| kind_of(name.as_bytes()))
}
