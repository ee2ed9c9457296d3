//! Remembers for a moment which uploads failed.
//!
//! Some clients clean up after an upload that failed: they remove its path, and mean what they sent. Here that was
//! never stored, and the path still has the file that was to be replaced.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ferry_shared::path::RemotePath;
use parking_lot::Mutex;

/// How long a failure is remembered.
const MOMENT: Duration = Duration::from_secs(60);
/// The most failures that are remembered.
const MOST: usize = 64;

/// The failed uploads of one user.
#[derive(Debug, Default)]
pub struct FailedUploads(Mutex<VecDeque<(RemotePath, Instant)>>);

impl FailedUploads {
    /// Notes that the upload to `path` failed.
    pub fn note(&self, path: &RemotePath) {
        self.note_at(path, Instant::now());
    }

    /// Forgets the path because another upload to it begins. Returns whether its last upload failed a moment ago.
    pub fn take(&self, path: &RemotePath) -> bool {
        self.take_at(path, Instant::now())
    }

    fn note_at(&self, path: &RemotePath, now: Instant) {
        let mut failed = self.0.lock();
        failed.retain(|(other, _)| other != path);
        if failed.len() == MOST {
            failed.pop_front();
        }
        failed.push_back((path.clone(), now));
    }

    fn take_at(&self, path: &RemotePath, now: Instant) -> bool {
        let mut failed = self.0.lock();
        failed.retain(|(_, at)| now.duration_since(*at) < MOMENT);
        let fresh = failed.len();
        failed.retain(|(other, _)| other != path);
        failed.len() < fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_only_for_a_moment() {
        let (failed, now) = (FailedUploads::default(), Instant::now());
        let path = |name: &str| RemotePath::from_wire(name.as_bytes()).unwrap();
        failed.note_at(&path("f"), now);
        assert!(!failed.take_at(&path("g"), now));
        assert!(failed.take_at(&path("f"), now) && !failed.take_at(&path("f"), now));
        failed.note_at(&path("f"), now);
        assert!(!failed.take_at(&path("f"), now + MOMENT));
        (0..=MOST).for_each(|number| failed.note_at(&path(&number.to_string()), now));
        assert!(!failed.take_at(&path("0"), now) && failed.take_at(&path("1"), now));
    }
}
