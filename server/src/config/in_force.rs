//! The configuration in force: a single value, replaced as a whole when the operator has it read again.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use toml::Value;

use super::{
    Config,
    keys::{KEYS, Key},
};

/// Settings that are read only at a start: whole sections, or single keys of others.
const AT_START: [(&str, &str); 10] = [
    ("server", "confine"),
    ("server", "listen"),
    ("server", "durability"),
    ("limits", "connections"),
    ("limits", "backlog"),
    ("tls", ""),
    ("sftp", ""),
    ("control", ""),
    ("audit", "folder"),
    ("log", "format"),
];

/// The result of applying another configuration.
#[derive(Debug, Default)]
pub struct Change {
    /// Settings that changed.
    pub now: Vec<String>,
    /// Keys that differ from those at the start and take effect only at the next.
    pub waiting: Vec<&'static Key>,
}

/// The configuration in force.
#[derive(Debug)]
pub struct InForce {
    now: ArcSwap<Config>,
    /// The source of the keys that are read only at a start.
    at_start: Config,
}

impl InForce {
    /// Starts with `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { now: ArcSwap::from_pointee(config.clone()), at_start: config }
    }

    /// The present values. Do not keep them: the next frame may need others.
    #[must_use]
    pub fn get(&self) -> Guard<Arc<Config>> {
        self.now.load()
    }

    /// The keys whose value in `config` differs from the one in force.
    pub fn differs(&self, config: &Config) -> Vec<&'static Key> {
        let now = self.now.load();
        let in_force = |key: &Key| key.value(if is_read_at_start(key) { &self.at_start } else { &now });
        KEYS.iter().filter(|key| in_force(key) != key.value(config)).collect()
    }

    /// Applies `config`.
    pub fn change(&self, config: Config) -> Change {
        let mut change = Change::default();
        let before = self.now.load();
        for key in &KEYS {
            let waits = is_read_at_start(key);
            let (old, new) = (key.value(if waits { &self.at_start } else { &before }), key.value(&config));
            if old == new {
                continue;
            }
            if waits {
                change.waiting.push(key);
            } else {
                let shown = |value: Option<Value>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
                change.now.push(format!("{}.{} = {}, was {}", key.section, key.name, shown(new), shown(old)));
            }
        }
        self.now.store(Arc::new(config));
        change
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
        for changed in [&["limits.idle_seconds = 91, was 90".to_owned()][..], &[]] {
            let change = in_force.change(config.clone());
            assert_eq!(change.waiting.iter().map(|key| key.name).collect::<Vec<_>>(), ["listen"]);
            assert_eq!(change.now, changed);
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
