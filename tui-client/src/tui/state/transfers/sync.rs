//! A transfer that makes one tree like another: it copies, then deletes, then copies what a deletion had to make way for.

use ferry_client::transfer::{Proof, Summary};
use ferry_shared::path::RemotePath;

use super::Transfer;
use crate::{
    human,
    tui::state::{problem::Problem, ticket::Ticket, trees::Planned},
};

/// The stage of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Copying what is new or changed.
    Copying,
    /// Deleting what only the target has.
    Deleting,
    /// Copying what had another kind of entry in its way.
    Rest,
}

/// The plan of a sync, and how far it is.
#[derive(Debug, Clone)]
pub(crate) struct SyncRun {
    /// Names the task with the listings.
    pub(crate) id: Ticket,
    /// The plan that the person confirmed.
    pub(crate) plan: Planned,
    /// The stage.
    pub(crate) stage: Stage,
    /// Requests of the deletion that were answered, and all of them.
    pub(crate) answered: (u64, u64),
    /// Entries that were deleted.
    pub(crate) deleted: u64,
    /// Entries that were not, and why.
    pub(crate) kept: Vec<(RemotePath, Problem)>,
    /// Why the deletion ended early.
    pub(crate) stopped: Option<Problem>,
    /// Files that the first stage copied, and their bytes.
    copied: (u64, u64),
    /// The weakest proof of the first stage.
    pub(super) proof: Option<Proof>,
}

/// The result of the deletions.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// Entries that were deleted.
    pub(crate) deleted: u64,
    /// Entries that were not, and why.
    pub(crate) kept: Vec<(RemotePath, Problem)>,
    /// Why it ended early.
    pub(crate) stopped: Option<Problem>,
}

impl SyncRun {
    /// A sync that is about to begin.
    pub(crate) fn new(id: Ticket, plan: Planned) -> Self {
        let stage = if plan.copies.is_empty() { Stage::Deleting } else { Stage::Copying };
        let (kept, stopped) = (Vec::new(), None);
        Self { id, plan, stage, answered: (0, 0), deleted: 0, kept, stopped, copied: (0, 0), proof: None }
    }

    /// The first stage is through: whether something is to be deleted. Nothing is, unless everything was copied.
    pub(crate) fn copied(&mut self, summary: &Summary) -> bool {
        let goes_on = self.stage == Stage::Copying && summary.is_whole() && !self.plan.deletions.is_empty();
        if goes_on {
            (self.stage, self.copied) = (Stage::Deleting, (summary.files, summary.bytes));
            self.proof = summary.proof;
        }
        goes_on
    }

    /// The deletions are through: whether something is left to copy.
    pub(crate) fn take(&mut self, Deleted { deleted, kept, stopped }: Deleted) -> bool {
        (self.deleted, self.kept, self.stopped) = (deleted, kept, stopped);
        let goes_on = !self.has_problem() && !self.plan.blocked.is_empty();
        if goes_on {
            self.stage = Stage::Rest;
        }
        goes_on
    }

    /// Whether a deletion failed.
    pub(crate) fn has_problem(&self) -> bool {
        !self.kept.is_empty() || self.stopped.is_some()
    }

    /// The outcome of the deletions; `None` if there were none.
    pub(crate) fn deletions(&self) -> Option<String> {
        let planned = self.plan.deletions.len() as u64;
        Some(match (planned, self.stage, self.has_problem()) {
            (0, ..) => return None,
            (_, Stage::Copying, _) => format!("nothing deleted ({})", human::count(planned, "entry", "entries")),
            (_, Stage::Deleting, true) => format!("{} of {planned} deleted", self.deleted),
            (_, Stage::Deleting, false) if self.deleted == 0 => "deletions were stopped".to_owned(),
            _ => format!("{} deleted", self.deleted),
        })
    }

    /// The paths that stay different, because of problems that the plan shows.
    pub(crate) fn different(&self) -> Option<String> {
        let paths = self.plan.problems.len() as u64;
        (paths > 0).then(|| format!("{} cannot be made equal", human::count(paths, "path", "paths")))
    }
}

impl Transfer {
    /// Adds the files of the first stage of a sync to the figures of its last one.
    pub(super) fn add_first_stage(&mut self) {
        let Some(run) = self.sync.as_mut().filter(|run| run.stage == Stage::Rest) else { return };
        let (files, bytes) = std::mem::take(&mut run.copied);
        let tally = &mut self.tally;
        (tally.files, tally.files_done) = (tally.files + files, tally.files_done + files);
        (tally.bytes, tally.bytes_done) = (tally.bytes + bytes, tally.bytes_done + bytes);
    }
}
