//! The progress of a transfer: the engine's figures, kept across a break.

use std::time::Duration;

use ferry_client::transfer::{ActiveItem, ItemState, JobProgress, Summary};

use super::Transfer;
use crate::estimate::Estimate;

/// The progress of a transfer, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Whether the totals still grow.
    pub(crate) counting: bool,
    /// Whether it is held.
    pub(crate) paused: bool,
    /// Files known so far.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Finished files.
    pub(crate) files_done: u64,
    /// Finished bytes.
    pub(crate) bytes_done: u64,
    /// Of these, bytes that were there already.
    pub(crate) reused: u64,
    /// Files that failed.
    pub(crate) failed: u64,
    /// Files that wait for an answer.
    pub(crate) asking: u64,
    /// Left out on purpose.
    pub(crate) skipped: u64,
    /// Files that are under way.
    pub(crate) under_way: u64,
}

impl Tally {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            counting: self.counting || other.counting,
            paused: self.paused || other.paused,
            files: self.files.saturating_add(other.files),
            bytes: self.bytes.saturating_add(other.bytes),
            files_done: self.files_done.saturating_add(other.files_done),
            bytes_done: self.bytes_done.saturating_add(other.bytes_done),
            reused: self.reused.saturating_add(other.reused),
            failed: self.failed.saturating_add(other.failed),
            asking: self.asking.saturating_add(other.asking),
            skipped: self.skipped.saturating_add(other.skipped),
            under_way: self.under_way.saturating_add(other.under_way),
        }
    }

    /// The estimated time for the rest; `None` while its size is unknown.
    pub(crate) fn left(self, estimate: &Estimate) -> Option<Duration> {
        let left =
            estimate.left(self.bytes.saturating_sub(self.bytes_done), self.files.saturating_sub(self.files_done));
        left.filter(|_| !self.counting)
    }

    /// The finished thousandths; by bytes, or by files if there are no bytes.
    pub(crate) fn permille(&self) -> u64 {
        match (self.bytes, self.files) {
            (0, 0) => 0,
            (0, files) => self.files_done.saturating_mul(1000) / files,
            (bytes, _) => u64::try_from(u128::from(self.bytes_done.min(bytes)) * 1000 / u128::from(bytes)).unwrap_or(0),
        }
    }
}

impl From<&JobProgress> for Tally {
    fn from(job: &JobProgress) -> Self {
        Self {
            counting: job.counting,
            paused: job.paused,
            files: job.files,
            bytes: job.bytes,
            files_done: job.files_done,
            bytes_done: job.bytes_done,
            reused: job.reused,
            failed: job.failed,
            asking: job.asking,
            skipped: 0,
            under_way: job.under_way,
        }
    }
}

/// The files that were done before a break or a pause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    files: u64,
    bytes: u64,
    reused: u64,
}

impl Transfer {
    /// Takes the engine's figures. `stalled`: a server that it needs cannot be reached.
    pub(super) fn take(&mut self, job: &JobProgress, stalled: bool) {
        let (active, resting) = (&self.active, &self.resting);
        let sum = |of: fn(&ActiveItem) -> u64| active.iter().map(of).fold(0, u64::saturating_add);
        let mut now = Tally { reused: job.reused.saturating_add(sum(|item| item.reused)), ..job.into() };
        self.fresh = now.bytes_done.saturating_sub(now.reused);
        for rests in resting {
            // A resumed file only seems behind until its present bytes are compared.
            let again = active.iter().find(|item| item.item == rests.item);
            let behind = |of: fn(&ActiveItem) -> u64| of(rests).saturating_sub(again.map_or(0, of));
            now.bytes_done = now.bytes_done.saturating_add(behind(|item| item.done)).min(now.bytes);
            now.reused = now.reused.saturating_add(behind(|item| item.reused));
        }
        let shown = self.tally;
        // A file that lost its connection leaves the figures before the event with the reason.
        if stalled || job.paused || now.bytes_done < shown.bytes_done {
            let first = Before { files: shown.files_done, bytes: shown.bytes_done, reused: shown.reused };
            self.before.get_or_insert(first);
        }
        let known = |before: &Before| {
            let compared = !active.is_empty() && active.iter().all(is_past_comparing);
            let small = active.is_empty() && now.files_done > before.files;
            now.bytes_done >= before.bytes || !stalled && !job.paused && (compared || small)
        };
        self.before.take_if(|before| known(before));
        if let Some(before) = self.before {
            now.bytes_done = before.bytes.min(now.bytes);
            now.reused = now.reused.max(before.reused);
        }
        if stalled {
            now.under_way = 0;
        }
        self.tally = now;
    }

    /// The engine has ended it.
    pub(crate) fn end(&mut self, summary: Summary) {
        let discarded = self.discarded;
        let tally = &mut self.tally;
        (tally.counting, tally.paused, tally.asking, tally.under_way) = (false, false, 0, 0);
        tally.files = tally.files.max(summary.files.saturating_add(summary.failed));
        tally.bytes = tally.bytes.max(summary.bytes);
        tally.files_done = summary.files;
        // The bytes of a cancelled file are kept; for a failed file the amount is unknown.
        let kept = if summary.cancelled && !discarded { tally.bytes_done } else { 0 };
        tally.bytes_done = summary.bytes.max(kept);
        (tally.reused, tally.failed) = (summary.reused, summary.failed);
        // A file that was not compared is not verified either.
        tally.skipped = summary.skipped.saturating_add(summary.unchanged);
        self.fresh = self.fresh.max(summary.bytes.saturating_sub(summary.reused));
        self.before = None;
        self.summary = Some(summary);
        self.add_first_stage();
    }
}

