//! Defaults for the flags of verbs: from the environment, and from the table `verbs` in `config.toml`.
//!
//! A flag on the command line outranks the environment, which outranks the file, which outranks what is built in. The
//! tables in this file are the only place that names the flags.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};
use ferry_shared::{name::Escaped, text_file};
use toml::de::{DeTable, DeValue};

use crate::{address::Address, args::flags, home::Home, setting_error::SettingError};

/// The name of the table in the file.
pub(crate) const TABLE: &str = "verbs";
/// The default site, which has no flag: an address names its site.
const SITE: &str = "site";
/// The flags that may have a default.
const SETTABLE: [&str; 11] = [
    "bwlimit",
    "color",
    "compress",
    "no-resume",
    "on-conflict",
    "progress",
    "quiet",
    "retries",
    "retry-for",
    "transfers",
    "verify",
];
/// Values that are accepted only on the command line.
const NEVER_VALUES: [(&str, &[&str]); 1] = [("on-conflict", &["replace", "newer", "different", "changed"])];
/// Flags that are accepted only on the command line, and the reason.
const NEVER: [(&[&str], &str); 4] = [
    (&["delete", "max-delete", "discard", "recursive", "yes"], "can delete files"),
    (&["replace", "backup-dir"], "can replace what is there"),
    (&["accept-new"], "trusts a server that nobody has checked"),
    (
        &[
            "password",
            "password-file",
            "password-stdin",
            "new-password-file",
            "invite-file",
            "from-password-file",
            "to-password-file",
        ],
        "sends a secret",
    ),
];
/// Flags about one server, which are saved with its site.
const OF_SITE: [&str; 9] = [
    "identity",
    "server-key",
    "links",
    "from-identity",
    "from-seal-file",
    "from-server-key",
    "to-identity",
    "to-seal-file",
    "to-server-key",
];

/// The defaults that are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// At most one per flag.
    settings: Vec<Setting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    /// The flag without its dashes, or [`SITE`].
    name: &'static str,
    value: String,
    origin: Origin,
}

/// The place where a default is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A variable of the environment.
    Variable(String),
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => {
                write!(f, "{}, line {line}", Escaped(path.as_os_str().as_encoded_bytes()))
            }
        }
    }
}

/// A default that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DefaultsError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A setting is wrong, or not allowed.
    #[error("{origin}: {message}")]
    Wrong {
        /// The setting.
        origin: Origin,
        /// The cause.
        message: String,
    },
}

impl Defaults {
    /// The defaults of this process.
    ///
    /// # Errors
    /// [`DefaultsError`] for the first setting that cannot be used.
    pub(crate) fn load() -> Result<Self, DefaultsError> {
        // Without a home folder there is no file; the verb reports that itself.
        let file = Home::find().ok().map(|home| home.config().join("config.toml"));
        let text = file.map(|path| match text_file::read(&path) {
            Ok(text) => Ok((path, text)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok((path, String::new()))
            }
            Err(error) => Err(DefaultsError::Unreadable { path, error }),
        });
        let (path, text) = text.transpose()?.unwrap_or_default();
        Self::of(|name| env::var_os(name), &path, &text)
    }

