//! Notices when the user store's file changes and has it read again.
#![expect(clippy::disallowed_methods, reason = "looks at the user store, a file of the server's own")]

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{By, Users};
use crate::{private_file, symlinks::stops};

/// How long the file has to stay as it is before it is read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How long a command that changes the file may take to tell of it.
const TELLING: Duration = Duration::from_secs(2);
/// How often a file that does not come to rest is looked at before it is read anyway.
const ROUNDS: u32 = 20;
/// How often the file is looked at without word of a change: some disks send none.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps watching until dropped.
#[must_use]
pub struct Watch {
    _alive: Arc<()>,
}

impl Users {
    /// Starts reloading whenever the file changes, on a thread that ends within a second of the drop of what
    /// this returns. The folders of the file and of each link that leads to it are watched, not the file: a
    /// replaced file is another one, and the first may not be there yet. Once a second the file is looked at too.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn watch(&self) -> io::Result<Watch> {
        let alive = Arc::new(());
        let follower =
            Follower { users: self.clone(), alive: Arc::downgrade(&alive), seen: FileStamp::at(self.path()) };
        thread::Builder::new().name("user store".to_owned()).spawn(move || follower.run())?;
        Ok(Watch { _alive: alive })
    }

    /// Reads the file again. A command that has changed it tells by itself, with who gave it: it comes first.
    fn follow(&self) {
        let held = private_file::lock_within(self.path(), TELLING);
        let _held = held.inspect_err(|error| tracing::debug!(%error, "the user store stays locked"));
        // There is nobody to tell but the log.
        let _ = self.reload_and_log(By::Unknown);
    }
}

/// Which file is there and how it is: another value whenever anything of it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileStamp {
    File { inode: (u64, u64), size: u64, mtime: (i64, i64), ctime: (i64, i64) },
    Nothing(io::ErrorKind),
}

impl FileStamp {
    fn at(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(found) => Self::File {
                inode: (found.dev(), found.ino()),
                size: found.size(),
                mtime: (found.mtime(), found.mtime_nsec()),
                ctime: (found.ctime(), found.ctime_nsec()),
            },
            Err(error) => Self::Nothing(error.kind()),
        }
    }
}

struct Follower {
    users: Users,
    alive: Weak<()>,
    seen: FileStamp,
}

impl Follower {
    fn run(mut self) {
        let (wake, woken) = mpsc::sync_channel(1);
        let react = move |_: notify::Result<notify::Event>| {
            // Whatever it is, the file is looked at. A full channel has it looked at already.
            let _ = wake.try_send(());
        };
        let mut watcher = notify::recommended_watcher(react)
            .inspect_err(|error| tracing::warn!(%error, "the user store is only looked at once a second"))
            .ok();
        let mut watched = BTreeSet::new();
        loop {
            if let Some(watcher) = &mut watcher {
                watch_all(watcher, &mut watched, self.users.path());
            }
            if !self.wait(&woken) {
                return;
            }
            self.users.follow();
        }
    }

    /// Waits until the file has changed and come to rest; false when nobody wants to know any more.
    fn wait(&mut self, woken: &Receiver<()>) -> bool {
        loop {
            match woken.recv_timeout(POLL_INTERVAL) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                // There is no watcher: only time passes.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(POLL_INTERVAL),
            }
            if self.alive.strong_count() == 0 {
                return false;
            }
            let mut now = FileStamp::at(self.users.path());
            if now == self.seen {
                continue;
            }
            for _ in 0..ROUNDS {
                thread::sleep(QUIET);
                let before = std::mem::replace(&mut now, FileStamp::at(self.users.path()));
                if before == now {
                    break;
                }
            }
            self.seen = now;
            return true;
        }
    }
}

/// Watches the folders on the way to `file` as it is now, and no others. They are watched anew each time: one
/// that was replaced has the same path and is another.
fn watch_all(watcher: &mut RecommendedWatcher, watched: &mut BTreeSet<PathBuf>, file: &Path) {
    for folder in std::mem::take(watched) {
        // One that was removed is not watched any more.
        let _ = watcher.unwatch(&folder);
    }
    for stop in stops(file) {
        if watched.contains(&stop.folder) {
            continue;
        }
        match watcher.watch(&stop.folder, RecursiveMode::NonRecursive) {
            Ok(()) => drop(watched.insert(stop.folder)),
            Err(error) => tracing::warn!(folder = %stop.folder.display(), %error, "changes are noticed after a second"),
        }
    }
}
