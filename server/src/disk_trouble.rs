//! Limits log lines about a faulty disk: each kind of fault once a minute, however much is refused meanwhile.

use std::{
    collections::HashMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::disk_fault::Fault;

/// How long a kind is not logged again.
const PAUSE: Duration = Duration::from_secs(60);

/// There is one log, so this state is global to the process.
static TOLD: LazyLock<Mutex<Told>> = LazyLock::new(Mutex::default);

/// When each kind was last logged, and how often it occurred since.
#[derive(Debug, Default)]
struct Told(HashMap<Fault, (Instant, u64)>);

impl Told {
    /// How often the fault occurred since it was last logged, including now, if it is due to be logged.
    fn due(&mut self, fault: Fault, now: Instant) -> Option<u64> {
        let Some((last, count)) = self.0.get_mut(&fault) else {
            self.0.insert(fault, (now, 0));
            return Some(1);
        };
        *count += 1;
        if now.saturating_duration_since(*last) < PAUSE {
            return None;
        }
        *last = now;
        Some(std::mem::take(count))
    }
}

/// Calls `log` if the fault is due to be logged, with the number of occurrences since the last time.
pub(crate) fn tell(fault: Fault, log: impl FnOnce(u64)) {
    let due = TOLD.lock().due(fault, Instant::now());
    if let Some(count) = due {
        log(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_is_logged_once_a_minute_with_its_count() {
        let (mut told, now) = (Told::default(), Instant::now());
        let mut at = |fault, second| told.due(fault, now + Duration::from_secs(second));
        let full: Vec<_> = [0, 1, 59, 60, 61, 119, 120].map(|second| at(Fault::Full, second)).into();
        assert_eq!(full, [Some(1), None, None, Some(3), None, None, Some(3)]);
        assert_eq!(at(Fault::ReadOnly, 61), Some(1), "another kind is told at once");
        assert_eq!(at(Fault::ReadOnly, 62), None);
    }
}
