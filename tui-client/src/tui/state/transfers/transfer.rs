//! One transfer: the entries that one command copies or moves, and their progress.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ferry_client::{
    connect::Target,
    transfer::{ActiveItem, ConflictRule, ItemId, ItemState, JobId, Proof, Summary},
};
use ferry_shared::{digest::Digest, path::RemotePath};

use super::{
    figures::{Before, Tally},
    rate::Rate,
    sync::{Stage, SyncRun},
};
use crate::{
    args::Links,
    estimate::Estimate,
    fault::Kind,
    tui::state::{
        place::{Place, below},
        problem::Problem,
    },
};

/// Failed or skipped files that are remembered with their causes; more are only counted.
const REMEMBERED: usize = 20_000;

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
    /// The folder that the sources are below.
    pub(crate) from: Place,
    /// The folder they go to.
    pub(crate) to: Place,
    /// The entries.
    pub(crate) what: Vec<Piece>,
    /// Whether the sources go away.
    pub(crate) moves: bool,
    /// The rule for targets that exist already.
    pub(crate) rule: ConflictRule,
    /// The rule for symbolic links; `None` is the rule of the site.
    pub(crate) links: Option<Links>,
    /// Permission bits its files get in place of their sources'.
    pub(crate) mode: Option<u32>,
}

/// A file or folder of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its path below the source folder; never the folder itself.
    pub(crate) path: RemotePath,
    /// Its path below the target folder.
    pub(crate) becomes: RemotePath,
    /// Whether it is a folder.
    pub(crate) folder: bool,
}

impl Piece {
    /// An entry that keeps its path.
    pub(crate) fn new(path: impl Into<RemotePath>, folder: bool) -> Self {
        let path = path.into();
        Self { becomes: path.clone(), path, folder }
    }

    /// Its path for a person.
    pub(crate) fn shown(&self) -> String {
        let folder = if self.folder { "/" } else { "" };
        format!("{}{folder}", below(&self.path))
    }
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
    /// Its size.
    pub(crate) size: u64,
    /// Why.
    pub(crate) problem: Problem,
    /// Whether trying again may help.
    pub(crate) retryable: bool,
}