/// Whether a file that was begun is at rest now.
pub(crate) fn rests(item: &ActiveItem) -> bool {
    matches!(item.state, ItemState::Paused | ItemState::Waiting)
}

/// Whether the bytes of a file that were there already are known.
fn is_past_comparing(item: &ActiveItem) -> bool {
    match item.state {
        ItemState::Waiting | ItemState::Checking => false,
        ItemState::Sending | ItemState::Receiving => item.done > 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture::{active, job};

    #[test]
    fn progress_is_by_bytes_and_by_files_where_there_are_none() {
        let tally =
            |bytes, bytes_done, files, files_done| Tally { bytes, bytes_done, files, files_done, ..Tally::default() };
        assert_eq!(tally(1000, 250, 2, 2).permille(), 250);
        assert_eq!(tally(0, 0, 4, 1).permille(), 250);
        assert_eq!(tally(0, 0, 0, 0).permille(), 0);
        assert_eq!(tally(u64::MAX, u64::MAX, 1, 1).permille(), 1000);
    }

    /// A transfer's figures after each of the engine's: bytes through, of a job of 100.
    fn shown(transfer: &mut Transfer, done: u64, state: Option<ItemState>, paused: bool, stalled: bool) -> u64 {
        let job = JobProgress { paused, ..job(1, (0, 1), (done, 100), 0) };
        transfer.active = state.map(|state| active(1, 1, "a", done, 100, state)).into_iter().collect();
        transfer.take(&job, stalled);
        transfer.tally.bytes_done
    }

    #[test]
    fn a_pause_takes_nothing_of_what_arrived_away() {
        let mut transfer = Transfer::sample();
        assert_eq!(shown(&mut transfer, 60, Some(ItemState::Sending), false, false), 60);
        assert_eq!(shown(&mut transfer, 0, None, true, false), 60);
        assert_eq!(shown(&mut transfer, 0, None, false, false), 60, "it waits to go on");
        assert_eq!(shown(&mut transfer, 20, Some(ItemState::Checking), false, false), 60);
        assert_eq!(
            shown(&mut transfer, 55, Some(ItemState::Sending), false, false),
            55,
            "what is there is known again"
        );
    }

    #[test]
    fn after_a_break_the_last_figure_holds_until_it_is_compared_what_is_there() {
        let mut transfer = Transfer::sample();
        shown(&mut transfer, 60, Some(ItemState::Receiving), false, false);
        assert_eq!(shown(&mut transfer, 0, None, false, true), 60);
        assert_eq!(shown(&mut transfer, 0, Some(ItemState::Checking), false, false), 60);
        assert_eq!(shown(&mut transfer, 0, Some(ItemState::Receiving), false, false), 60);
        assert_eq!(shown(&mut transfer, 58, Some(ItemState::Receiving), false, false), 58);
    }

    #[test]
    fn the_last_figure_holds_also_before_the_break_is_told() {
        let mut transfer = Transfer::sample();
        shown(&mut transfer, 60, Some(ItemState::Sending), false, false);
        assert_eq!(shown(&mut transfer, 0, None, false, false), 60);
        assert_eq!(shown(&mut transfer, 0, None, false, true), 60);
        assert_eq!(shown(&mut transfer, 0, Some(ItemState::Waiting), false, false), 60);
        assert_eq!(shown(&mut transfer, 58, Some(ItemState::Sending), false, false), 58);
    }

    #[test]
    fn blocks_that_were_there_did_not_travel() {
        let mut transfer = Transfer::sample();
        let item = ActiveItem { reused: 50, ..active(1, 1, "a", 60, 100, ItemState::Sending) };
        transfer.active = vec![item];
        transfer.take(&job(1, (0, 1), (60, 100), 0), false);
        assert_eq!((transfer.fresh, transfer.tally.reused), (10, 50));
    }

    #[test]
    fn a_file_paused_by_itself_keeps_its_bytes_while_others_go_on() {
        let mut transfer = Transfer::sample();
        transfer.resting = vec![active(1, 1, "a", 30, 50, ItemState::Paused)];
        let other = |done| active(2, 1, "b", done, 50, ItemState::Sending);
        for done in [10, 20] {
            transfer.active = vec![other(done)];
            transfer.take(&job(1, (0, 2), (done, 100), 0), false);
            assert_eq!(transfer.tally.bytes_done, 30 + done);
        }
    }

    #[test]
    fn only_what_is_whole_counts_in_the_end() {
        let transfer = || Transfer {
            tally: Tally { files: 2, bytes: 100, files_done: 2, bytes_done: 80, ..Tally::default() },
            ..Transfer::sample()
        };
        let figures =
            |transfer: Transfer| (transfer.tally.files_done, transfer.tally.bytes_done, transfer.tally.skipped);
        let whole = Summary { files: 1, bytes: 40, skipped: 1, ..Summary::default() };
        let mut skipped = transfer();
        skipped.end(whole.clone());
        assert_eq!(figures(skipped), (1, 40, 1));
        let mut cancelled = transfer();
        cancelled.end(Summary { cancelled: true, ..whole.clone() });
        assert_eq!(figures(cancelled), (1, 80, 1));
        let mut discarded = Transfer { discarded: true, ..transfer() };
        discarded.end(Summary { cancelled: true, ..whole });
        assert_eq!(figures(discarded), (1, 40, 1));
    }
}
