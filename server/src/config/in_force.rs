//! The configuration in force: one value, changed whole when the operator has it read again.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::{
    Config,
    keys::{KEYS, Key},
};

/// What only a start reads: sections whole, or single keys of others.
const AT_START: [(&str, &str); 10] = [
    ("server", "confine"),
    ("server", "listen"),
    ("server", "durability"),
    ("limits", "connections"),
    ("limits", "backlog"),
    ("tls", ""),
    ("control", ""),
    ("audit", ""),
    ("metrics", "listen"),
    ("log", ""),
];

/// The configuration in force.
#[derive(Debug)]
pub struct InForce {
    now: ArcSwap<Config>,
    /// For the keys that only a start reads.
    at_start: Config,
}

impl InForce {
    /// Begins with `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { now: ArcSwap::from_pointee(config.clone()), at_start: config }
    }

    /// The values now. Not to be kept: the next frame may see others.
    #[must_use]
    pub fn get(&self) -> Guard<Arc<Config>> {
        self.now.load()
    }

    /// The keys that have another value in `config` than the one in force.
    pub fn differs(&self, config: &Config) -> Vec<&'static Key> {
        let now = self.now.load();
        let in_force = |key: &Key| key.value(if is_read_at_start(key) { &self.at_start } else { &now });
        KEYS.iter().filter(|key| in_force(key) != key.value(config)).collect()
    }

    /// Puts `config` in force; the keys that are not as at the start and take effect only at the next.
    pub fn change(&self, config: Config) -> Vec<&'static Key> {
        let waits = |key: &&Key| is_read_at_start(key) && key.value(&self.at_start) != key.value(&config);
        let waiting = KEYS.iter().filter(waits).collect();
        self.now.store(Arc::new(config));
        waiting
    }
}

fn is_read_at_start(key: &Key) -> bool {
    AT_START.iter().any(|(section, name)| key.section == *section && (name.is_empty() || key.name == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_limit_is_in_force_and_a_changed_address_waits() {
        let in_force = InForce::new(Config::default());
        let mut config = Config::default();
        config.limits.idle_seconds += 1;
        config.server.listen = vec![([127, 0, 0, 1], 1).into()];
        for _ in 0..2 {
            let waiting: Vec<_> = in_force.change(config.clone()).iter().map(|key| key.name).collect();
            assert_eq!(waiting, ["listen"]);
        }
        assert_eq!(in_force.get().limits.idle_seconds, config.limits.idle_seconds);
        let differs = |config: &Config| in_force.differs(config).iter().map(|key| key.name).collect::<Vec<_>>();
        assert_eq!(differs(&config), ["listen"], "it is not in force");
        assert_eq!(differs(&Config::default()), ["idle_seconds"]);
    }

    #[test]
    fn every_name_is_a_key_or_a_section() {
        for (section, name) in AT_START {
            assert!(KEYS.iter().any(|key| key.section == section && (name.is_empty() || key.name == name)));
        }
    }
}
