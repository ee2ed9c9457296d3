//! A job at work: what its items share.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use ferry_shared::{entry::Mtime, path::RemotePath};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    conflict::{ConflictRule, Decision, Scope, kind_of},
    event::{Outcome, Summary},
    job::{JobId, JobOptions, Work},
    local::folder::Folder,
    path::ItemPath,
    tally::Tally,
};
use crate::error::ClientError;

/// Which way a job's bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Upload,
    Download,
}

/// What the items of a job share.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: JobId,
    pub(super) direction: Direction,
    pub(super) options: JobOptions,
    pub(super) tally: Tally,
    /// Cancelled when the job is given up.
    pub(super) stop: CancellationToken,
    /// Whether what was transferred of unfinished files stays then.
    keep_parts: OnceLock<bool>,
    stream: bool,
    /// Where a download lands: the folder that holds its items' folders, and how many
    /// leading names of a remote folder lead to it.
    pub(super) landing: OnceLock<(Arc<Folder>, usize)>,
    /// Whether folders were made here, whose names must become durable with the files'.
    pub(super) made_folders: AtomicBool,
    /// The dates of the target's folders, by their remote paths.
    dates: Mutex<HashMap<RemotePath, FolderDate>>,
    /// The permission bits of a download's folders that are still to be made.
    modes: Mutex<HashMap<RemotePath, u32>>,
    answers: Mutex<Answers>,
    /// Targets kept for one item each, where two of the job's might get the same name.
    reserved: Mutex<HashSet<Box<[u8]>>>,
    folders: Mutex<Vec<SourceFolder>>,
    error: OnceLock<ClientError>,
}

/// A folder of the source, to be removed when it is empty.
#[derive(Debug)]
pub(super) enum SourceFolder {
    Local(PathBuf),
    Remote(RemotePath),
}

/// The date a folder of the target is to have.
#[derive(Debug, Clone)]
pub(super) struct FolderDate {
    pub(super) path: ItemPath,
    pub(super) mtime: Mtime,
    /// Whether it may have another one now.
    due: bool,
}

#[derive(Debug, Default)]
struct Answers {
    all: Option<Decision>,
    folders: HashMap<RemotePath, Decision>,
    kinds: HashMap<Vec<u8>, Decision>,
}