/// The files that failed for one cause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause<'a> {
    /// The first of them by name.
    pub(crate) first: &'a FailedItem,
    /// How many there are.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
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
    /// Deleting what only the target has.
    Deleting,
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
    /// The plan, where it is a sync.
    pub(crate) sync: Option<Box<SyncRun>>,
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
    /// Files being worked on: large ones, and small ones whose bytes move slowly.
    pub(crate) active: Vec<ActiveItem>,
    /// Such files that were paused by themselves, or wait again since.
    pub(crate) resting: Vec<ActiveItem>,
    /// Files that failed, the latest last.
    pub(crate) failures: Vec<FailedItem>,
    /// Files that were skipped although nobody said so for them, and why.
    pub(crate) skipped: Vec<(RemotePath, &'static str)>,
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
            sync: None,
            tally: Tally { counting: true, ..Tally::default() },
            summary: None,
            fresh: 0,
            before: None,
            through: BTreeSet::new(),
            refused: BTreeMap::new(),
            active: Vec::new(),
            resting: Vec::new(),
            failures: Vec::new(),
            skipped: Vec::new(),
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
        if self.sync.is_some() {
            return match self.order.from.name() {
                Some(folder) => format!("sync {}", folder.display()),
                None => "sync".to_owned(),
            };
        }
        match self.order.what.as_slice() {
            [piece] => piece.shown(),
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
        if self.sync.as_ref().is_some_and(|run| run.stage == Stage::Deleting) {
            return Phase::Deleting;
        }
        if self.tally.paused {
            return Phase::Paused;
        }
        if let Some(active) = self.active.first() {
            return Phase::Working(active.state);
        }
        // Most files of one block have no lines of their own.
        if self.rate.at(now) > 0 || self.tally.under_way > 0 {
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
        self.tally.failed > 0
            || self.summary.as_ref().is_some_and(|summary| summary.error.is_some())
            || self.sync.as_ref().is_some_and(|run| run.has_problem())
    }

    /// How it is known that its files arrived, in a few words.
    pub(crate) fn proven(&self) -> &'static str {
        let first = self.sync.as_ref().and_then(|run| run.proof);
        let last = self.summary.as_ref().and_then(|summary| summary.proof);
        match first.into_iter().chain(last).min() {
            None | Some(Proof::Digest) => "verified",
            Some(Proof::ReadBack) => "verified by reading back",
            Some(Proof::Size) => "stored, sizes equal",
            Some(Proof::None) => "stored, not verified",
        }
    }

    /// A description of the files left out of it; `None` if there are none.
    pub(crate) fn left_out(&self) -> Option<String> {
        let unchanged = self.summary.as_ref().map_or(0, |summary| summary.unchanged);
        let skipped = self.tally.skipped.saturating_sub(unchanged);
        match (unchanged, skipped) {
            (0, 0) => None,
            (0, skipped) => Some(format!("{skipped} skipped")),
            (unchanged, 0) => Some(format!("{unchanged} of the same size and date skipped")),
            (unchanged, skipped) => Some(format!("{unchanged} of the same size and date and {skipped} more skipped")),
        }
    }

    /// The engine has it as this job.
    pub(super) fn begin(&mut self, job: JobId) {
        *self = Self {
            job: Some(job),
            failures: std::mem::take(&mut self.failures),
            sync: self.sync.take(),
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

    /// Stops until its servers are connected again, and shows how far it was.
    pub(super) fn hold(&mut self) -> Order {
        let tally = Tally { counting: false, paused: false, asking: 0, failed: 0, under_way: 0, ..self.tally };
        let order = self.begin_again();
        (self.tally, self.held) = (tally, true);
        order
    }

    /// A file is paused by itself: it stays to be seen.
    pub(crate) fn rest(&mut self, item: ItemId) {
        // It is told twice: at the pause, and when the block that was begun is finished.
        if let Some(active) = self.active.iter().find(|other| other.item == item) {
            self.resting.retain(|other| other.item != item);
            self.resting.push(ActiveItem { state: ItemState::Paused, ..active.clone() });
        } else if let Some(resting) = self.resting.iter_mut().find(|other| other.item == item) {
            resting.state = ItemState::Paused;
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

    /// The files that were begun: those at work, and those that rest.
    pub(crate) fn begun(&self) -> impl Iterator<Item = &ActiveItem> {
        let rests = |item: &&ActiveItem| self.resting.iter().any(|other| other.item == item.item);
        self.active.iter().filter(move |item| !rests(item)).chain(&self.resting)
    }

    /// Keeps a failed file.
    pub(crate) fn failed(&mut self, failure: FailedItem) {
        self.failures.retain(|other| other.item != failure.item);
        if self.failures.len() < REMEMBERED {
            self.failures.push(failure);
        }
    }

    /// Keeps the name of a skipped file.
    pub(crate) fn skip(&mut self, path: RemotePath, why: &'static str) {
        if self.skipped.len() < REMEMBERED {
            self.skipped.push((path, why));
        }
    }

    /// The failed files of one cause, by name.
    pub(crate) fn failed_alike(&self, item: ItemId) -> Vec<&FailedItem> {
        let Some(one) = self.failures.iter().find(|failed| failed.item == item) else { return Vec::new() };
        let mut alike: Vec<_> = self.failures.iter().filter(|other| other.problem.cause == one.problem.cause).collect();
        alike.sort_by(|a, b| a.path.cmp(&b.path));
        alike
    }

    /// Whether it has ended because the server could not be reached or refused the login, or for this reason.
    pub(crate) fn has_failed_for(&self, why: &Problem) -> bool {
        let alike =
            |problem: &Problem| problem.kind.is_offline() || problem.kind == Kind::Login || problem.cause == why.cause;
        let error = self.summary.as_ref().and_then(|summary| summary.error.as_ref());
        self.is_over()
            && (self.failures.iter().any(|failed| alike(&failed.problem))
                || error.is_some_and(|error| alike(&Problem::from(error))))
    }

    /// The causes of failures, by their texts.
    pub(crate) fn causes(&self) -> Vec<Cause<'_>> {
        let mut causes: BTreeMap<&str, Cause<'_>> = BTreeMap::new();
        for failed in &self.failures {
            let cause = Cause { first: failed, files: 0, bytes: 0 };
            let cause = causes.entry(&failed.problem.cause).or_insert(cause);
            cause.first = if failed.path < cause.first.path { failed } else { cause.first };
            (cause.files, cause.bytes) = (cause.files + 1, cause.bytes.saturating_add(failed.size));
        }
        causes.into_values().collect()
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
            Piece::new(ferry_shared::name::Name::try_from(name).unwrap(), folder)
        };
        Order {
            from: Place::local("/home/al/data"),
            to: Place::remote(crate::tui::fixture::server().target, RemotePath::from_typed(b"photos").unwrap()),
            what: names.iter().map(piece).collect(),
            moves: false,
            rule: ConflictRule::Ask,
            links: None,
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
