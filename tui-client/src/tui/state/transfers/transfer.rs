//! One transfer: the entries that one command copies or moves, and their progress.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ferry_client::{
    connect::Target,
    transfer::{ActiveItem, ConflictRule, ItemId, ItemState, JobId, Summary},
};
use ferry_shared::{digest::Digest, name::Name, path::RemotePath};

use super::{
    figures::{Before, Tally},
    rate::Rate,
};
use crate::{
    estimate::Estimate,
    tui::state::{place::Place, problem::Problem},
};

/// Failed files that are remembered with their causes; more are only counted.
const FAILURES: usize = 500;

/// The identifier of a transfer, which survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) u64);

/// The direction of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the server.
    Up,
    /// From the server.
    Down,
    /// Between two servers, or two folders of this computer.
    Across,
}

/// The order of a transfer, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The folder the sources are in.
    pub(crate) from: Place,
    /// The folder they go to.
    pub(crate) to: Place,
    /// The entries: each one's name, its name at the target, and whether it is a folder.
    pub(crate) what: Vec<Piece>,
    /// Whether the sources go away.
    pub(crate) moves: bool,
    /// The rule for targets that exist already.
    pub(crate) rule: ConflictRule,
    /// Permission bits its files get in place of their sources'.
    pub(crate) mode: Option<u32>,
}

/// A file or folder of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its name.
    pub(crate) name: Name,
    /// The name it gets.
    pub(crate) becomes: Name,
    /// Whether it is a folder.
    pub(crate) folder: bool,
}

impl Order {
    /// The direction of its bytes.
    pub(crate) fn way(&self) -> Way {
        match (self.from.is_local(), self.to.is_local()) {
            (true, false) => Way::Up,
            (false, true) => Way::Down,
            _ => Way::Across,
        }
    }

    /// The servers it needs.
    pub(crate) fn servers(&self) -> Vec<Target> {
        let mut servers: Vec<Target> = [&self.from, &self.to].into_iter().filter_map(Place::target).cloned().collect();
        servers.dedup();
        servers
    }

    /// Whether it needs this server.
    pub(crate) fn needs(&self, server: &Target) -> bool {
        self.from.target() == Some(server) || self.to.target() == Some(server)
    }
}

/// A file that was not transferred.
#[derive(Debug, Clone)]
pub(crate) struct FailedItem {
    /// The engine's name for it.
    pub(crate) item: ItemId,
    /// Its path below the order's folder.
    pub(crate) path: RemotePath,
    /// Why.
    pub(crate) problem: Problem,
    /// Whether trying again may help.
    pub(crate) retryable: bool,
}

/// The phase of a transfer as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Left from the last time; not begun.
    Held,
    /// Scanning the source.
    Counting,
    /// In the queue.
    Waiting,
    /// Active.
    Working(ItemState),
    /// Held until it is resumed.
    Paused,
    /// All unfinished files have an open question.
    Asking,
    /// Ended, with failures.
    Failed,
    /// Cancelled.
    Cancelled,
    /// Ended, and every file was left out.
    LeftOut,
    /// Ended: complete and verified.
    Verified,
}

/// One transfer.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    /// Its name.
    pub(crate) key: Key,
    /// The order.
    pub(crate) order: Order,
    /// The engine's name for it, once the engine has it.
    pub(crate) job: Option<JobId>,
    /// Its progress.
    pub(crate) tally: Tally,
    /// The summary, once it has ended.
    pub(crate) summary: Option<Summary>,
    /// Transferred bytes: the finished ones without those that were there already.
    pub(crate) fresh: u64,
    /// The figures from before a break or a pause, until the present bytes are known again.
    pub(super) before: Option<Before>,
    /// The pieces of the order that are through.
    pub(crate) through: BTreeSet<usize>,
    /// The pieces that could not be carried at all, and why.
    pub(crate) refused: BTreeMap<usize, Problem>,
    /// Large files being worked on.
    pub(crate) active: Vec<ActiveItem>,
    /// Large files that were paused by themselves, or wait again since.
    pub(crate) resting: Vec<ActiveItem>,
    /// Files that failed, the latest last.
    pub(crate) failures: Vec<FailedItem>,
    /// The digest of the one file it was.
    pub(crate) digest: Option<Digest>,
    /// Left from the last time, and not yet begun.
    pub(crate) held: bool,
    /// The bytes that had arrived were discarded.
    pub(crate) discarded: bool,
    /// The time at which it ended.
    pub(crate) ended: Option<Duration>,
    /// Its rate.
    pub(crate) rate: Rate,
    /// The estimated time for the rest.
    pub(crate) estimate: Estimate,
}

