//! Reading `keys.toml`: every error is reported with its line; valid entries count nevertheless.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Key, Keymap};
use crate::setting_error::SettingError;
use crate::tui::action::{Action, Preset, Where, table};

struct Reader<'t> {
    text: &'t str,
    map: Keymap,
    faults: Vec<SettingError>,
}

pub(super) fn read(text: &str) -> (Keymap, Vec<SettingError>) {
    let mut reader = Reader { text, map: Keymap::preset(Preset::Default), faults: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => reader.top(table.get_ref()),
        Err(error) => reader.fault(error.span().unwrap_or_default(), error.message()),
    }
    (reader.map, reader.faults)
}

impl Reader<'_> {
    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(SettingError::at(self.text, span.start, message));
    }

    fn top(&mut self, file: &DeTable<'_>) {
        // The preset comes first wherever it stands: the other entries change it.
        if let Some((_, value)) = file.iter().find(|(key, _)| key.get_ref() == "preset") {
            match value.get_ref().as_str() {
                Some("default") => {}
                Some("mc") => self.map = Keymap::preset(Preset::Mc),
                Some("vim") => self.map = Keymap::preset(Preset::Vim),
                _ => self.fault(value.span(), "`preset` is \"default\", \"mc\" or \"vim\""),
            }
        }
        let mut bound = Vec::new();
        for (key, value) in file.iter().filter(|(key, _)| key.get_ref() != "preset") {
            let place = Where::ALL.into_iter().find(|place| place.name() == key.get_ref());
            match (place, value.get_ref().as_table()) {
                (Some(place), Some(section)) => self.section(place, section, &mut bound),
                (Some(_), None) => self.fault(value.span(), format!("`{}` is a section: [{0}]", key.get_ref())),
                (None, _) => self.fault(key.span(), format!("there is no place `{}`", key.get_ref())),
            }
        }
        // Only now: an entry may take away keys that a later one uses.
        for (place, action, keys, span) in bound {
            self.check(place, action, &keys, span);
        }
    }

    fn section(
        &mut self,
        place: Where,
        section: &DeTable<'_>,
        bound: &mut Vec<(Where, Action, Vec<Key>, Range<usize>)>,
    ) {
        for (key, value) in section {
            let row = table().find(|row| row.name == key.get_ref() && row.places.contains(&place));
            let Some(row) = row else {
                self.fault(key.span(), format!("there is no command `{}` in [{}]", key.get_ref(), place.name()));
                continue;
            };
            let mut all = Vec::new();
            for (text, span) in texts(value.get_ref(), value.span()) {
                match text.map(Key::sequence) {
                    Some(Ok(keys)) => all.push((keys, span)),
                    Some(Err(error)) => self.fault(span, error.to_string()),
                    None => self.fault(span, "keys are written as a text, or a list of texts"),
                }
            }
            self.map.bind(place, row.action, all.iter().map(|(keys, _)| keys.clone()).collect());
            bound.extend(all.into_iter().map(|(keys, span)| (place, row.action, keys, span)));
        }
    }

    fn check(&mut self, place: Where, action: Action, keys: &[Key], span: Range<usize>) {
        if (place.types() || place == Where::Anywhere) && keys.iter().any(|key| key.typed().is_some()) {
            self.fault(span, format!("in [{}] plain characters are typed and cannot be commands", place.name()));
        } else if let Some(other) = self.map.clash(place, action, keys) {
            let name = super::row(place, other).map_or("", |row| row.name);
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            self.fault(
                span,
                format!("`{}` stands in the way of `{name}`, which has it, begins or goes on with it", keys.join(" ")),
            );
        }
    }
}

/// The texts of a value that is one or a list of them.
fn texts<'v>(value: &'v DeValue<'_>, span: Range<usize>) -> Vec<(Option<&'v str>, Range<usize>)> {
    match value.as_array() {
        Some(list) => list.iter().map(|item| (item.get_ref().as_str(), item.span())).collect(),
        None => vec![(value.as_str(), span)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap::Meaning;

    fn faults(text: &str) -> Vec<String> {
        read(text).1.iter().map(ToString::to_string).collect()
    }

    fn does(text: &str, place: Where, keys: &str) -> Meaning {
        read(text).0.meaning(place, &Key::sequence(keys).unwrap())
    }

    #[test]
    fn an_entry_replaces_the_keys_of_its_command() {
        let text = "preset = \"vim\"\n[browse]\ncopy = [\"f5\", \"y c\"]\nsites = \"ctrl-s\"";
        assert_eq!(faults(text), Vec::<String>::new());
        assert_eq!(does(text, Where::Browse, "y c"), Meaning::Does(Action::Copy));
        assert_eq!(does(text, Where::Browse, "y y"), Meaning::None);
        assert_eq!(does(text, Where::Browse, "f9"), Meaning::None);
        assert_eq!(does(text, Where::Browse, "d d"), Meaning::Does(Action::Delete));
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_the_rest_counts() {
        let text = "preset = \"emacs\"\n[browse]\ncopyy = \"f5\"\ncopy = [\"ctrl-hyper-x\", \"f12\"]\n[nowhere]\n";
        let faults = faults(text);
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(faults[0].starts_with("line 1: `preset`"), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.starts_with("line 3: there is no command `copyy`")), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.starts_with("line 4: `ctrl-hyper-x` is no key")), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.starts_with("line 5: there is no place `nowhere`")), "{faults:?}");
        assert_eq!(does(text, Where::Browse, "f12"), Meaning::Does(Action::Copy));
    }

    #[test]
    fn keys_that_are_taken_are_told_unless_they_were_given_up() {
        assert!(faults("[browse]\ncopy = \"d\"")[0].contains("`delete`"));
        assert_eq!(faults("[browse]\ncopy = \"d\"\ndelete = \"f8\""), Vec::<String>::new());
        assert!(faults("[form]\naccept = \"x\"")[0].contains("typed"));
    }

    #[test]
    fn invalid_toml_is_reported_with_its_line() {
        assert!(faults("[browse]\ncopy = = 3")[0].starts_with("line 2: "));
    }
}
