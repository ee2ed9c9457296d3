//! Builds the configuration from its layers and remembers the origin of each value.
#![expect(clippy::disallowed_methods, reason = "reads the operator's configuration")]

use std::{
    collections::BTreeMap,
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ferry_shared::text_file;
use serde::Deserialize as _;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    Config,
    keys::{KEYS, Key, SECTIONS},
    validate,
};

/// The origin of a value; later kinds take precedence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// A file from the service manager.
    Credential(PathBuf),
    /// The configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Credential(path) => write!(f, "credential {}", path.display()),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A fault in the configuration, and its origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct Fault {
    /// The layer and position of the fault.
    pub origin: Origin,
    /// The description of the fault.
    pub message: String,
}

/// The reason why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// All faults, one per line.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
}

/// The values that are set besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    credentials: Option<PathBuf>,
    file: Option<(PathBuf, String)>,
    environment: Vec<(String, String)>,
    flags: Vec<(&'static Key, Value, String)>,
}

/// The configuration in force and the origin of each value.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    origins: BTreeMap<(&'static str, &'static str), Origin>,
}

impl Loaded {
    /// The origin of a key's value.
    #[must_use]
    pub fn origin(&self, key: &Key) -> Origin {
        self.origins.get(&(key.section, key.name)).cloned().unwrap_or(Origin::Default)
    }

    fn set(&mut self, key: &'static Key, value: Value, origin: Origin) -> Result<(), Fault> {
        let given = value.to_string();
        match key.set(&self.config, value) {
            Ok(config) => self.config = config,
            Err(message) => {
                let (message, example) = (message.replace('\n', " "), key.example());
                let message =
                    format!("{}.{}: {message} (given: {given}; for example: {example})", key.section, key.name);
                return Err(Fault { origin, message });
            }
        }
        self.origins.insert((key.section, key.name), origin);
        Ok(())
    }
}

/// Files of the service manager, and the keys that are set to them if they exist.
const CREDENTIALS: [(&str, &str, &str); 3] =
    [("ferryd.certificate", "tls", "certificate"), ("ferryd.key", "tls", "key"), ("ferryd.seal", "login", "seal")];

impl Layers {
    /// Adds the service manager's files in `folder`: certificate, key, seal.
    #[must_use]
    pub fn credentials(mut self, folder: Option<PathBuf>) -> Self {
        self.credentials = folder;
        self
    }

    /// Adds the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Read`].
    pub fn read_file(mut self, path: &Path) -> Result<Self, ConfigError> {
        let text = text_file::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        self.file = Some((path.to_owned(), text));
        Ok(self)
    }

    /// Adds text as if it were the file at `path`.
    #[must_use]
    pub fn file_text(mut self, path: &Path, text: &str) -> Self {
        self.file = Some((path.to_owned(), text.to_owned()));
        self
    }

    /// Adds environment variables; those of other programs are ignored.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables.into_iter().filter(|(name, _)| name.starts_with("FERRYD_")));
        self
    }

    /// Adds a value from the command line; `flag` is its name there.
    #[must_use]
    pub fn flag(mut self, section: &str, name: &str, value: Value, flag: &str) -> Self {
        self.flags.extend(Key::find(section, name).map(|key| (key, value, flag.to_owned())));
        self
    }

    /// Adds the addresses of `--listen`, if there are any.
    #[must_use]
    pub fn listen(self, addresses: &[SocketAddr]) -> Self {
        self.addresses("server", addresses, "--listen")
    }

    /// Adds the addresses of `--sftp`, if there are any.
    #[must_use]
    pub fn sftp(self, addresses: &[SocketAddr]) -> Self {
        self.addresses("sftp", addresses, "--sftp")
    }

    fn addresses(self, section: &str, addresses: &[SocketAddr], flag: &str) -> Self {
        if addresses.is_empty() {
            return self;
        }
        let list = addresses.iter().map(|address| Value::from(address.to_string())).collect();
        self.flag(section, "listen", Value::Array(list), flag)
    }

    /// Merges the layers: defaults, credentials, file, environment, command line.
    ///
    /// # Errors
    /// [`ConfigError::Faults`] with all faults.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut loaded = Loaded::default();
        let mut faults = Vec::new();
        if let Some(folder) = &self.credentials {
            faults.extend(lay_credentials(&mut loaded, folder).err());
        }
        if let Some((path, text)) = &self.file {
            lay_file(&mut loaded, path, text, &mut faults);
        }
        for (name, text) in &self.environment {
            faults.extend(lay_variable(&mut loaded, name, text).err());
        }
        for (key, value, flag) in &self.flags {
            faults.extend(loaded.set(key, value.clone(), Origin::Flag(flag.clone())).err());
        }
        for (key, message) in validate::faults(&loaded.config) {
            faults.push(Fault {
                origin: loaded.origin(key),
                message: format!("{}.{}: {message}", key.section, key.name),
            });
        }
        if faults.is_empty() { Ok(loaded) } else { Err(ConfigError::Faults(faults)) }
    }
}

