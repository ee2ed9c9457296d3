//! Holds back files that are still being changed: a file is sent once it was seen twice in the same state, a while
//! apart.

use std::{
    collections::HashMap,
    fs::{self, Metadata},
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use ferry_client::{SitePath, sync::Plan};
use ferry_shared::{entry::Kind, path::RemotePath};

/// The states of the files that are about to be sent.
#[derive(Debug)]
pub(super) struct Settling {
    time: Duration,
    seen: HashMap<RemotePath, (Identity, Instant)>,
}

/// The state of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    /// Device, inode and the time of the last change of any kind, where the system has them.
    file: Option<(u64, u64, i64, i64)>,
    size: u64,
    modified: Option<SystemTime>,
}

impl Settling {
    /// Holds files back until they were unchanged for `time`.
    pub(super) fn new(time: Duration) -> Self {
        Self { time, seen: HashMap::new() }
    }

    /// Takes the files out of a plan that are still being changed, and with them, what they replace. Returns whether
    /// there are any.
    pub(super) fn hold_back(&mut self, plan: &mut Plan, folder: &Path, now: Instant) -> bool {
        let mut seen = HashMap::new();
        for copies in [&mut plan.copies, &mut plan.blocked] {
            copies.retain(|path, copy| {
                if copy.entry.kind != Kind::File {
                    return true;
                }
                // A file that is gone is held back, until the next plan knows.
                let identity = local(folder, path).and_then(|file| fs::metadata(file).ok()).map(|found| of(&found));
                let Some(identity) = identity else { return false };
                let before = self.seen.get(path).filter(|(before, _)| *before == identity);
                let since = before.map_or(now, |(_, since)| *since);
                seen.insert(path.clone(), (identity, since));
                now.duration_since(since) >= self.time
            });
        }
        let held = seen.values().any(|(_, since)| now.duration_since(*since) < self.time);
        if held {
            // Nothing is removed before everything has been copied.
            plan.deletions.clear();
            plan.blocked.clear();
        }
        self.seen = seen;
        held
    }
}

fn local(folder: &Path, path: &RemotePath) -> Option<std::path::PathBuf> {
    SitePath::from(folder).join_path(path).ok()?.local().map(ToOwned::to_owned)
}

fn of(found: &Metadata) -> Identity {
    Identity { file: file(found), size: found.len(), modified: found.modified().ok() }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have none")]
fn file(found: &Metadata) -> Option<(u64, u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
}

#[cfg(not(unix))]
fn file(_found: &Metadata) -> Option<(u64, u64, i64, i64)> {
    None
}

#[cfg(test)]
mod tests {
    use ferry_client::sync::{Copy, Why};
    use ferry_shared::entry::{Entry, Mtime};

    use super::*;

    #[test]
    fn a_file_is_sent_only_after_it_was_unchanged_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let path = RemotePath::from_wire(b"x").unwrap();
        let plan = || {
            let entry =
                Entry { name: path.name().unwrap(), kind: Kind::File, size: 1, mtime: Mtime(0, 0), mode: 0o644 };
            let mut plan = Plan::default();
            plan.copies.insert(path.clone(), Copy { entry, why: Why::New });
            plan
        };
        let mut settling = Settling::new(Duration::from_secs(2));
        let start = Instant::now();
        let mut sent = |seconds| {
            let mut plan = plan();
            let held = settling.hold_back(&mut plan, dir.path(), start + Duration::from_secs(seconds));
            assert_eq!(held, plan.copies.is_empty());
            !held
        };
        fs::write(dir.path().join("x"), "1").unwrap();
        assert!(!sent(0) && !sent(1));
        fs::write(dir.path().join("x"), "12").unwrap();
        assert!(!sent(2) && !sent(3) && sent(4));
    }
}
