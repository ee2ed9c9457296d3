//! `ferryd check`: every fault with its place, before a server stumbles over it.
#![expect(clippy::disallowed_methods, reason = "looks at the modes of the server's own files")]

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{AdminError, layers, places, quota};
use crate::{
    audit::verify,
    config::{Config, ConfigError},
    control::who::Who,
    identity::Identity,
    output, seal,
    storage::{self, Seen},
    users::{
        self,
        file::{self, Store, StoreError},
    },
};

/// What was found.
#[derive(Debug, Default)]
struct Found {
    /// What has to be put right.
    faults: Vec<String>,
    /// What the operator may want to know, and may be meant so.
    notes: Vec<String>,
}

/// The same for programs.
#[derive(Serialize)]
struct FoundObject<'a> {
    configuration: Option<&'a Path>,
    data: &'a Path,
    faults: &'a [String],
    notes: &'a [String],
    users: usize,
}

pub(super) fn run(config: Option<PathBuf>, json: bool, data: &Path) -> Result<(), AdminError> {
    let mut found = Found::default();
    let file = config.clone().or_else(places::config_file);
    found.notes.extend(places::not_there(data));
    let config = found.config(config);
    let store = found.users(&users::store_file(data));
    if let Some(config) = &config {
        found.faults.extend(
            Who::new(config.control.group.as_deref(), config.control.admin_group.as_deref())
                .err()
                .map(|error| error.to_string()),
        );
        found.faults.extend(identity_fault(config, data));
        found.faults.extend(seal::read(config.login.seal.as_deref()).err().map(|error| error.to_string()));
        found.faults.extend(config.login.seal.as_deref().and_then(readable_by_others));
    }
    found.homes(&store, data);
    found.full_homes(&store, data);
    let audit = verify::files(data).unwrap_or_default();
    found.faults.extend(audit.iter().filter_map(|path| readable_by_others(path)));
    let (configuration, users) = (file.as_deref(), store.users.len());
    let object = FoundObject { configuration, data, faults: &found.faults, notes: &found.notes, users };
    output::result(json, || text(&object), &object)?;
    match found.faults.len() {
        0 => Ok(()),
        1 => Err(AdminError::Faulty("1 fault".to_owned())),
        many => Err(AdminError::Faulty(format!("{many} faults"))),
    }
}

fn text(found: &FoundObject<'_>) -> String {
    let FoundObject { configuration, data, faults, notes, users } = found;
    let file = configuration.map_or_else(|| "none, all is default".to_owned(), |file| file.display().to_string());
    let mut lines = vec![format!("configuration {file}"), format!("data {}", data.display())];
    lines.extend_from_slice(faults);
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    if faults.is_empty() {
        lines.push(format!("no faults; {users} {}", if *users == 1 { "user" } else { "users" }));
    }
    lines.join("\n") + "\n"
}

impl Found {
    fn config(&mut self, config: Option<PathBuf>) -> Option<Config> {
        match layers(config).and_then(|layers| layers.load()) {
            Ok(loaded) => return Some(loaded.config),
            Err(ConfigError::Faults(found)) => self.faults.extend(found.iter().map(ToString::to_string)),
            Err(error) => self.faults.push(error.to_string()),
        }
        None
    }

    fn users(&mut self, path: &Path) -> Store {
        self.faults.extend(readable_by_others(path));
        let store = match file::is_not_gone(path).and_then(|()| file::load(path)) {
            Ok(store) => store,
            Err(StoreError::Broken(found)) => {
                self.faults.extend(found.iter().map(ToString::to_string));
                return Store::default();
            }
            Err(error) => {
                self.faults.push(error.to_string());
                return Store::default();
            }
        };
        for (name, record) in &store.users {
            if record.password.as_ref().is_some_and(users::StoredHash::is_weak) {
                let message = "the password's hash is weaker than is safe; set it again with 'ferryd user passwd'";
                self.faults.push(format!("{}: user '{name}': {message}", path.display()));
            }
            if record.password.is_none() && record.keys.is_empty() {
                self.notes.push(format!("user '{name}' has neither password nor key, and cannot log in"));
            }
        }
        if store.users.is_empty() {
            self.notes.push("no users yet; add the first with: ferryd user add NAME".to_owned());
        }
        store
    }

    fn homes(&mut self, store: &Store, data: &Path) {
        let names: Vec<_> = store.users.keys().map(users::UserName::as_str).collect();
        match storage::look(data, &names) {
            Ok(seen) => {
                for (name, seen) in names.into_iter().zip(seen) {
                    match seen {
                        Seen::Home => {}
                        Seen::Nothing => self.notes.push(format!("user '{name}' has no files yet")),
                        Seen::Fault(fault) => self.faults.push(format!("{}: {fault}", data.display())),
                    }
                }
            }
            Err(error) => self.faults.push(format!("{}: {error}", data.display())),
        }
    }
}

impl Found {
    /// Users with more files than a limit that came later: they keep them.
    fn full_homes(&mut self, store: &Store, data: &Path) {
        for (name, record) in &store.users {
            match quota::files(name, data) {
                Ok(Some(files)) if files > record.file_limit() => self.notes.push(format!(
                    "user '{name}' has {files} files and folders and may have {}: keeps them and can add none; \
                     see 'ferryd user set {name} --max-files'",
                    record.file_limit()
                )),
                // A home that cannot be looked at is told as a fault of its own.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// The key, if there is one yet; checking makes none.
fn identity_fault(config: &Config, data: &Path) -> Option<String> {
    let tls = &config.tls;
    if tls.certificate.is_none() && !data.join("identity").exists() {
        return None;
    }
    match Identity::load(data, tls) {
        Ok(_) => {
            let key = tls.key.clone().unwrap_or_else(|| data.join("identity/key.pem"));
            readable_by_others(&key)
        }
        Err(error) => Some(error.to_string()),
    }
}

fn readable_by_others(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            let fault = || format!("{}: others may read it (mode {mode:o}); chmod o-rwx it", path.display());
            (mode & 0o007 != 0).then(fault)
        }
        // Whoever needs it says so.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("{}: {error}", path.display())),
    }
}
