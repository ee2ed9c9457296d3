//! One way to wait for something to become true, so that no test sleeps for luck.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives it up; generous, for slow machines.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `is_true`, or fails saying that `what` never came.
///
/// # Panics
/// After [`PATIENCE`].
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    some(what, || is_true().then_some(()));
}

/// Waits until `look` finds something and returns it.
///
/// # Panics
/// After [`PATIENCE`].
pub fn some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}
