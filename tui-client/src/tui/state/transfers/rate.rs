//! The transfer rate: a moving average, so that the figure is steady enough to read.

use std::{collections::VecDeque, time::Duration};

/// The window of the average.
const WINDOW: Duration = Duration::from_secs(5);
/// Bytes that stood still for so long have no rate, whatever they had before.
const STILL: Duration = Duration::from_secs(2);
/// The least time between two values of the history.
const BEAT: Duration = Duration::from_secs(1);
/// The most values of the history.
const BEATS: usize = 60;
/// The least time between two points.
const STEP: Duration = Duration::from_millis(150);

/// A counter's points in time, the latest last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    points: VecDeque<(Duration, u64)>,
    /// When the counter grew last, and where it stood then.
    grew: (Duration, u64),
    /// The rate once a second, the latest last.
    history: VecDeque<u64>,
    beat: Duration,
}

impl Rate {
    /// The counter stood at `bytes` at `now`.
    pub(crate) fn push(&mut self, now: Duration, bytes: u64) {
        if bytes != self.grew.1 {
            self.grew = (now, bytes);
        }
        if let Some((_, before)) = self.points.back()
            && *before > bytes
        {
            // The counter was reset.
            self.points.clear();
        }
        if self.points.back().is_none_or(|(last, _)| now >= *last + STEP) {
            self.points.push_back((now, bytes));
        }
        while self.points.len() > 2 && self.points[1].0 + WINDOW < now {
            self.points.pop_front();
        }
        if now >= self.beat + BEAT {
            if self.history.len() == BEATS {
                self.history.pop_front();
            }
            self.history.push_back(self.at(now));
            self.beat = now;
        }
    }

    /// The rate in bytes a second, once for each of the last seconds in which the counter was told, the latest last.
    pub(crate) fn history(&self) -> Vec<u64> {
        self.history.iter().copied().collect()
    }

    /// Bytes a second at `now`; 0 if nothing came within the window.
    pub(crate) fn at(&self, now: Duration) -> u64 {
        if now > self.grew.0 + STILL {
            return 0;
        }
        let from = self.points.iter().find(|(time, _)| *time + WINDOW >= now);
        let (Some((start, first)), Some((_, last))) = (from, self.points.back()) else { return 0 };
        let millis = now.saturating_sub(*start).as_millis().max(STEP.as_millis());
        u64::try_from(u128::from(last - first) * 1000 / millis).unwrap_or(u64::MAX)
    }
}

/// How long `left` bytes take.
pub(crate) fn eta(left: u64, rate: u64) -> Option<Duration> {
    (rate > 0).then(|| Duration::from_secs(left.div_ceil(rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_steady_stream_has_its_rate_from_the_first_second_on() {
        let mut rate = Rate::default();
        for step in 0..100 {
            rate.push(at(step * 100), step * 1000);
            if step >= 10 {
                let shown = rate.at(at(step * 100));
                assert!((8_000..=11_000).contains(&shown), "{shown} at {step}");
            }
        }
    }

    #[test]
    fn a_stopped_stream_comes_to_rest() {
        let mut rate = Rate::default();
        rate.push(at(0), 0);
        rate.push(at(1000), 1_000_000);
        assert!(rate.at(at(3000)) < 1_000_000);
        assert_eq!(rate.at(at(9000)), 0);
    }

    #[test]
    fn a_counter_that_begins_anew_is_no_miracle() {
        let mut rate = Rate::default();
        rate.push(at(0), 500);
        rate.push(at(1000), 10);
        rate.push(at(2000), 30);
        assert!(rate.at(at(2000)) <= 20);
    }

    #[test]
    fn the_history_has_one_value_a_second_and_an_end() {
        let mut rate = Rate::default();
        for step in 0..1000 {
            rate.push(at(step * 100), step * 1000);
        }
        let history = rate.history();
        assert_eq!(history.len(), BEATS);
        assert!(history.iter().all(|rate| (9_000..=11_000).contains(rate)), "{history:?}");
    }

    #[test]
    fn a_transfer_that_does_not_move_has_no_time_left() {
        assert_eq!(eta(10, 0), None);
        assert_eq!(eta(10, 4), Some(Duration::from_secs(3)));
    }
}
