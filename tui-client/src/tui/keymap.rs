//! The key bindings: a preset of the action table with the changes of `keys.toml`.

mod file;
mod key;

use std::collections::HashMap;

pub(crate) use key::{Code, Key};

use super::action::{Action, Preset, Row, Where, table};
use crate::setting_error::SettingError;

/// A sequence of keys, and its action.
type Binding = (Vec<Key>, Action);

/// All bindings, by place.
#[derive(Debug, Clone)]
pub(crate) struct Keymap {
    places: HashMap<Where, Vec<Binding>>,
    /// The commands of the user.
    own: Vec<&'static Row>,
    plain: bool,
}

/// A command of the user, as far as keys and help are concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnCommand<'c> {
    /// Its name.
    pub(crate) name: &'c str,
    /// The program and its arguments, for the help.
    pub(crate) runs: &'c str,
    /// Its keys; none if it has only its name.
    pub(crate) keys: &'c [Key],
    /// The line of its keys in the file.
    pub(crate) line: usize,
}

/// The meaning of the keys pressed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing.
    None,
    /// Something, when more keys follow.
    Begins,
    /// This.
    Does(Action),
}

impl Keymap {
    /// The bindings of `preset`.
    pub(crate) fn preset(preset: Preset) -> Self {
        let mut map = Self { places: HashMap::new(), own: Vec::new(), plain: false };
        for row in table() {
            for place in row.places {
                let keys = row.keys_in(preset).iter().filter_map(|text| Key::sequence(text).ok()).collect();
                map.bind(*place, row.action, keys);
            }
        }
        map
    }

    /// Reads `keys.toml`: the changed bindings, and all errors.
    pub(crate) fn read(text: &str) -> (Self, Vec<SettingError>) {
        file::read(text)
    }

    /// Adds the commands of the user, in their order. Returns an error for each whose key is taken; it has its name then.
    pub(crate) fn add_commands(&mut self, commands: &[OwnCommand<'_>]) -> Vec<SettingError> {
        let mut faults = Vec::new();
        for OwnCommand { name, runs, keys, line } in commands {
            let row = Row::of_user(self.own.len(), name, runs);
            self.own.push(row);
            let clash = |place| self.clash(place, row.action, keys).map(|other| (place, other));
            match [Where::Browse, Where::Anywhere].into_iter().find_map(clash) {
                _ if keys.is_empty() => {}
                None => self.bind(Where::Browse, row.action, vec![keys.to_vec()]),
                Some((place, other)) => {
                    let other = self.row(place, other).map_or("", |row| row.name);
                    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                    let message = format!(
                        "`{}` of the command `{name}` stands in the way of `{other}`, which has it, begins or goes on \
                         with it; keys.toml can give that another key",
                        keys.join(" ")
                    );
                    faults.push(SettingError { line: *line, message });
                }
            }
        }
        faults
    }

    /// The commands of the user.
    pub(crate) fn own(&self) -> &[&'static Row] {
        &self.own
    }

    /// The row of an action in a place.
    fn row(&self, place: Where, action: Action) -> Option<&'static Row> {
        self.own.iter().find(|row| row.action == action).copied().or_else(|| row(place, action))
    }

    /// Shows the names of keys in ASCII only.
    pub(crate) fn set_plain(&mut self, plain: bool) {
        self.plain = plain;
    }

    /// The meaning of `keys` in `place`. Keys that the place does not bind have their meaning everywhere.
    pub(crate) fn meaning(&self, place: Where, keys: &[Key]) -> Meaning {
        match self.meaning_in(place, keys) {
            Meaning::None => self.meaning_in(Where::Anywhere, keys),
            meaning => meaning,
        }
    }

    fn meaning_in(&self, place: Where, keys: &[Key]) -> Meaning {
        let mut meaning = Meaning::None;
        for (bound, action) in self.places.get(&place).into_iter().flatten() {
            if bound == keys {
                return Meaning::Does(*action);
            }
            if bound.starts_with(keys) {
                meaning = Meaning::Begins;
            }
        }
        meaning
    }

    /// The bindings that begin with `keys` in `place`: the keys that follow, and the action.
    pub(crate) fn continuations(&self, place: Where, keys: &[Key]) -> Vec<(String, &'static Row)> {
        let mut found = Vec::new();
        for (bound, action) in self.places.get(&place).into_iter().flatten() {
            if let Some(rest) = bound.strip_prefix(keys).filter(|rest| !rest.is_empty())
                && let Some(row) = self.row(place, *action)
            {
                found.push((self.labels(rest), row));
            }
        }
        found
    }

