//! Estimates the remaining time from the cost per file and per byte so far.
//!
//! The number of bytes determines the time only for large files; for many small files, their number does. The recent
//! time is therefore divided between both by least squares, which also works for a mixture of large and small files.

use std::time::Duration;

/// The minimum time between two samples: shorter samples are random.
const STEP: Duration = Duration::from_millis(200);
/// The half-life of a sample in seconds.
const HALF_LIFE: f64 = 10.0;
/// The assumed cost of a mebibyte and of a file, in seconds, until measurements exist.
const BELIEVED: (f64, f64) = (0.01, 0.0005);
/// The weight of this assumption relative to the samples. If all files have the same size, the time could be assigned
/// to either; it is assigned to the files.
const BELIEF: (f64, f64) = (1e-3, 1e-5);

/// Estimates the cost of a file and of a byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct Estimate {
    last: Option<(Duration, u64, u64)>,
    seen: Sums,
}

/// Sums over the samples: products of mebibytes, files and seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    bytes_bytes: f64,
    bytes_files: f64,
    files_files: f64,
    bytes_time: f64,
    files_time: f64,
}

impl Estimate {
    /// Records the numbers of transferred bytes and completed files at `now`.
    pub(crate) fn push(&mut self, now: Duration, bytes: u64, files: u64) {
        let Some((then, bytes_then, files_then)) = self.last else {
            self.last = Some((now, bytes, files));
            return;
        };
        if bytes < bytes_then || files < files_then {
            // A counter was reset.
            self.last = Some((now, bytes, files));
            return;
        }
        let passed = now.saturating_sub(then);
        // A wait counts together with the data it was for.
        if passed < STEP || (bytes == bytes_then && files == files_then) {
            return;
        }
        self.last = Some((now, bytes, files));
        let (bytes, files, time) = (mebibytes(bytes - bytes_then), number(files - files_then), passed.as_secs_f64());
        let kept = 0.5_f64.powf(time / HALF_LIFE);
        let add = |sum: &mut f64, product: f64| *sum = *sum * kept + product;
        add(&mut self.seen.bytes_bytes, bytes * bytes);
        add(&mut self.seen.bytes_files, bytes * files);
        add(&mut self.seen.files_files, files * files);
        add(&mut self.seen.bytes_time, bytes * time);
        add(&mut self.seen.files_time, files * time);
    }

    /// The time for this number of bytes and files, in whole seconds; `None` without samples.
    pub(crate) fn left(&self, bytes: u64, files: u64) -> Option<Duration> {
        let (byte, file) = self.seen.costs()?;
        Duration::try_from_secs_f64((mebibytes(bytes) * byte + number(files) * file).round()).ok()
    }
}

impl Sums {
    /// The seconds per mebibyte and per file.
    fn costs(&self) -> Option<(f64, f64)> {
        if self.bytes_bytes + self.files_files == 0.0 {
            return None;
        }
        // Without samples of one of them, its assumption remains.
        let belief = (BELIEF.0 * self.bytes_bytes + 1e-9, BELIEF.1 * self.files_files + 1e-9);
        let (bb, ff) = (self.bytes_bytes + belief.0, self.files_files + belief.1);
        let (bt, ft) = (self.bytes_time + belief.0 * BELIEVED.0, self.files_time + belief.1 * BELIEVED.1);
        let both = bb * ff - self.bytes_files * self.bytes_files;
        let byte = (bt * ff - ft * self.bytes_files) / both;
        let file = (ft * bb - bt * self.bytes_files) / both;
        Some(match (byte < 0.0, file < 0.0) {
            (false, false) => (byte, file),
            (true, _) => (0.0, ft / ff),
            (_, true) => (bt / bb, 0.0),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate needs only the precision of a double")]
fn number(count: u64) -> f64 {
    count as f64
}

fn mebibytes(bytes: u64) -> f64 {
    number(bytes) / f64::from(1u32 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Feeds samples of a quarter of a second; `each` tells the bytes and files of one.
    fn after(seconds: u32, each: impl Fn(u32) -> (u64, u64)) -> Estimate {
        let (mut estimate, mut bytes, mut files) = (Estimate::default(), 0, 0);
        estimate.push(Duration::ZERO, 0, 0);
        for quarter in 1..=seconds * 4 {
            let (more_bytes, more_files) = each(quarter);
            (bytes, files) = (bytes + more_bytes, files + more_files);
            estimate.push(Duration::from_millis(250) * quarter, bytes, files);
        }
        estimate
    }

    fn seconds(estimate: &Estimate, bytes: u64, files: u64) -> f64 {
        estimate.left(bytes, files).unwrap().as_secs_f64()
    }

    #[test]
    fn the_time_of_small_files_follows_their_number() {
        for size in [0, 10, 20_000] {
            // 1000 files a second; 10,000 are left.
            let estimate = after(5, |_| (250 * size, 250));
            let left = seconds(&estimate, 10_000 * size, 10_000);
            assert!((9.5..10.5).contains(&left), "{size}: {left}");
        }
    }

    #[test]
    fn the_time_of_a_large_file_follows_its_size() {
        let estimate = after(5, |_| (25 * MIB, 0));
        let left = seconds(&estimate, 1000 * MIB, 1);
        assert!((9.5..10.5).contains(&left), "{left}");
    }

    #[test]
    fn small_files_after_large_ones_are_not_estimated_by_their_size() {
        // Two seconds of small files, then a large one; 10,000 small ones are left.
        let estimate = after(10, |quarter| if quarter <= 8 { (250 * 100, 250) } else { (25 * MIB, 0) });
        let left = seconds(&estimate, 10_000 * 100, 10_000);
        assert!((8.0..12.0).contains(&left), "{left}");
        let large = seconds(&estimate, 1000 * MIB, 1);
        assert!((9.0..11.0).contains(&large), "{large}");
    }

    #[test]
    fn there_is_no_estimate_before_progress_and_waits_count() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.left(1, 1), None);
        estimate.push(Duration::ZERO, 0, 0);
        estimate.push(Duration::from_secs(9), 0, 0);
        assert_eq!(estimate.left(1, 1), None);
        estimate.push(Duration::from_secs(10), MIB, 0);
        let left = seconds(&estimate, 10 * MIB, 0);
        assert!((95.0..105.0).contains(&left), "{left}");
        // A counter that was reset does not distort the estimate.
        estimate.push(Duration::from_secs(11), 0, 0);
        assert!(seconds(&estimate, 10 * MIB, 0) > 90.0);
    }
}
