//! The configuration as text: the commented default file, and the values in force with their origins.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use serde::Serialize;

use super::{
    Config,
    keys::{KEYS, Key, SECTIONS},
    load::Loaded,
};

/// The default file as shipped.
pub const DEFAULT_FILE: &str = include_str!("../../../assets/ferryd.toml");

const HEAD: &str = "\
# ferryd.toml: the configuration of the ferry server.
#
# Every key is optional. The values below are the defaults, or examples for keys without a
# default, which are marked. The man page ferryd.toml(5) says the same. Each key can also be set in the
# environment as FERRYD_SECTION_KEY, for example FERRYD_LIMITS_IDLE_SECONDS=120, and a list as
# FERRYD_SERVER_LISTEN=127.0.0.1:7021,[::1]:7021. The command line takes precedence over the
# environment, and the environment over this file. 'ferryd check' finds mistakes, 'ferryd config show' prints
# the values in force and their origins. Sizes are written 16KiB, 10GiB or 500MB.
";

/// The line above a value that is not a default.
const EXAMPLE: &str = "# Not set by default; for example:\n";

/// The default file, generated from the table of keys.
#[must_use]
pub fn default_file() -> String {
    render(HEAD, |key, out| {
        let note = if key.value(&Config::default()).is_none() { EXAMPLE } else { "" };
        writeln!(out, "# {}\n{note}#{} = {}", key.about, key.name, key.example())
    })
}

/// The values in force, each with its origin.
#[must_use]
pub fn effective(loaded: &Loaded) -> String {
    render("", |key, out| {
        let origin = loaded.origin(key);
        match key.value(&loaded.config) {
            Some(value) => writeln!(out, "{} = {value}  # {origin}", key.name),
            None => writeln!(out, "#{} is not set", key.name),
        }
    })
}

/// A value in force and its origin.
#[derive(Debug, Serialize)]
pub struct ValueObject {
    value: Option<toml::Value>,
    origin: String,
}

/// The same for programs, by section and key.
#[must_use]
pub fn object(loaded: &Loaded) -> BTreeMap<&'static str, BTreeMap<&'static str, ValueObject>> {
    let mut all: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for key in &KEYS {
        let value = ValueObject { value: key.value(&loaded.config), origin: loaded.origin(key).to_string() };
        all.entry(key.section).or_default().insert(key.name, value);
    }
    all
}

fn render(head: &str, line: impl Fn(&Key, &mut String) -> fmt::Result) -> String {
    let mut out = head.to_owned();
    for (section, about) in SECTIONS {
        let gap = if out.is_empty() { "" } else { "\n" };
        let about = if head.is_empty() { String::new() } else { format!("# {about}\n") };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{gap}{about}[{section}]");
        for key in KEYS.iter().filter(|key| key.section == section) {
            let _ = line(key, &mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Layers;

    #[test]
    fn the_shipped_file_is_what_the_table_says() {
        assert_eq!(DEFAULT_FILE, default_file(), "write the right side into assets/ferryd.toml");
    }

    #[test]
    fn the_shipped_file_changes_nothing_and_with_its_values_neither() {
        let load = |text: &str| Layers::default().file_text(Path::new(""), text).load().unwrap().config;
        assert_eq!(load(DEFAULT_FILE), Config::default());
        // In prose, a space follows the `#`.
        let defaults = DEFAULT_FILE.replace(&format!("{EXAMPLE}#"), "# ");
        let values = defaults.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
        let uncommented: Vec<_> = values.filter(|line| !line.starts_with(' ')).collect();
        let uncommented = uncommented.join("\n");
        assert!(uncommented.lines().count() > 25, "{uncommented}");
        assert_eq!(load(&uncommented), Config::default());
    }

    #[test]
    fn the_shown_configuration_gives_the_same_values() {
        let text = "[server]\nmotd = \"a # b\"\n[limits]\nidle_seconds = 5\n";
        let loaded = Layers::default().file_text(Path::new("f.toml"), text).load().unwrap();
        let shown = effective(&loaded);
        assert!(shown.contains("idle_seconds = 5  # f.toml:4:1\n"), "{shown}");
        assert!(shown.contains("#certificate is not set\n"), "{shown}");
        let again = Layers::default().file_text(Path::new("f.toml"), &shown).load().unwrap();
        assert_eq!(again.config, loaded.config);
    }
}
