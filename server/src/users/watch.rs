//! Watches the file of the user store and reloads it after a change.
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

/// How long the file must stay unchanged before it is read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How long a command that changes the file may take to tell the server.
const TELLING: Duration = Duration::from_secs(2);
/// How often a file that keeps changing is checked before it is read anyway.
const ROUNDS: u32 = 20;
/// How often the file is checked without a notification: some filesystems send none.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps watching until it is dropped.
#[must_use]
pub struct Watch {
    _alive: Arc<()>,
}

impl Users {
    /// Starts reloading whenever the file changes, on a thread that ends within a second after the returned value
    /// is dropped. The folders of the file and of each symlink that leads to it are watched instead of the file,
    /// because a replaced file is another one and the first may not exist yet. The file is also checked once a
    /// second.
    ///
    /// # Errors
    /// An error of the system if it cannot start a thread.
    pub fn watch(&self) -> io::Result<Watch> {
        let alive = Arc::new(());
        let follower =
            Follower { users: self.clone(), alive: Arc::downgrade(&alive), seen: FileStamp::at(self.path()) };
        thread::Builder::new().name("user store".to_owned()).spawn(move || follower.run())?;
        Ok(Watch { _alive: alive })
    }

    /// Reads the file again. A command that has changed it tells the server itself, including who ran it; this
    /// waits for the command first.
    fn follow(&self) {
        let held = private_file::lock_within(self.path(), TELLING);
        let _held = held.inspect_err(|error| tracing::debug!(%error, "the user store stays locked"));
        // The error is logged; there is nobody else to tell.
        let _ = self.reload_and_log(By::Unknown);
    }
}

/// The identity and state of a file: it differs whenever anything of the file changed.
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
            // Every event leads to a check. If the channel is full, a check is due already.
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

    /// Waits until the file has changed and stays unchanged; false if the watch was dropped.
    fn wait(&mut self, woken: &Receiver<()>) -> bool {
        loop {
            match woken.recv_timeout(POLL_INTERVAL) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                // There is no watcher: only poll.
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

/// Watches the folders that now lead to `file`, and no others. They are added again each time, because a replaced
/// folder has the same path and is another one.
fn watch_all(watcher: &mut RecommendedWatcher, watched: &mut BTreeSet<PathBuf>, file: &Path) {
    for folder in std::mem::take(watched) {
        // A removed folder is no longer watched anyway.
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
