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
    ("metrics", ""),
    ("log", ""),
];

/// The configuration in force.
#[derive(Debug)]
pub struct InForce(ArcSwap<Config>);

impl InForce {
    /// Begins with `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(ArcSwap::from_pointee(config))
    }

    /// The values now. Not to be kept: the next frame may see others.
    #[must_use]
    pub fn get(&self) -> Guard<Arc<Config>> {
        self.0.load()
    }

    /// Puts `config` in force; the keys that changed and take effect only at the next start.
    pub fn change(&self, config: Config) -> Vec<&'static Key> {
        let before = self.0.swap(Arc::new(config.clone()));
        let waits = |key: &&Key| key.value(&before) != key.value(&config) && is_read_at_start(key);
        KEYS.iter().filter(waits).collect()
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
        let waiting: Vec<_> = in_force.change(config.clone()).iter().map(|key| key.name).collect();
        assert_eq!(waiting, ["listen"]);
        assert_eq!(in_force.get().limits.idle_seconds, config.limits.idle_seconds);
    }

    #[test]
    fn every_name_is_a_key_or_a_section() {
        for (section, name) in AT_START {
            assert!(KEYS.iter().any(|key| key.section == section && (name.is_empty() || key.name == name)));
        }
    }
}