    /// The first keys bound to `action` in `place`, for a person.
    pub(crate) fn label(&self, place: Where, action: Action) -> Option<String> {
        self.all(place, action).next().map(|keys| self.labels(keys))
    }

    /// All keys bound to `action` in `place`, for a person.
    pub(crate) fn all_labels(&self, place: Where, action: Action) -> String {
        self.all(place, action).map(|keys| self.labels(keys)).collect::<Vec<_>>().join("  ")
    }

    /// Several keys as a person reads them.
    pub(crate) fn labels(&self, keys: &[Key]) -> String {
        keys.iter().map(|key| key.label(self.plain)).collect::<Vec<_>>().join(" ")
    }

    fn all(&self, place: Where, action: Action) -> impl Iterator<Item = &Vec<Key>> {
        let bindings = self.places.get(&place).into_iter().flatten();
        bindings.filter(move |(_, bound)| *bound == action).map(|(keys, _)| keys)
    }

    /// Binds `action` in `place` to `keys` and nothing else.
    fn bind(&mut self, place: Where, action: Action, keys: Vec<Vec<Key>>) {
        let bindings = self.places.entry(place).or_default();
        bindings.retain(|(_, bound)| *bound != action);
        bindings.extend(keys.into_iter().map(|keys| (keys, action)));
    }

    /// A binding in `place` that conflicts with `keys`: equal to it, a prefix of it, or an extension of it.
    fn clash(&self, place: Where, action: Action, keys: &[Key]) -> Option<Action> {
        let bindings = self.places.get(&place).into_iter().flatten();
        let clashes = |bound: &[Key]| bound.starts_with(keys) || keys.starts_with(bound);
        bindings.filter(|(bound, other)| *other != action && clashes(bound)).map(|(_, other)| *other).next()
    }
}

/// The row of `action` in `place`.
pub(crate) fn row(place: Where, action: Action) -> Option<&'static Row> {
    table().find(|row| row.action == action && row.places.contains(&place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Key> {
        Key::sequence(text).unwrap()
    }

    #[test]
    fn no_preset_has_keys_that_stand_in_each_others_way() {
        for preset in Preset::ALL {
            let map = Keymap::preset(preset);
            for (place, bindings) in &map.places {
                for (keys, action) in bindings {
                    let clash = map.clash(*place, *action, keys);
                    assert_eq!(clash, None, "{:?} of {action:?} in {place:?} of {preset:?}", map.labels(keys));
                }
                let mut all: Vec<_> = bindings.iter().map(|(keys, _)| keys).collect();
                all.sort();
                all.dedup();
                assert_eq!(all.len(), bindings.len(), "a key twice in {place:?}");
            }
        }
    }

    #[test]
    fn every_key_of_the_table_is_one() {
        for row in table() {
            for preset in Preset::ALL {
                for text in row.keys_in(preset) {
                    assert!(Key::sequence(text).is_ok(), "{text} of {}", row.name);
                }
            }
        }
    }

    #[test]
    fn a_sequence_begins_before_it_does() {
        let map = Keymap::preset(Preset::Default);
        assert_eq!(map.meaning(Where::Browse, &keys("g")), Meaning::Begins);
        assert_eq!(map.meaning(Where::Browse, &keys("g h")), Meaning::Does(Action::GoHome));
        assert_eq!(map.meaning(Where::Browse, &keys("g f5")), Meaning::None);
        let next: Vec<_> = map.continuations(Where::Browse, &keys("g")).into_iter().map(|(keys, _)| keys).collect();
        assert!(next.contains(&"h".to_owned()) && next.contains(&"/".to_owned()), "{next:?}");
    }

    #[test]
    fn presets_have_the_habits_they_are_named_after() {
        let does = |preset, text| Keymap::preset(preset).meaning(Where::Browse, &keys(text));
        assert_eq!(does(Preset::Vim, "d d"), Meaning::Does(Action::Delete));
        assert_eq!(does(Preset::Vim, "d"), Meaning::Begins);
        assert_eq!(does(Preset::Mc, "ctrl-t"), Meaning::Does(Action::Mark));
        assert_eq!(does(Preset::Default, "d"), Meaning::Does(Action::Delete));
    }

    #[test]
    fn keys_that_work_anywhere_work_where_one_types() {
        let map = Keymap::preset(Preset::Default);
        assert_eq!(map.meaning(Where::Form, &keys("f1")), Meaning::Does(Action::Help));
        assert_eq!(map.meaning(Where::Form, &keys("q")), Meaning::None);
    }
}
