//! `ferryd check`: reports every fault with its place before a server is affected by it.
#![expect(clippy::disallowed_methods, reason = "looks at the modes of the server's own files")]

mod mounts;
mod ports;
mod unit;

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{AdminError, layers, places, quota};
use crate::{
    audit::verify,
    config::{Config, ConfigError, Loaded, Origin, keys::Key},
    control::{
        client::{self, AskError, Line},
        who::Who,
    },
    host_keys::{self, HostKeys},
    identity::{Condition, Identity},
    output,
    own_files::{self, ServiceUser},
    private_file, seal,
    storage::{self, HomeStatus, Storage},
    users::{
        self,
        file::{self, Store, StoreError},
        invite::{self, Invite},
        moment::Moment,
    },
};
use ports::Holders;

/// The findings.
#[derive(Debug, Default)]
struct Report {
    /// Faults that must be fixed.
    faults: Vec<String>,
    /// Facts that the operator may want to know, and that may be intended.
    notes: Vec<String>,
}

/// The same for programs.
#[derive(Serialize)]
struct ReportObject<'a> {
    configuration: Option<&'a Path>,
    data: &'a Path,
    faults: &'a [String],
    notes: &'a [String],
    users: usize,
}

pub(super) fn run(config: Option<PathBuf>, json: bool, data: &Path) -> Result<(), AdminError> {
    let mut found = Report::default();
    let file = config.clone().or_else(places::config_file);
    found.notes.extend(places::not_there(data));
    let loaded = found.config(config);
    let read = found.users(&users::store_file(data));
    if let Some(loaded) = &loaded {
        let config = &loaded.config;
        found.faults.extend(
            Who::new(config.control.group.as_deref(), config.control.admin_group.as_deref())
                .err()
                .map(|error| error.to_string()),
        );
        found.certificate(config, data);
        found.host_keys(data);
        found.faults.extend(seal::read(config.login.seal.as_deref()).err().map(|error| error.to_string()));
        found.faults.extend(config.login.seal.as_deref().and_then(readable_by_others));
    }
    found.service(loaded.as_ref(), file.as_deref(), data);
    if let Some(store) = &read {
        found.orphans(store, data);
        found.invites(store, loaded.as_ref().map(|loaded| &loaded.config));
    }
    let store = read.unwrap_or_default();
    found.homes(&store, data);
    found.full_homes(&store, data);
    found.audit(loaded.as_ref().map(|loaded| &loaded.config), data);
    let (configuration, users) = (file.as_deref(), store.users.len());
    let object = ReportObject { configuration, data, faults: &found.faults, notes: &found.notes, users };
    output::result(json, || text(&object), &object)?;
    match found.faults.len() {
        0 => Ok(()),
        1 => Err(AdminError::Faulty("1 fault".to_owned())),
        many => Err(AdminError::Faulty(format!("{many} faults"))),
    }
}

fn text(found: &ReportObject<'_>) -> String {
    let ReportObject { configuration, data, faults, notes, users } = found;
    let file = configuration.map_or_else(|| "none, all is default".to_owned(), |file| file.display().to_string());
    let mut lines = vec![format!("configuration {file}"), format!("data {}", data.display())];
    lines.extend_from_slice(faults);
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    if faults.is_empty() {
        lines.push(format!("no faults; {users} {}", if *users == 1 { "user" } else { "users" }));
    }
    lines.join("\n") + "\n"
}

impl Report {
    fn config(&mut self, config: Option<PathBuf>) -> Option<Loaded> {
        match layers(config).and_then(|layers| layers.load()) {
            Ok(loaded) => return Some(loaded),
            Err(ConfigError::Faults(found)) => self.faults.extend(found.iter().map(ToString::to_string)),
            Err(error) => self.faults.push(error.to_string()),
        }
        None
    }

