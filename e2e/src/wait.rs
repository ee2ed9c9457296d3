//! The single way to wait for a condition, so that no test relies on sleeping.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up; generous, for slow machines.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `is_true`, or fails with a message that `what` never happened.
///
/// # Panics
/// After [`PATIENCE`].
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    some(what, || is_true().then_some(()));
}

/// Waits until `look` returns a value and returns it.
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