impl Transfer {
    /// A transfer that was just ordered.
    pub(crate) fn new(key: Key, order: Order) -> Self {
        Self {
            key,
            order,
            job: None,
            tally: Tally { counting: true, ..Tally::default() },
            summary: None,
            fresh: 0,
            before: None,
            through: BTreeSet::new(),
            refused: BTreeMap::new(),
            active: Vec::new(),
            resting: Vec::new(),
            failures: Vec::new(),
            digest: None,
            held: false,
            discarded: false,
            ended: None,
            rate: Rate::default(),
            estimate: Estimate::default(),
        }
    }

    /// Its name for a person: the file or folder, or how many there are.
    pub(crate) fn title(&self) -> String {
        match self.order.what.as_slice() {
            [piece] => format!("{}{}", piece.name.display(), if piece.folder { "/" } else { "" }),
            many => {
                let what = match (many.iter().all(|piece| piece.folder), many.iter().any(|piece| piece.folder)) {
                    (true, _) => "folders",
                    (_, true) => "entries",
                    (_, false) => "files",
                };
                match self.order.from.name() {
                    Some(folder) => format!("{} {what} of {}", many.len(), folder.display()),
                    None => format!("{} {what}", many.len()),
                }
            }
        }
    }

    /// Whether all of it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Its phase.
    pub(crate) fn phase(&self, now: Duration) -> Phase {
        if self.held {
            return Phase::Held;
        }
        if self.is_over() {
            let cancelled = self.summary.as_ref().is_some_and(|summary| summary.cancelled);
            return match (cancelled, self.has_problem()) {
                (true, _) => Phase::Cancelled,
                (false, true) => Phase::Failed,
                (false, false) if self.tally.files_done == 0 && self.tally.skipped > 0 => Phase::LeftOut,
                (false, false) => Phase::Verified,
            };
        }
        if self.tally.paused {
            return Phase::Paused;
        }
        if let Some(active) = self.active.first() {
            return Phase::Working(active.state);
        }
        if self.rate.at(now) > 0 {
            let state = if self.order.to.is_local() { ItemState::Receiving } else { ItemState::Sending };
            return Phase::Working(state);
        }
        let paused = self.resting.iter().filter(|item| item.state == ItemState::Paused).count() as u64;
        if paused > 0 && self.tally.files_done.saturating_add(paused) >= self.tally.files {
            return Phase::Paused;
        }
        match (self.tally.asking > 0, self.tally.counting && self.tally.files > 0) {
            (true, _) => Phase::Asking,
            (_, true) => Phase::Counting,
            _ => Phase::Waiting,
        }
    }

    /// Whether something of it failed.
    pub(crate) fn has_problem(&self) -> bool {
        self.tally.failed > 0 || self.summary.as_ref().is_some_and(|summary| summary.error.is_some())
    }

    /// A description of the files left out of it; `None` if there are none.
    pub(crate) fn left_out(&self) -> Option<String> {
        let unchanged = self.summary.as_ref().map_or(0, |summary| summary.unchanged);
        let skipped = self.tally.skipped.saturating_sub(unchanged);
        match (unchanged, skipped) {
            (0, 0) => None,
            (0, skipped) => Some(format!("{skipped} left out")),
            (unchanged, 0) => Some(format!("{unchanged} of the same size and date left out")),
            (unchanged, skipped) => Some(format!("{unchanged} of the same size and date and {skipped} more left out")),
        }
    }