    /// Checks the user store, if there is one.
    fn users(&mut self, path: &Path) -> Option<Store> {
        self.faults.extend(readable_by_others(path));
        let store = match file::is_not_gone(path).and_then(|()| file::load(path)) {
            Ok(store) => store,
            Err(StoreError::Broken(found)) => {
                self.faults.extend(found.iter().map(ToString::to_string));
                return None;
            }
            Err(error) => {
                self.faults.push(error.to_string());
                return None;
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
        Some(store)
    }

    fn homes(&mut self, store: &Store, data: &Path) {
        let names: Vec<_> = store.users.keys().map(users::UserName::as_str).collect();
        match storage::inspect_homes(data, &names) {
            Ok(seen) => {
                for (name, seen) in names.into_iter().zip(seen) {
                    match seen {
                        HomeStatus::Home => {}
                        HomeStatus::Nothing => self.notes.push(format!("user '{name}' has no files yet")),
                        HomeStatus::Fault(fault) => self.faults.push(format!("{}: {fault}", data.display())),
                    }
                }
            }
            Err(error) => self.faults.push(format!("{}: {error}", data.display())),
        }
    }
}

impl Report {
    /// Checks the audit log, if there is one.
    fn audit(&mut self, config: Option<&Config>, data: &Path) {
        let folder = config.map_or(data, |config| config.audit.folder(data));
        let files = verify::files(folder).unwrap_or_default();
        self.faults.extend(files.iter().filter_map(|path| readable_by_others(path)));
        if folder == data {
            return;
        }
        match fs::metadata(folder) {
            Ok(there) if there.is_dir() => {}
            Ok(_) => self.faults.push(format!("audit.folder: {} is not a folder", folder.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = folder.display();
                self.notes.push(format!("audit.folder: {folder} is not there yet; 'ferryd serve' makes it"));
            }
            Err(error) => self.faults.push(format!("audit.folder: {}: {error}", folder.display())),
        }
        // The chain starts anew there; tell the operator where the earlier log is.
        if let (true, Ok(_)) = (files.is_empty(), verify::files(data)) {
            let (folder, data) = (folder.display(), data.display());
            self.notes.push(format!("the audit log in {data} is not gone on with: move its files to {folder}"));
        }
    }

    /// Notes users with more files than a limit that was set later: they keep them.
    fn full_homes(&mut self, store: &Store, data: &Path) {
        for (name, record) in &store.users {
            match quota::files(name, data) {
                Ok(Some(files)) if files > record.file_limit() => self.notes.push(format!(
                    "user '{name}' has {files} files and folders and may have {}: keeps them and can add none; \
                     see 'ferryd user set {name} --max-files'",
                    record.file_limit()
                )),
                // A home that cannot be read is reported as a fault of its own.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

impl Report {
    /// Checks what a service that uses the data folder would find.
    fn service(&mut self, loaded: Option<&Loaded>, file: Option<&Path>, data: &Path) {
        let data = &data.canonicalize().unwrap_or_else(|_| data.to_owned());
        let user = ServiceUser::of(data);
        // The service manager itself opens the files that it hands over.
        let is_handed = |loaded: &Loaded, section, name| {
            Key::find(section, name).is_some_and(|key| matches!(loaded.origin(key), Origin::Credential(_)))
        };
        let named = loaded.map(|loaded| {
            let mut config = loaded.config.clone();
            if is_handed(loaded, "tls", "certificate") {
                (config.tls.certificate, config.tls.key) = (None, None);
            }
            config.login.seal = config.login.seal.filter(|_| !is_handed(loaded, "login", "seal"));
            own_files::named(&config, file)
        });
        let named = named.unwrap_or_default();
        match user.as_ref().map(|user| (user, own_files::faults(user, data, &named))) {
            Some((_, Some(faults))) => self.faults.extend(faults),
            Some((user, None)) => self.notes.extend(private_file::other_owner(data).or_else(|| {
                Some(format!(
                    "it is unknown which files user {} can open: this process cannot become that user",
                    user.shown()
                ))
            })),
            None => {}
        }
        if let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") {
            self.mounts(&mounts, data);
        }
        if let Some(loaded) = loaded {
            let held = self.unit(Path::new("/"), loaded, data);
            let socket = client::path(loaded.config.control.socket.as_deref(), data);
            let is_running = !matches!(Line::open(socket), Err(AskError::NoServer(_)));
            let holders = Holders { is_running, socket: held.clients, sftp: held.sftp, metrics: held.metrics };
            self.faults.extend(ports::faults(&loaded.config, user.as_ref(), holders));
        }
    }

    /// Checks the certificate and its key, if they exist; checking creates none.
    fn certificate(&mut self, config: &Config, data: &Path) {
        let tls = &config.tls;
        if tls.certificate.is_none() && !data.join("identity").exists() {
            return;
        }
        let identity = match Identity::load(data, tls) {
            Ok(identity) => identity,
            Err(error) => return self.faults.push(error.to_string()),
        };
        self.notes.extend(Identity::damage(data, tls).ok().flatten());
        let key = tls.key.clone().unwrap_or_else(|| data.join("identity/key.pem"));
        self.faults.extend(readable_by_others(&key));
        let Some(term) = identity.term() else { return };
        let (path, now) = (identity.certificate().display(), Moment::now());
        if tls.certificate.is_some() {
            if term.names.is_empty() {
                let why = "clients that do not know the key yet accept it for no address";
                self.faults.push(format!("{path}: the certificate names no host: {why}"));
            } else {
                self.notes.push(format!("{path} is for {}, until {}", term.names.join(", "), term.until));
            }
        }
        if let Some(warning) = term.warning(now) {
            let list = match term.condition(now) {
                Some(Condition::Soon(_)) => &mut self.notes,
                _ => &mut self.faults,
            };
            list.push(format!("{path}: the certificate {warning}"));
        }
    }

    /// Checks the SSH host keys that exist; checking creates none.
    fn host_keys(&mut self, data: &Path) {
        self.faults.extend(HostKeys::check(data).err().map(|error| error.to_string()));
        self.faults.extend(host_keys::files(data).iter().filter_map(|path| readable_by_others(path)));
    }

    /// Notes files of names that are not users.
    fn orphans(&mut self, store: &Store, data: &Path) {
        let on_disk = Storage::inspect(data).and_then(|storage| storage.users_on_disk());
        // If the folder cannot be listed, the check of the users' homes reports it.
        for name in on_disk.unwrap_or_default() {
            if !store.users.contains_key(name.as_str()) {
                let help = format!(
                    "'ferryd user add {name}' gives them back, 'ferryd user remove {name} --purge' removes them"
                );
                self.notes.push(format!("there are files of '{name}', who is not a user: {help}"));
            }
        }
    }

    fn invites(&mut self, store: &Store, config: Option<&Config>) {
        let without = store.invites.iter().filter(|(_, invite)| invite.is_valid() && invite.quota.is_none());
        let ids: Vec<_> = without.map(|(hash, _): (&String, &Invite)| invite::id(hash)).collect();
        let Some(config) = config.filter(|_| !ids.is_empty()) else { return };
        let ids = ids.join(", ");
        match config.registration.quota {
            Some(quota) => {
                self.notes.push(format!("invites without a quota: {ids}; accounts get registration.quota, {quota}"))
            }
            None => self.faults.push(format!(
                "invites without a quota: {ids}; set registration.quota, or revoke them and create others with --quota"
            )),
        }
    }
}

fn readable_by_others(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            let fault = || format!("{}: others may read it (mode {mode:o}); chmod o-rwx it", path.display());
            (mode & 0o007 != 0).then(fault)
        }
        // The code that needs the file reports that it is missing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("{}: {error}", path.display())),
    }
}
