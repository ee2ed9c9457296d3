//! The pieces of a job: the open items of each, and the final work on its folders.

use std::collections::HashMap;

use ferry_shared::{entry::Mtime, path::RemotePath};
use parking_lot::Mutex;

use super::path::ItemPath;
use crate::error::ClientError;

/// The pieces of a job.
#[derive(Debug)]
pub(super) struct Pieces(Mutex<State>);

#[derive(Debug)]
struct State {
    pieces: Vec<Piece>,
    /// Pieces without open items, which are ready to be closed.
    ready: Vec<usize>,
    first_error: Option<ClientError>,
}

#[derive(Debug, Default)]
struct Piece {
    /// Unfinished items, and one more until the source is scanned.
    open: u64,
    failed: u64,
    /// Whether the piece as a whole failed.
    refused: bool,
    scanned: bool,
    /// Symbolic links that are made once everything else is there.
    links: Vec<ItemPath>,
    /// The dates of the target's folders, by their paths below the piece.
    dates: HashMap<RemotePath, FolderDate>,
    /// Folders of the source that are removed at the end if they are empty, outer ones first.
    folders: Vec<ItemPath>,
}

/// The date that a folder of the target is to get.
#[derive(Debug, Clone)]
pub(super) struct FolderDate {
    pub(super) path: ItemPath,
    pub(super) mtime: Mtime,
    /// Whether the folder may have another date now.
    due: bool,
}

/// The next work on a piece without open items.
#[derive(Debug)]
pub(super) enum Closing {
    /// Make these symbolic links. They count as open items.
    Links(Vec<ItemPath>),
    /// Set the dates of these folders. They count as open items.
    Dates(Vec<FolderDate>),
    /// Remove these folders of the source if they are empty, inner ones first. They count as one open item.
    Folders(Vec<ItemPath>),
    /// Nothing: the piece is done.
    Done,
    /// Nothing: the piece, or some of its items, failed.
    Failed,
}

impl Pieces {
    pub(super) fn new(count: usize) -> Self {
        let pieces = (0..count).map(|_| Piece { open: 1, ..Piece::default() }).collect();
        Self(Mutex::new(State { pieces, ready: Vec::new(), first_error: None }))
    }

    fn change<T: Default>(&self, piece: usize, change: impl FnOnce(&mut Piece) -> T) -> T {
        let mut state = self.0.lock();
        let State { pieces, ready, .. } = &mut *state;
        let Some(entry) = pieces.get_mut(piece) else { return T::default() };
        let before = entry.open;
        let result = change(entry);
        if before > 0 && entry.open == 0 {
            ready.push(piece);
        }
        result
    }

    /// Counts one more open item of a piece.
    pub(super) fn opened(&self, piece: usize) {
        self.change(piece, |piece| piece.open += 1);
    }

    /// Records that an open item is done.
    pub(super) fn closed(&self, piece: usize, failed: bool) {
        self.change(piece, |piece| {
            piece.failed += u64::from(failed);
            piece.open = piece.open.saturating_sub(1);
        });
    }

    /// Reopens a failed item, which is retried.
    pub(super) fn again(&self, piece: usize) {
        self.change(piece, |piece| {
            piece.failed = piece.failed.saturating_sub(1);
            piece.open += 1;
        });
    }

    /// Records that the source of a piece was scanned.
    pub(super) fn scanned(&self, piece: usize) {
        self.change(piece, |piece| {
            if !std::mem::replace(&mut piece.scanned, true) {
                piece.open = piece.open.saturating_sub(1);
            }
        });
    }

    /// Records that a piece failed as a whole.
    pub(super) fn refused(&self, piece: usize, error: ClientError) {
        self.0.lock().first_error.get_or_insert(error);
        self.change(piece, |piece| piece.refused = true);
    }

    /// The number of pieces that failed as a whole.
    pub(super) fn failed(&self) -> u64 {
        self.0.lock().pieces.iter().filter(|piece| piece.refused).count() as u64
    }

    /// The error of the first of those pieces.
    pub(super) fn first_error(&self) -> Option<ClientError> {
        self.0.lock().first_error.clone()
    }

    /// Records the date that a folder is to get. It is set at the end, because each entry that is created or replaced
    /// in a folder changes its date.
    pub(super) fn note_date(&self, path: ItemPath, mtime: Mtime) {
        let below = path.target_below();
        self.change(path.piece(), |piece| drop(piece.dates.insert(below, FolderDate { path, mtime, due: true })));
    }

    /// Records the date of a folder that existed already.
    pub(super) fn has_date(&self, piece: usize, below: &RemotePath, mtime: Mtime) {
        self.change(piece, |piece| {
            if let Some(date) = piece.dates.get_mut(below) {
                date.due = date.mtime != mtime;
            }
        });
    }

    /// Records that the date of a folder may have changed.
    pub(super) fn date_is_due(&self, piece: usize, below: &RemotePath) {
        self.change(piece, |piece| {
            if let Some(date) = piece.dates.get_mut(below) {
                date.due = true;
            }
        });
    }

    /// Forgets the date of a folder that failed.
    pub(super) fn forget_date(&self, piece: usize, below: &RemotePath) {
        self.change(piece, |piece| drop(piece.dates.remove(below)));
    }

    /// Records a symbolic link to be made. That is done last, so that nothing is written through it.
    pub(super) fn note_link(&self, path: ItemPath) {
        self.change(path.piece(), |piece| piece.links.push(path));
    }

    /// Records a folder of the source that is to be removed; outer folders come first.
    pub(super) fn note_folder(&self, path: ItemPath) {
        self.change(path.piece(), |piece| piece.folders.push(path));
    }

    /// Takes a piece without open items, and the next work on it.
    pub(super) fn take_ready(&self, most: usize) -> Option<(usize, Closing)> {
        let mut state = self.0.lock();
        loop {
            let number = state.ready.pop()?;
            let Some(piece) = state.pieces.get_mut(number).filter(|piece| piece.open == 0) else { continue };
            if !piece.links.is_empty() {
                let links = piece.links.split_off(piece.links.len().saturating_sub(most));
                piece.open = links.len() as u64;
                return Some((number, Closing::Links(links)));
            }
            let due = piece.dates.values_mut().filter(|date| date.due).take(most);
            let dates: Vec<FolderDate> = due
                .map(|date| {
                    date.due = false;
                    date.clone()
                })
                .collect();
            if !dates.is_empty() {
                piece.open = dates.len() as u64;
                return Some((number, Closing::Dates(dates)));
            }
            if !piece.folders.is_empty() {
                piece.open = 1;
                let folders = std::mem::take(&mut piece.folders).into_iter().rev().collect();
                return Some((number, Closing::Folders(folders)));
            }
            let whole = piece.failed == 0 && !piece.refused;
            return Some((number, if whole { Closing::Done } else { Closing::Failed }));
        }
    }

    /// Whether a piece is ready to be closed.
    pub(super) fn has_ready(&self) -> bool {
        !self.0.lock().ready.is_empty()
    }
}
