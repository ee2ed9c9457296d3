//! A summary of all jobs in one line: bytes, rate, remaining time, and activity.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use ferry_client::transfer::{ItemState, JobId, JobProgress, Progress};

use super::word;
use crate::{estimate::Estimate, human};

/// The time over which the rate is averaged.
const WINDOW: Duration = Duration::from_secs(5);

/// The sum over all jobs, finished ones included.
pub(super) struct Sum {
    upload: bool,
    jobs: HashMap<JobId, Part>,
    rate: Rate,
    started: Option<Instant>,
    estimate: Estimate,
    files_left: u64,
    /// The known number of bytes.
    pub(super) bytes: u64,
    /// The number of completed bytes.
    pub(super) bytes_done: u64,
    counting: bool,
    asking: u64,
    doing: &'static str,
}

impl Sum {
    pub(super) fn new(upload: bool) -> Self {
        Self {
            upload,
            jobs: HashMap::new(),
            rate: Rate::default(),
            started: None,
            estimate: Estimate::default(),
            files_left: 0,
            bytes: 0,
            bytes_done: 0,
            counting: true,
            asking: 0,

            doing: "connecting",
        }
    }

    /// Updates the sum with the current progress.
    pub(super) fn update(&mut self, progress: &Progress, now: Instant) {
        // Jobs that no longer exist have ended.
        for part in self.jobs.values_mut() {
            (part.bytes_done, part.files_done) = (part.bytes, part.files);
        }
        for job in &progress.jobs {
            self.jobs.insert(job.job, Part::of(job));
        }
        let sum = |of: fn(&Part) -> u64| self.jobs.values().map(of).fold(0, u64::saturating_add);
        (self.bytes, self.bytes_done) = (sum(|part| part.bytes), sum(|part| part.bytes_done));
        let files_done = sum(|part| part.files_done);
        self.files_left = sum(|part| part.files).saturating_sub(files_done);
        let there = progress.active.iter().map(|item| item.reused).fold(sum(|part| part.reused), u64::saturating_add);
        let since = now.duration_since(*self.started.get_or_insert(now));
        self.estimate.push(since, self.bytes_done.saturating_sub(there), files_done);
        self.counting = progress.jobs.iter().any(|job| job.counting);
        self.asking = progress.jobs.iter().map(|job| job.asking).sum();
        self.rate.add(now, if self.upload { progress.sent } else { progress.received });
        self.doing = self.doing(progress);
    }

    fn doing(&self, progress: &Progress) -> &'static str {
        let moving = if self.upload { ItemState::Sending } else { ItemState::Receiving };
        let active = |state| progress.active.iter().any(|item| item.state == state);
        if progress.connections == 0 && self.bytes_done == 0 {
            return "connecting";
        }
        if active(moving) {
            return word(moving);
        }
        if let Some(state) =
            [ItemState::Checking, ItemState::Verifying, ItemState::Flushing].into_iter().find(|state| active(*state))
        {
            return word(state);
        }
        let known = |job: &JobProgress| job.files > 0;
        match (self.counting, progress.jobs.iter().any(known)) {
            (true, false) => "counting",
            _ if self.bytes_done < self.bytes => word(moving),
            (true, true) => "counting",
            (false, _) => "flushing",
        }
    }

    /// The completed percentage.
    pub(super) fn percent(&self) -> u64 {
        let percent = u128::from(self.bytes_done) * 100 / u128::from(self.bytes.max(1));
        u64::try_from(percent).unwrap_or(100).min(100)
    }

    /// `12 GiB of ≥ 30 GiB, 212 MiB/s, 1:25 left, sending`.
    pub(super) fn text(&self) -> String {
        let least = if self.counting { "≥ " } else { "" };
        let mut text = format!("{} of {least}{}", human::size(self.bytes_done), human::size(self.bytes));
        if let Some(rate) = self.rate.get().filter(|rate| *rate > 0) {
            text += &format!(", {}/s", human::size(rate));
            let left = self.estimate.left(self.bytes.saturating_sub(self.bytes_done), self.files_left);
            if let Some(left) = left.filter(|_| !self.counting) {
                text += &format!(", {} left", human::duration(left));
            }
        }
        text += ", ";
        text += self.doing;
        if self.asking > 0 {
            text += &format!(", {} to be answered", self.asking);
        }
        text
    }
}

/// The progress of a job.
#[derive(Clone, Copy)]
struct Part {
    bytes: u64,
    bytes_done: u64,
    reused: u64,
    files: u64,
    files_done: u64,
}

impl Part {
    fn of(job: &JobProgress) -> Self {
        let JobProgress { bytes, bytes_done, reused, files, files_done, .. } = *job;
        Self { bytes, bytes_done, reused, files, files_done }
    }
}

