//! `config.toml`: the browser's settings. Every key is optional, and every error is reported with its line.

use clap::ValueEnum as _;
use ferry_client::transfer::ConflictRule;
use toml::de::{DeTable, DeValue};

use super::programs;
use crate::{
    args::Conflict,
    defaults, human,
    setting_error::SettingError,
    tui::state::{
        appearance::Images,
        order::{By, Sort},
        programs::Programs,
    },
};

/// The text of a file with every key, each at its default.
#[cfg(test)]
pub(crate) const COMMENTED: &str = include_str!("../../../../assets/config.toml");

/// The theme that is chosen by the background of the terminal.
pub(crate) const AUTO: &str = "auto";

/// How a person who looks elsewhere is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notify {
    /// Not at all.
    Off,
    /// With the terminal's bell.
    Bell,
    /// With a notification of the desktop (OSC 9).
    Desktop,
}

/// The settings in `config.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The theme's name.
    pub(crate) theme: String,
    /// Signs beyond ASCII; decided by the terminal if absent.
    pub(crate) unicode: Option<bool>,
    /// Whether files have a sign of their kind before their names.
    pub(crate) icons: bool,
    /// Whether files have the colours of `ls`, where the environment gives them.
    pub(crate) ls_colors: bool,
    /// Whether the mouse is listened to.
    pub(crate) mouse: bool,
    /// Whether the transfers are shown in the title of the terminal, and as its progress.
    pub(crate) title: bool,
    /// How the end of a long transfer and a question are announced.
    pub(crate) notify: Notify,
    /// Whether hidden names are shown.
    pub(crate) hidden: bool,
    /// Whether transfers that have ended are kept in the history.
    pub(crate) history: bool,
    /// Whether a wide screen begins with the preview.
    pub(crate) preview: bool,
    /// How images are drawn; decided by the terminal if absent.
    pub(crate) images: Option<Images>,
    /// The order of folders.
    pub(crate) sort: Sort,
    /// The rule for copies whose target exists already.
    pub(crate) rule: ConflictRule,
    /// The most transfers at a time.
    pub(crate) at_once: Option<usize>,
    /// The most bytes a second to the server.
    pub(crate) up: Option<u64>,
    /// The most bytes a second from it.
    pub(crate) down: Option<u64>,
    /// The programs of the user.
    pub(crate) programs: Programs,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: AUTO.to_owned(),
            unicode: None,
            icons: false,
            ls_colors: true,
            mouse: true,
            title: true,
            notify: Notify::Bell,
            hidden: false,
            history: true,
            preview: true,
            images: None,
            sort: Sort::default(),
            rule: ConflictRule::Ask,
            at_once: None,
            up: None,
            down: None,
            programs: Programs::default(),
        }
    }
}

impl Settings {
    /// Reads the file's text; a setting with an error keeps its default.
    pub(crate) fn read(text: &str) -> (Self, Vec<SettingError>) {
        let mut settings = Self::default();
        let mut faults = Vec::new();
        match DeTable::parse(text) {
            Err(error) => faults.push(SettingError::at(text, error.span().unwrap_or_default().start, error.message())),
            Ok(table) => {
                (settings.programs, faults) = programs::read(text, table.get_ref());
                for (key, value) in table.get_ref() {
                    match settings.set(key.get_ref(), value.get_ref()) {
                        Ok(()) => {}
                        Err(Wrong::Key) => {
                            faults.push(SettingError::at(
                                text,
                                key.span().start,
                                format!("there is no setting `{}`", key.get_ref()),
                            ));
                        }
                        Err(Wrong::Value(is)) => {
                            faults.push(SettingError::at(
                                text,
                                value.span().start,
                                format!("`{}` is {is}", key.get_ref()),
                            ));
                        }
                    }
                }
            }
        }
        (settings, faults)
    }

    /// A fault in the value of a key of the file.
    pub(crate) fn fault(text: &str, key: &str, message: String) -> SettingError {
        let table = DeTable::parse(text).ok();
        let value = table.as_ref().and_then(|table| table.get_ref().get(key));
        SettingError::at(text, value.map_or(0, |value| value.span().start), message)
    }

    fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), Wrong> {
        match key {
            "theme" => self.theme = text(value)?.to_owned(),
            "signs" => {
                self.unicode = match text(value)? {
                    "auto" => None,
                    "unicode" => Some(true),
                    "ascii" => Some(false),
                    _ => return Err(Wrong::Value("\"auto\", \"unicode\" or \"ascii\"")),
                }
            }
            "icons" => self.icons = truth(value)?,
            "ls-colors" => self.ls_colors = truth(value)?,
            "mouse" => self.mouse = truth(value)?,
            "title" => self.title = truth(value)?,
            "notify" => {
                self.notify = match text(value)? {
                    "off" => Notify::Off,
                    "bell" => Notify::Bell,
                    "desktop" => Notify::Desktop,
                    _ => return Err(Wrong::Value("\"off\", \"bell\" or \"desktop\"")),
                }
            }
            "hidden" => self.hidden = truth(value)?,
            "history" => self.history = truth(value)?,
            "preview" => self.preview = truth(value)?,
            "images" => {
                self.images = match text(value)? {
                    "auto" => None,
                    "blocks" => Some(Images::Blocks),
                    "kitty" => Some(Images::Kitty),
                    "sixel" => Some(Images::Sixel),
                    "iterm2" => Some(Images::Iterm),
                    _ => return Err(Wrong::Value("\"auto\", \"blocks\", \"kitty\", \"sixel\" or \"iterm2\"")),
                }
            }
            "sort" => {
                self.sort.by = match text(value)? {
                    "name" => By::Name,
                    "size" => By::Size,
                    "time" => By::Time,
                    "extension" => By::Extension,
                    _ => return Err(Wrong::Value("\"name\", \"size\", \"time\" or \"extension\"")),
                }
            }
            "reversed" => self.sort.reversed = truth(value)?,
            "on-conflict" => self.rule = rule(text(value)?)?,
            "transfers" => {
                let number = value.as_integer().and_then(|number| number.as_str().parse().ok());
                self.at_once =
                    Some(number.filter(|n| (1..=64).contains(n)).ok_or(Wrong::Value("a number from 1 to 64"))?);
            }
            "limit-up" => self.up = limit(value)?,
            "limit-down" => self.down = limit(value)?,
            // The verbs read their defaults themselves.
            defaults::TABLE => {}
            // Lists of tables, which are read by themselves.
            programs::OPEN | programs::COMMAND => {}
            _ => return Err(Wrong::Key),
        }
        Ok(())
    }
}

/// An error in a line.
enum Wrong {
    Key,
    Value(&'static str),
}

fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Wrong> {
    value.as_str().ok_or(Wrong::Value("a text in quotes"))
}

fn truth(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or(Wrong::Value("true or false"))
}

fn limit(value: &DeValue<'_>) -> Result<Option<u64>, Wrong> {
    human::parse_limit(text(value)?).map_err(|_| Wrong::Value("a size a second like \"10MiB\"; \"0\" is no limit"))
}

fn rule(text: &str) -> Result<ConflictRule, Wrong> {
    match Conflict::from_str(text, false) {
        // The browser can always ask.
        Ok(rule) if rule != Conflict::Fail => Ok(rule.into()),
        _ => {
            Err(Wrong::Value("\"ask\", \"skip\", \"replace\", \"newer\", \"different\", \"changed\" or \"keep-both\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_says_the_defaults_and_has_every_key() {
        let live: String = COMMENTED
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        let (settings, faults) = Settings::read(&live);
        assert_eq!(faults, []);
        assert_eq!(settings, Settings { at_once: Some(4), ..Settings::default() });
        let keys = [
            "theme",
            "signs",
            "mouse",
            "title",
            "notify",
            "hidden",
            "history",
            "preview",
            "images",
            "sort",
            "reversed",
            "on-conflict",
            "transfers",
            "limit-up",
            "limit-down",
        ];
        for key in keys {
            assert!(live.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key} is missing");
        }
        assert_eq!(Settings::read(COMMENTED).0, Settings::default(), "as it is, it changes nothing");
    }

    #[test]
    fn a_fault_found_later_has_its_line_too() {
        let fault = Settings::fault("mouse = true\ntheme = \"dusk\"\n", "theme", "no such theme".to_owned());
        assert_eq!(fault.to_string(), "line 2: no such theme");
    }

    #[test]
    fn faults_are_told_with_their_lines_and_the_rest_counts() {
        let (settings, faults) =
            Settings::read("mouse = \"no\"\ncolour = 3\nhidden = true\ntransfers = 0\nsort = \"date\"\n");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(settings.hidden && settings.mouse);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told.iter().any(|fault| fault == "line 2: there is no setting `colour`"), "{told:?}");
        assert!(told.iter().any(|fault| fault.starts_with("line 4: `transfers` is a number")), "{told:?}");
    }
}