fn lay_credentials(loaded: &mut Loaded, folder: &Path) -> Result<(), Fault> {
    for (file, section, name) in CREDENTIALS {
        let path = folder.join(file);
        if let (true, Some(key)) = (path.exists(), Key::find(section, name)) {
            let value = Value::from(path.to_string_lossy().into_owned());
            loaded.set(key, value, Origin::Credential(path))?;
        }
    }
    Ok(())
}

fn lay_file(loaded: &mut Loaded, path: &Path, text: &str, faults: &mut Vec<Fault>) {
    let at = |offset: usize| {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
        Origin::File { path: path.to_owned(), line: before.matches('\n').count() + 1, column }
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    faults.extend(errors.iter().map(|error| Fault {
        origin: at(error.span().map_or(0, |span| span.start)),
        message: error.message().replace('\n', " "),
    }));
    for (section, keys) in table.get_ref() {
        let name = section.get_ref().as_ref();
        if !SECTIONS.iter().any(|(known, _)| *known == name) {
            let known = SECTIONS.map(|(name, _)| name).join(", ");
            let message = format!("unknown section '{name}'; there are {known}");
            faults.push(Fault { origin: at(section.span().start), message });
            continue;
        }
        let Some(table) = keys.get_ref().as_table() else {
            faults
                .push(Fault { origin: at(section.span().start), message: format!("'{name}' is a section: [{name}]") });
            continue;
        };
        for (key, value) in table {
            let origin = at(key.span().start);
            faults.extend(lay_entry(loaded, name, key.get_ref(), value, origin).err());
        }
    }
}

fn lay_entry(
    loaded: &mut Loaded,
    section: &str,
    name: &str,
    value: &Spanned<DeValue<'_>>,
    origin: Origin,
) -> Result<(), Fault> {
    let Some(key) = Key::find(section, name) else {
        let known: Vec<_> = KEYS.iter().filter(|key| key.section == section).map(|key| key.name).collect();
        let message = format!("unknown key '{name}' in [{section}]; there are {}", known.join(", "));
        return Err(Fault { origin, message });
    };
    match Value::deserialize(ValueDeserializer::from(value.clone())) {
        Ok(value) => loaded.set(key, value, origin),
        Err(error) => Err(Fault { origin, message: error.message().to_owned() }),
    }
}

fn lay_variable(loaded: &mut Loaded, name: &str, text: &str) -> Result<(), Fault> {
    let origin = Origin::Environment(name.to_owned());
    let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
        // A variable counts as a mistake only if its name can have no other meaning.
        let prefix = |section: &str| format!("FERRYD_{}_", section.to_ascii_uppercase());
        let ours = SECTIONS.iter().any(|(section, _)| name.starts_with(&prefix(section)));
        let message = "no such key; 'ferryd config show' lists them".to_owned();
        return if ours { Err(Fault { origin, message }) } else { Ok(()) };
    };
    loaded.set(key, from_text(key, text), origin)
}

/// Parses a variable's text as the type of the key's default value.
fn from_text(key: &Key, text: &str) -> Value {
    let as_toml = || format!("v = {text}").parse::<toml::Table>().ok()?.remove("v");
    let as_string = || Value::String(text.to_owned());
    match key.value(&Config::default()) {
        Some(Value::Integer(_) | Value::Boolean(_)) => as_toml().unwrap_or_else(as_string),
        Some(Value::Array(_)) if text.trim_start().starts_with('[') && text.trim_end().ends_with(']') => {
            as_toml().unwrap_or_else(|| list(text))
        }
        Some(Value::Array(_)) => list(text),
        _ => as_string(),
    }
}