/// Bytes per second over the last seconds.
#[derive(Default)]
struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    fn add(&mut self, now: Instant, bytes: u64) {
        self.samples.push_back((now, bytes));
        while self.samples.len() > 2 && self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    fn get(&self) -> Option<u64> {
        let ((first, before), (last, after)) = (self.samples.front()?, self.samples.back()?);
        let millis = last.duration_since(*first).as_millis();
        if millis < 200 {
            return None;
        }
        u64::try_from(u128::from(after.saturating_sub(*before)) * 1000 / millis).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ferry_client::transfer::{ActiveItem, ItemId, ItemPath};
    use ferry_shared::path::RemotePath;

    use super::*;

    fn job(id: u64, bytes: u64, bytes_done: u64, counting: bool) -> JobProgress {
        JobProgress {
            job: JobId(id),
            counting,
            paused: false,
            files: 1,
            bytes,
            files_done: 0,
            bytes_done,
            reused: 0,
            transferred: bytes_done,
            failed: 0,
            asking: 0,
            under_way: 0,
        }
    }

    fn progress(jobs: Vec<JobProgress>, sent: u64) -> Progress {
        Progress { jobs, connections: 1, sent, ..Progress::default() }
    }

    #[test]
    fn finished_jobs_stay_in_the_sum() {
        let (mut sum, start) = (Sum::new(true), Instant::now());
        sum.update(&progress(vec![job(1, 100, 40, false), job(2, 100, 0, false)], 40), start);
        sum.update(&progress(vec![job(2, 100, 0, false)], 100), start);
        assert_eq!((sum.bytes, sum.bytes_done, sum.percent()), (200, 100, 50));
    }

    #[test]
    fn a_file_of_one_block_is_sending_and_shows_its_bytes() {
        let (mut sum, now) = (Sum::new(true), Instant::now());
        let path = ItemPath::of(Some(PathBuf::from("a").into()), Some(RemotePath::from_wire(b"a").unwrap().into()));
        let (item, job_id, size) = (ItemId(1), JobId(1), Some(900 << 10));
        let (done, reused, elapsed) = (450 << 10, 0, Duration::from_secs(9));
        let item = ActiveItem { item, job: job_id, path, size, done, reused, state: ItemState::Sending, elapsed };
        let jobs = vec![JobProgress { under_way: 1, ..job(1, 900 << 10, 450 << 10, false) }];
        sum.update(&Progress { active: vec![item.clone()], ..progress(jobs, 450 << 10) }, now);
        assert_eq!((sum.percent(), sum.text().as_str()), (50, "450 KiB of 900 KiB, sending"));
        assert_eq!(super::super::item_text(&item), "a  sending 450 KiB of 900 KiB");
    }

    #[test]
    fn totals_are_a_lower_bound_while_counting() {
        let (mut sum, start) = (Sum::new(true), Instant::now());
        sum.update(&progress(vec![job(1, 4096, 1024, true)], 0), start);
        sum.update(&progress(vec![job(1, 4096, 2048, true)], 1024), start + Duration::from_secs(1));
        assert_eq!(sum.text(), "2.0 KiB of ≥ 4.0 KiB, 1.0 KiB/s, sending");
        sum.update(&progress(vec![job(1, 4096, 3072, false)], 2048), start + Duration::from_secs(2));
        assert_eq!(sum.text(), "3.0 KiB of 4.0 KiB, 1.0 KiB/s, 0:01 left, sending");
    }

    #[test]
    fn the_remaining_time_of_small_files_follows_their_number() {
        let (mut sum, start) = (Sum::new(true), Instant::now());
        for second in 0..=10 {
            // 100 files of 10 bytes a second; each costs 500 bytes on the wire.
            let files_done = 100 * second;
            let job = JobProgress { files: 7000, files_done, reused: 0, ..job(1, 70_000, files_done * 10, false) };
            sum.update(&progress(vec![job], files_done * 510), start + Duration::from_secs(second));
        }
        assert!(sum.text().contains(", 1:00 left,") || sum.text().contains(", 0:59 left,"), "{}", sum.text());
    }

    #[test]
    fn the_rate_ignores_old_samples() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        for second in 0..20 {
            rate.add(start + Duration::from_secs(second), if second < 10 { 0 } else { (second - 9) * 1000 });
        }
        assert_eq!(rate.get(), Some(1000));
    }

    #[test]
    fn the_remaining_work_is_named() {
        let mut sum = Sum::new(false);
        let now = Instant::now();
        sum.update(&Progress::default(), now);
        assert_eq!(sum.doing, "connecting");
        sum.update(&progress(vec![JobProgress { files: 0, ..job(1, 0, 0, true) }], 0), now);
        assert_eq!(sum.doing, "counting");
        sum.update(&progress(vec![job(1, 9, 5, false)], 0), now);
        assert_eq!(sum.doing, "receiving");
        sum.update(&progress(vec![job(1, 9, 9, false)], 0), now);
        assert_eq!(sum.doing, "flushing");
    }
}