    /// The defaults of this environment and this file.
    fn of(variable: impl Fn(&str) -> Option<OsString>, path: &Path, text: &str) -> Result<Self, DefaultsError> {
        let mut defaults = Self::default();
        let never = NEVER.iter().flat_map(|(names, _)| *names).chain(&OF_SITE);
        for name in SETTABLE.iter().chain([&SITE]).chain(never) {
            let origin = variable_of(name);
            if let Some(value) = variable(&origin).filter(|value| !value.is_empty()) {
                defaults.set(name, &value.to_string_lossy(), Origin::Variable(origin))?;
            }
        }
        let at = |byte, message: &str| {
            let SettingError { line, message } = SettingError::at(text, byte, message);
            (Origin::File { path: path.to_owned(), line }, message)
        };
        let table = DeTable::parse(text).map_err(|error| {
            let (origin, message) = at(error.span().unwrap_or_default().start, error.message());
            DefaultsError::Wrong { origin, message }
        })?;
        let Some(verbs) = table.get_ref().get(TABLE) else { return Ok(defaults) };
        let Some(settings) = verbs.get_ref().as_table() else {
            let (origin, message) = at(verbs.span().start, "`verbs` must be a table, as in [verbs]");
            return Err(DefaultsError::Wrong { origin, message });
        };
        for (name, value) in settings {
            let (origin, name) = (at(name.span().start, "").0, name.get_ref());
            let value = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                DeValue::Boolean(truth) => truth.to_string(),
                _ => {
                    let message = format!("`{name}` must be a text, a number, true or false");
                    return Err(DefaultsError::Wrong { origin, message });
                }
            };
            defaults.set(name, &value, origin)?;
        }
        Ok(defaults)
    }

    /// Adds a setting, unless one of higher rank is there. It is checked in any case.
    fn set(&mut self, name: &str, value: &str, origin: Origin) -> Result<(), DefaultsError> {
        match checked(name, value) {
            Ok(name) => {
                if !self.settings.iter().any(|other| other.name == name) {
                    self.settings.push(Setting { name, value: value.to_owned(), origin });
                }
                Ok(())
            }
            Err(message) => Err(DefaultsError::Wrong { origin, message }),
        }
    }

    /// The site of an address that begins with a colon.
    pub(crate) fn site(&self) -> Option<&str> {
        self.settings.iter().find(|setting| setting.name == SITE).map(|setting| &*setting.value)
    }

    /// Tells in the help of each verb where the defaults of its flags come from.
    pub(crate) fn described(&self, program: Command) -> Command {
        program.mut_subcommands(|verb| self.described(verb.mut_args(|arg| self.described_flag(arg))))
    }

    fn described_flag(&self, arg: Arg) -> Arg {
        let Some(name) = arg.get_long().and_then(|long| SETTABLE.into_iter().find(|name| *name == long)) else {
            return arg;
        };
        let setting = self.settings.iter().find(|setting| setting.name == name);
        let note = match setting {
            Some(Setting { value, origin, .. }) => {
                format!("[default from {origin}: {}]", Escaped(value.as_bytes()))
            }
            None => format!("[env: {}]", variable_of(name)),
        };
        let hides = setting.is_some() && !takes_no_value(&arg);
        let arg = arg.hide_default_value(hides);
        let short = arg.get_help().map(|help| format!("{help} {note}"));
        let long = arg.get_long_help().map(|help| format!("{help}\n\n{note}"));
        let arg = if let Some(text) = short { arg.help(text) } else { arg };
        if let Some(text) = long { arg.long_help(text) } else { arg }
    }

    /// Adds the defaults that the verb in `words` accepts, and that its command line does not decide, behind the verb.
    pub(crate) fn add_to(&self, program: &Command, matches: &ArgMatches, mut words: Vec<OsString>) -> Vec<OsString> {
        let (mut verb, mut given, mut at) = (program, matches, 1);
        while let Some((name, inner)) = given.subcommand() {
            let Some(command) = verb.find_subcommand(name) else { return words };
            (verb, given, at) = (command, inner, at + 1);
        }
        if at == 1 || at > words.len() {
            return words;
        }
        let is_given = |arg: &Arg| {
            let id = arg.get_id().as_str();
            given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine)
        };
        let more = self.settings.iter().filter_map(|Setting { name, value, .. }| {
            let arg = verb.get_arguments().find(|arg| arg.get_long() == Some(name))?;
            let is_free = !is_given(arg) && !verb.get_arg_conflicts_with(arg).into_iter().any(is_given);
            match truth(arg, value) {
                _ if !is_free => None,
                None => Some(format!("--{name}={value}").into()),
                Some(true) => Some(format!("--{name}").into()),
                Some(false) => None,
            }
        });
        let more: Vec<OsString> = more.collect();
        words.splice(at..at, more);
        words
    }
}

/// The variable for a flag.
fn variable_of(name: &str) -> String {
    format!("FERRY_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Returns the name from the table if it may have this default.
fn checked(name: &str, value: &str) -> Result<&'static str, String> {
    if let Some((_, why)) = NEVER.iter().find(|(names, _)| names.contains(&name)) {
        return Err(format!("--{name} {why}, so it is accepted only on the command line"));
    }
    if OF_SITE.contains(&name) {
        return Err(format!("--{name} belongs to one server; `ferry site add` saves it with the site"));
    }
    if name == SITE {
        return Address::server(OsStr::new(value)).map(|_| SITE).map_err(|error| error.to_string());
    }
    let known = SETTABLE.into_iter().find(|known| *known == name);
    let (Some(name), Some(arg)) = (known, flags::flag(name)) else {
        return Err(format!("there is no default for `{}`", Escaped(name.as_bytes())));
    };
    let never = NEVER_VALUES.iter().any(|(flag, values)| *flag == name && values.contains(&value));
    if never {
        return Err(format!("--{name} {value} can replace what is there, so it is accepted only on the command line"));
    }
    if takes_no_value(&arg) {
        return match truth(&arg, value) {
            Some(_) => Ok(name),
            None => Err(format!("--{name} is on or off; write true or false")),
        };
    }
    let words = [OsString::from("ferry"), format!("--{name}={value}").into()];
    match Command::new("ferry").arg(arg).try_get_matches_from(words) {
        Ok(_) => Ok(name),
        Err(error) => Err(cause(&error)),
    }
}

fn takes_no_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// Whether a flag without a value is on; `None` for other flags and values.
fn truth(arg: &Arg, value: &str) -> Option<bool> {
    match value {
        _ if !takes_no_value(arg) => None,
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The parser's message about a value, without its frame.
pub(crate) fn cause(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
    lines.strip_prefix("error: ").unwrap_or(&lines).to_owned()
}

#[cfg(test)]
mod tests;