fn list(text: &str) -> Value {
    Value::Array(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Durability;

    fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> Layers {
        Layers::default().file_text(Path::new("f.toml"), text)
    }

    fn faults(layers: &Layers) -> Vec<String> {
        match layers.load() {
            Err(ConfigError::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn later_layers_win_and_each_value_knows_its_own() {
        let layers = file("[limits]\nidle_seconds = 1\nstall_seconds = 2\n[server]\nlisten = [\"127.0.0.1:1\"]\n")
            .environment(variables(&[
                ("FERRYD_LIMITS_STALL_SECONDS", "3"),
                ("FERRYD_SERVER_LISTEN", "127.0.0.1:2, [::1]:2"),
            ]))
            .listen(&["127.0.0.1:3".parse().unwrap()]);
        let loaded = layers.load().unwrap();
        assert_eq!(loaded.config.limits.idle_seconds, 1);
        assert_eq!(loaded.config.limits.stall_seconds, 3);
        assert_eq!(loaded.config.limits.drain_seconds, 30);
        assert_eq!(loaded.config.server.listen, ["127.0.0.1:3".parse().unwrap()]);
        let origin = |section, name| loaded.origin(Key::find(section, name).unwrap()).to_string();
        assert_eq!(origin("limits", "idle_seconds"), "f.toml:2:1");
        assert_eq!(origin("limits", "stall_seconds"), "FERRYD_LIMITS_STALL_SECONDS");
        assert_eq!(origin("limits", "drain_seconds"), "default");
        assert_eq!(origin("server", "listen"), "--listen");
    }

    #[test]
    fn credentials_are_taken_whole_and_give_way_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let layers = Layers::default().credentials(Some(folder.path().to_owned()));
        assert_eq!(layers.load().unwrap().config, Config::default());
        fs::write(path("ferryd.key"), "").unwrap();
        assert!(faults(&layers)[0].ends_with("tls.key: tls.certificate is missing: both or none"));
        fs::write(path("ferryd.certificate"), "").unwrap();
        fs::write(path("ferryd.seal"), "").unwrap();
        assert_eq!(layers.load().unwrap().config.login.seal, Some(path("ferryd.seal")));
        let tls = layers.load().unwrap().config.tls;
        assert_eq!((tls.certificate, tls.key), (Some(path("ferryd.certificate")), Some(path("ferryd.key"))));
        let layers = layers.file_text(Path::new("f.toml"), "[tls]\ncertificate = '/c'\nkey = '/k'\n");
        assert_eq!(layers.load().unwrap().config.tls.key, Some("/k".into()));
    }

    #[test]
    fn every_kind_of_value_can_come_from_the_environment() {
        let loaded = Layers::default()
            .environment(variables(&[
                ("FERRYD_SERVER_LISTEN", "[\"[::1]:5\"]"),
                ("FERRYD_SERVER_MOTD", "123"),
                ("FERRYD_SERVER_DURABILITY", "rename"),
                ("FERRYD_LOGIN_ALLOW", "10.0.0.0/8,192.0.2.1"),
                ("FERRYD_LOGIN_BYTES", "20KiB"),
                ("FERRYD_LOGIN_FRAMES", "9"),
                ("FERRYD_BANDWIDTH_UP", "1MiB"),
                ("FERRYD_TLS_CERTIFICATE", "/c"),
                ("FERRYD_TLS_KEY", "/k"),
                ("FERRYD_HOME", "not ours"),
            ]))
            .load()
            .unwrap();
        let config = loaded.config;
        assert_eq!(config.server.listen, ["[::1]:5".parse().unwrap()]);
        assert_eq!(config.server.motd.as_deref(), Some("123"));
        assert_eq!(config.server.durability, Durability::Rename);
        assert_eq!(config.login.allow.len(), 2);
        assert_eq!((config.login.bytes.0, config.login.frames), (20 << 10, 9));
        assert_eq!(config.bandwidth.up.unwrap().0, 1 << 20);
        assert_eq!(config.tls.key.as_deref(), Some(Path::new("/k")));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let text = "[limits]\nidle_secnods = 5\nstall_seconds = \"soon\"\nbacklog = 0\n\n[limit]\nx = 1\n\
                    [login]\nallow = [\"everybody\"]\n[log]\nlevel = \"=loud=\"\n[tls]\nkey = \"/k\"\n";
        let layers = file(text).environment(variables(&[("FERRYD_LIMITS_IDLE", "5"), ("FERRYD_LOGIN_PROOFS", "some")]));
        let found = faults(&layers);
        for expected in [
            "f.toml:2:1: unknown key 'idle_secnods' in [limits]",
            "f.toml:3:1: limits.stall_seconds: ",
            "f.toml:4:1: limits.backlog: 0 is not in",
            "f.toml:6:2: unknown section 'limit'",
            "f.toml:9:1: login.allow: 'everybody' is no address",
            "f.toml:11:1: log.level: ",
            "f.toml:13:1: tls.key: tls.certificate is missing",
            "FERRYD_LIMITS_IDLE: no such key",
            "FERRYD_LOGIN_PROOFS: login.proofs: ",
        ] {
            assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected} in {found:#?}");
        }
        assert_eq!(found.len(), 9, "{found:#?}");
    }

    #[test]
    fn text_that_is_not_toml_is_refused_with_its_place() {
        let found = faults(&file("[limits]\nidle_seconds = \n"));
        assert!(found[0].starts_with("f.toml:2:"), "{found:?}");
        let twice = faults(&file("[limits]\nbacklog = 1\nbacklog = 2\n"));
        assert!(twice[0].starts_with("f.toml:3:1: "), "{twice:?}");
        assert!(faults(&file("limits = 3"))[0].contains("is a section"));
    }
}
