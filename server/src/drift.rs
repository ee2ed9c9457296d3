//! What is in force and not as it is on disk: told by `status`, the metrics and the log until that is resolved.
//!
//! A broken user store, a renewed certificate or a changed configuration is in force only once it was read and
//! found good. Who changed the file may never have looked whether it was.

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

/// What can differ.
pub(crate) const WHAT: [&str; 3] = ["users", "certificate", "configuration"];
/// How often the files are checked, however often it is asked.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// How often the log says the same again.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// Reads the configuration as a start would.
pub(crate) type ReadConfig = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// What was found when the files were last checked.
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

/// Something in force that is not as it is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// The state of the disk, or its fault.
    pub(crate) why: String,
    /// Since when that is known.
    pub(crate) since: Moment,
    told: Instant,
}

impl fmt::Debug for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Drift").field(&self.found).finish()
    }
}

impl Drift {
    /// Where the configuration on disk is to be read from.
    pub(crate) fn read_with(&self, read_config: ReadConfig) {
        // The first one stays; there is only one.
        let _ = self.read_config.set(read_config);
    }

    /// The differences now, by their names in [`WHAT`]; the log is told of new ones. Blocks on the disk.
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

    /// Has the next look see what is there then: something was just read again.
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
                tracing::info!(what, "what is in force is what is on disk again");
            }
            return;
        };
        let (why, now) = (why.replace('\n', "; "), Instant::now());
        let before = self.now.get(what);
        let is_new = before.is_none_or(|before| before.why != why || before.told.elapsed() >= AGAIN);
        if is_new {
            tracing::warn!(what, why, "what is in force is not what is on disk");
            let since = before.map_or_else(Moment::now, |before| before.since);
            self.now.insert(what, Difference { why, since, told: now });
        }
    }
}