    /// The engine has it as this job.
    pub(super) fn begin(&mut self, job: JobId) {
        *self = Self {
            job: Some(job),
            failures: std::mem::take(&mut self.failures),
            ..Self::new(self.key, self.order.clone())
        };
    }

    /// Drops the finished pieces and the progress of the others. Returns the order to give again.
    pub(crate) fn begin_again(&mut self) -> Order {
        let mut order = self.order.clone();
        let mut pieces = 0..order.what.len();
        order.what.retain(|_| pieces.next().is_none_or(|piece| !self.through.contains(&piece)));
        *self = Self::new(self.key, order);
        self.order.clone()
    }

    /// A file is paused by itself: it stays to be seen.
    pub(crate) fn rest(&mut self, item: ItemId) {
        if let Some(resting) = self.resting.iter_mut().find(|other| other.item == item) {
            resting.state = ItemState::Paused;
        } else if let Some(active) = self.active.iter().find(|other| other.item == item) {
            self.resting.push(ActiveItem { state: ItemState::Paused, ..active.clone() });
        }
    }

    /// A file entered a state.
    pub(crate) fn item_is(&mut self, item: ItemId, state: ItemState) {
        match state {
            ItemState::Paused => self.rest(item),
            ItemState::Waiting | ItemState::Checking => {
                self.resting.iter_mut().filter(|other| other.item == item).for_each(|other| other.state = state);
            }
            _ => self.resting.retain(|other| other.item != item),
        }
    }

    /// The large files that were begun: those at work, and those that rest.
    pub(crate) fn begun(&self) -> impl Iterator<Item = &ActiveItem> {
        let rests = |item: &&ActiveItem| self.resting.iter().any(|other| other.item == item.item);
        self.active.iter().filter(move |item| !rests(item)).chain(&self.resting)
    }

    /// Keeps a failed file.
    pub(crate) fn failed(&mut self, failure: FailedItem) {
        self.failures.retain(|other| other.item != failure.item);
        if self.failures.len() < FAILURES {
            self.failures.push(failure);
        }
    }
}

#[cfg(test)]
impl Transfer {
    /// A transfer of two files and a folder, for tests.
    pub(crate) fn sample() -> Self {
        Self::new(Key(1), tests::order(&["a", "b.txt", "c/"]))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn order(names: &[&str]) -> Order {
        let piece = |name: &&str| {
            let (name, folder) = name.strip_suffix('/').map_or((*name, false), |name| (name, true));
            let name = Name::try_from(name).unwrap();
            Piece { becomes: name.clone(), name, folder }
        };
        Order {
            from: Place::local("/home/al/data"),
            to: Place::remote(crate::tui::fixture::server().target, RemotePath::from_typed(b"photos").unwrap()),
            what: names.iter().map(piece).collect(),
            moves: false,
            rule: ConflictRule::Ask,
            mode: None,
        }
    }

    #[test]
    fn what_is_through_is_not_ordered_again() {
        let mut transfer = Transfer::new(Key(1), order(&["a", "b", "c"]));
        transfer.through.insert(1);
        let again = transfer.begin_again();
        assert_eq!(again.what, order(&["a", "c"]).what);
        assert!(transfer.through.is_empty() && !transfer.is_over());
    }

    #[test]
    fn a_title_says_of_what_there_are_many() {
        let title = |names: &[&str]| Transfer::new(Key(1), order(names)).title();
        assert_eq!(title(&["a", "b"]), "2 files of data");
        assert_eq!(title(&["a/", "b/"]), "2 folders of data");
        assert_eq!(title(&["a/", "b"]), "2 entries of data");
    }

    #[test]
    fn a_job_that_could_not_be_done_at_all_is_no_success() {
        let mut transfer = Transfer::new(Key(1), order(&["a"]));
        let error = Some(ferry_client::ClientError::Cancelled);
        transfer.summary = Some(Summary { error, ..Summary::default() });
        transfer.ended = Some(Duration::ZERO);
        assert_eq!(transfer.phase(Duration::ZERO), Phase::Failed);
    }
}