impl Task {
    pub(super) fn new(id: JobId, work: &Work, options: JobOptions) -> Self {
        let (direction, stream) = match work {
            Work::Upload { .. } => (Direction::Upload, false),
            Work::UploadStream { .. } => (Direction::Upload, true),
            Work::Download { .. } => (Direction::Download, false),
            Work::DownloadStream { .. } => (Direction::Download, true),
        };
        Self {
            id,
            direction,
            options,
            tally: Tally::default(),
            stop: CancellationToken::new(),
            keep_parts: OnceLock::new(),
            stream,
            landing: OnceLock::new(),
            made_folders: AtomicBool::new(false),
            dates: Mutex::default(),
            modes: Mutex::default(),
            answers: Mutex::default(),
            reserved: Mutex::default(),
            folders: Mutex::default(),
            error: OnceLock::new(),
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        self.stream
    }

    /// Gives the job up; what was transferred of unfinished files stays only with `keep_parts`.
    pub(super) fn cancel(&self, keep_parts: bool) {
        // Who said it first has already been obeyed.
        let _ = self.keep_parts.set(keep_parts);
        self.stop.cancel();
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(super) fn keeps_parts(&self) -> bool {
        self.keep_parts.get().copied().unwrap_or(true)
    }

    /// The rule for a conflict at `path`: the job's, unless an answer covers it.
    pub(super) fn rule(&self, path: &ItemPath) -> ConflictRule {
        if self.options.conflict != ConflictRule::Ask {
            return self.options.conflict;
        }
        let answers = self.answers.lock();
        let answer = || answers.folders.get(&path.folder().remote).copied();
        let kind = || answers.kinds.get(&kind_at(path)).copied();
        answers.all.or_else(answer).or_else(kind).map_or(ConflictRule::Ask, ConflictRule::from)
    }

    /// Remembers an answer given at `path` for all it is to cover.
    pub(super) fn remember(&self, path: &ItemPath, decision: Decision, scope: Scope) {
        let mut answers = self.answers.lock();
        match scope {
            Scope::This => {}
            Scope::Folder => drop(answers.folders.insert(path.folder().remote.clone(), decision)),
            Scope::Kind => drop(answers.kinds.insert(kind_at(path), decision)),
            Scope::All => answers.all = Some(decision),
        }
    }

    /// Notes which permission bits a folder of a download is to get if it is made here.
    pub(super) fn note_mode(&self, folder: RemotePath, mode: u32) {
        if self.options.keep_attributes && !self.options.dry_run {
            self.modes.lock().insert(folder, mode);
        }
    }

    /// The permission bits a folder is to be made with; known once.
    pub(super) fn take_mode(&self, folder: &RemotePath) -> Option<u32> {
        self.modes.lock().remove(folder)
    }

    /// Notes the date a folder is to get, once everything is in it. Each name that is made or replaced in a
    /// folder changes its date.
    pub(super) fn note_date(&self, path: ItemPath, mtime: Mtime) {
        if self.options.keep_attributes && !self.options.dry_run {
            self.dates.lock().insert(path.remote().clone(), FolderDate { path, mtime, due: true });
        }
    }

    /// The folder was there and has this date.
    pub(super) fn has_date(&self, folder: &RemotePath, mtime: Mtime) {
        if let Some(date) = self.dates.lock().get_mut(folder) {
            date.due = date.mtime != mtime;
        }
    }

    /// The folder cannot be made, and gets no date.
    pub(super) fn forget_date(&self, folder: &RemotePath) {
        self.dates.lock().remove(folder);
    }

    /// Something came of an item: the folder it is in may have another date now.
    pub(super) fn came_to(&self, path: &ItemPath, outcome: &Outcome) {
        let as_it_was = matches!(outcome, Outcome::Equal { .. } | Outcome::Skipped(_) | Outcome::Would { .. });
        if !as_it_was && let Some(date) = self.dates.lock().get_mut(&path.folder().remote) {
            date.due = true;
        }
    }

    /// At most `most` folders that are to get their dates now; they count as having them then.
    pub(super) fn take_dates(&self, most: usize) -> Vec<FolderDate> {
        if self.is_cancelled() {
            return Vec::new();
        }
        let mut dates = self.dates.lock();
        let due = dates.values_mut().filter(|date| date.due).take(most);
        due.map(|date| {
            date.due = false;
            date.clone()
        })
        .collect()
    }

    /// Keeps a target's name for one item; `false` when another of the job's has it.
    pub(super) fn reserve(&self, path: &ItemPath) -> bool {
        let target = match self.direction {
            Direction::Upload => path.remote().as_bytes().into(),
            Direction::Download => path.local().unwrap_or_default().as_os_str().as_encoded_bytes().into(),
        };
        self.reserved.lock().insert(target)
    }

    /// Notes a source folder, outer ones first.
    pub(super) fn note_folder(&self, folder: SourceFolder) {
        if self.options.remove_source && !self.options.dry_run {
            self.folders.lock().push(folder);
        }
    }

    pub(super) fn has_folders(&self) -> bool {
        !self.folders.lock().is_empty()
    }

    /// The noted source folders, deepest first; afterwards none are noted.
    pub(super) fn take_folders(&self) -> Vec<SourceFolder> {
        let mut folders = std::mem::take(&mut *self.folders.lock());
        folders.reverse();
        folders
    }

    /// Keeps why the job as a whole cannot be done.
    pub(super) fn fail(&self, error: ClientError) {
        drop(self.error.set(error));
    }

    pub(super) fn error(&self) -> Option<ClientError> {
        self.error.get().cloned()
    }

    pub(super) fn summary(&self) -> Summary {
        let error = self.error();
        // A job that is refused is stopped, too.
        Summary { cancelled: self.stop.is_cancelled() && error.is_none(), error, ..self.tally.summary() }
    }
}

fn kind_at(path: &ItemPath) -> Vec<u8> {
    kind_of(path.remote().names().next_back().unwrap_or_default())
}
