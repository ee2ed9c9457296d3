//! Differences between what is in force and what is on disk: reported by `status`, the metrics and the log until
//! they are resolved.
//!
//! A changed user store, a renewed certificate or a changed configuration takes effect only once it was read and
//! found valid. The person who changed the file may never have checked.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    config::{Config, ConfigError, InForce},
    identity::Identity,
    users::{Users, moment::Moment},
};

/// The kinds of difference.
pub(crate) const WHAT: [&str; 3] = ["users", "certificate", "configuration"];
/// The minimum time between two checks of the files, however often it is requested.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// How often the log repeats the same difference.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// Reads the configuration as a start would.
pub(crate) type ReadConfig = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// The result of the last check of the files.
#[derive(Default)]
pub struct Drift {
    read_config: OnceLock<ReadConfig>,
    found: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    checked: Option<Instant>,
    now: BTreeMap<&'static str, Difference>,
}

/// Something in force that differs from the disk.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// The state on disk, or the fault there.
    pub(crate) why: String,
    /// When it was first noticed.
    pub(crate) since: Moment,
    told: Instant,
}

impl fmt::Debug for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Drift").field(&self.found).finish()
    }
}

impl Drift {
    /// Sets the function that reads the configuration on disk.
    pub(crate) fn read_with(&self, read_config: ReadConfig) {
        // There is only one configuration, so the first function stays.
        let _ = self.read_config.set(read_config);
    }

    /// The present differences, by their names in [`WHAT`]; new ones are logged. May wait for the disk.
    pub(crate) fn check(
        &self,
        users: &Users,
        identity: &Identity,
        config: &InForce,
    ) -> BTreeMap<&'static str, Difference> {
        let mut found = self.found.lock();
        if found.checked.is_none_or(|checked| checked.elapsed() >= CHECK_INTERVAL) {
            found.checked = Some(Instant::now());
            for (what, why) in WHAT.into_iter().zip(self.differences(users, identity, config)) {
                found.note(what, why);
            }
        }
        found.now.clone()
    }

    /// Makes the next call check again, because something was just read again.
    pub(crate) fn check_again(&self) {
        self.found.lock().checked = None;
    }

    /// In the order of [`WHAT`].
    fn differences(&self, users: &Users, identity: &Identity, config: &InForce) -> [Option<String>; 3] {
        let configuration = self.read_config.get().and_then(|read| match read() {
            Ok(read) => {
                let keys = config.differs(&read);
                let names: Vec<_> = keys.iter().map(|key| format!("{}.{}", key.section, key.name)).collect();
                (!names.is_empty()).then(|| format!("{} changed; 'ferryd reload', or a start", names.join(", ")))
            }
            Err(error) => Some(error.to_string()),
        });
        [users.difference(), identity.difference(), configuration]
    }
}

impl Known {
    fn note(&mut self, what: &'static str, why: Option<String>) {
        let Some(why) = why else {
            if self.now.remove(what).is_some() {
                tracing::info!(what, "the files on disk match what is in force again");
            }
            return;
        };
        let (why, now) = (why.replace('\n', "; "), Instant::now());
        let before = self.now.get(what);
        let is_new = before.is_none_or(|before| before.why != why || before.told.elapsed() >= AGAIN);
        if is_new {
            tracing::warn!(what, why, "the files on disk differ from what is in force");
            let since = before.map_or_else(Moment::now, |before| before.since);
            self.now.insert(what, Difference { why, since, told: now });
        }
    }
}
