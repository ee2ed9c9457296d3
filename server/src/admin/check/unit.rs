//! Settings in systemd units that override the configuration, if the service uses this data folder.
#![expect(clippy::disallowed_methods, reason = "reads the units of systemd")]

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::Report;
use crate::{
    config::{Loaded, Origin, keys::Key},
    descriptors,
    door::Door,
};

/// Folders of units, in order of precedence.
const FOLDERS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
/// The services, of which one is in use.
const SERVICES: [&str; 2] = ["ferryd.service", "ferryd-standalone.service"];

/// The settings of a unit including drop-ins (`systemctl edit`); lists are joined with a space.
#[derive(Debug, Default)]
struct Unit(BTreeMap<String, String>);

/// The sockets that systemd holds for the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SystemdSockets {
    pub(super) clients: bool,
    pub(super) sftp: bool,
    pub(super) metrics: bool,
}

impl Unit {
    fn read(root: &Path, name: &str) -> Option<Self> {
        let file = FOLDERS.iter().map(|folder| root.join(folder).join(name)).find(|path| path.is_file())?;
        let mut unit = Self::default();
        unit.add(&fs::read_to_string(file).ok()?);
        let mut beside: BTreeMap<OsString, PathBuf> = BTreeMap::new();
        for folder in FOLDERS.iter().rev() {
            let entries = fs::read_dir(root.join(folder).join(format!("{name}.d"))).into_iter().flatten().flatten();
            let files = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "conf"));
            beside.extend(files.map(|entry| (entry.file_name(), entry.path())));
        }
        beside.into_values().filter_map(|path| fs::read_to_string(path).ok()).for_each(|text| unit.add(&text));
        Some(unit)
    }

    fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim().to_owned(), value.trim());
            let is_list = ["ListenStream", "Environment", "ExecStart"].contains(&key.as_str());
            match self.0.get_mut(&key) {
                // An empty value clears a list.
                Some(there) if is_list && !value.is_empty() => *there = format!("{there} {value}").trim().to_owned(),
                _ => drop(self.0.insert(key, value.to_owned())),
            }
        }
    }

    fn get(&self, key: &str) -> &str {
        self.0.get(key).map(String::as_str).unwrap_or_default()
    }

    fn is_on(&self, key: &str) -> bool {
        ["yes", "true", "on", "1"].contains(&self.get(key))
    }
}

/// Whether a unit starts at boot.
fn is_enabled(root: &Path, name: &str) -> bool {
    let wanted = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        let is_wanting = |path: &Path| path.extension().is_some_and(|end| end == "wants" || end == "requires");
        entries.map(|entry| entry.path()).any(|path| is_wanting(&path) && path.join(name).is_symlink())
    };
    wanted("etc/systemd/system") || wanted("run/systemd/system")
}

impl Report {
    /// Checks the enabled service below `root`, if it uses `data`; returns the sockets that systemd holds for it.
    pub(super) fn unit(&mut self, root: &Path, loaded: &Loaded, data: &Path) -> SystemdSockets {
        let in_use = SERVICES.iter().find(|name| is_enabled(root, name));
        let Some((name, unit)) = in_use.and_then(|name| Some((*name, Unit::read(root, name)?))) else {
            return SystemdSockets::default();
        };
        let state = Path::new("/var/lib").join(unit.get("StateDirectory"));
        let private = Path::new("/var/lib/private").join(unit.get("StateDirectory"));
        let said = unit.get("ExecStart").split_whitespace().any(|word| Path::new(word) == data);
        if data != state && data != private && !said {
            return SystemdSockets::default();
        }
        let socket = Some("ferryd.socket").filter(|_| name == "ferryd.service");
        let socket = socket.and_then(|name| Unit::read(root, name));
        let is_set = |section, key| {
            let key = Key::find(section, key);
            key.is_some_and(|key| loaded.origin(key) != Origin::Default)
        };
        if let Some(socket) = &socket {
            if is_set("server", "listen") {
                let at = socket.get("ListenStream");
                let why = format!("ferryd.socket listens, on {at}; 'systemctl edit ferryd.socket' changes that");
                self.notes.push(format!("server.listen is not used: {why}"));
            }
            if is_set("limits", "backlog") {
                let backlog = socket.get("Backlog");
                self.notes.push(format!("limits.backlog is not used: ferryd.socket says Backlog={backlog}"));
            }
        } else if unit.get("ExecStart").contains("--listen") && is_set("server", "listen") {
            self.notes.push(format!("server.listen is not used: {name} gives --listen"));
        }
        let metrics = name == "ferryd.service" && is_enabled(root, "ferryd-metrics.socket");
        if loaded.config.metrics.listen.is_some() && (metrics || unit.is_on("PrivateNetwork")) {
            let why = if metrics { "ferryd-metrics.socket listens" } else { "the service has no network of its own" };
            self.notes.push(format!("metrics.listen is not used: {why}; see 'systemctl edit ferryd-metrics.socket'"));
        }
        let sftp = name == "ferryd.service" && is_enabled(root, "ferryd-sftp.socket");
        if !loaded.config.sftp.listen.is_empty() && (sftp || unit.is_on("PrivateNetwork")) {
            let why = if sftp { "ferryd-sftp.socket listens" } else { "the service has no network of its own" };
            self.notes.push(format!("sftp.listen is not used: {why}; see 'systemctl edit ferryd-sftp.socket'"));
        }
        if let (true, Some(why)) = (sftp, loaded.config.unsealed(Door::Sftp)) {
            self.faults.push(format!("ferryd-sftp.socket: {why}"));
        }
        self.limits(name, &unit, loaded);
        SystemdSockets {
            clients: socket.is_some(),
            sftp: sftp || unit.is_on("PrivateNetwork"),
            metrics: metrics || unit.is_on("PrivateNetwork"),
        }
    }

    fn limits(&mut self, name: &str, unit: &Unit, loaded: &Loaded) {
        let config = &loaded.config;
        let limit = unit.get("LimitNOFILE");
        let hard = limit.rsplit(':').next().and_then(|hard| hard.parse::<u64>().ok());
        let (connections, needed) = (config.limits.connections, descriptors::needed(config.limits.connections));
        if hard.is_some_and(|hard| hard < needed) {
            let why = format!("{needed} open files, and {name} allows LimitNOFILE={limit}");
            self.faults.push(format!("limits.connections = {connections} needs {why}; 'systemctl edit {name}'"));
        }
        for word in unit.get("Environment").split_whitespace().map(|word| word.trim_matches(['"', '\''])) {
            if word.starts_with("FERRYD_") {
                self.notes.push(format!("{name} sets {word}, which wins over the configuration file"));
            }
        }
        let (tls, login, hidden) = (&config.tls, &config.login, unit.is_on("ProtectHome"));
        for path in [&tls.certificate, &tls.key, &login.seal].into_iter().flatten() {
            let is_home = ["/home", "/root", "/run/user"].iter().any(|home| path.starts_with(home));
            let is_temporary = ["/tmp", "/var/tmp"].iter().any(|folder| path.starts_with(folder));
            let setting = match (hidden && is_home, unit.is_on("PrivateTmp") && is_temporary) {
                (true, _) => "ProtectHome",
                (_, true) => "PrivateTmp",
                _ => continue,
            };
            self.faults.push(format!("{}: {name} cannot see it ({setting}=yes); keep it elsewhere", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config::Layers;

    const DATA: &str = "/var/lib/ferryd";

    /// A root with the shipped units, of which these are enabled.
    fn root(enabled: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let (units, wants) = (root.path().join(FOLDERS[3]), root.path().join("etc/systemd/system/x.target.wants"));
        fs::create_dir_all(&units).unwrap();
        fs::create_dir_all(&wants).unwrap();
        for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/systemd")).unwrap().flatten() {
            fs::copy(entry.path(), units.join(entry.file_name())).unwrap();
        }
        enabled.iter().for_each(|name| symlink(units.join(name), wants.join(name)).unwrap());
        root
    }

    fn found(root: &Path, toml: &str, data: &str) -> (Vec<String>, Vec<String>, SystemdSockets) {
        let file = root.join("ferryd.toml");
        fs::write(&file, toml).unwrap();
        let loaded = Layers::default().read_file(&file).unwrap().load().unwrap();
        let mut found = Report::default();
        let held = found.unit(root, &loaded, Path::new(data));
        (found.faults, found.notes, held)
    }

    #[test]
    fn settings_that_units_override_are_reported() {
        let place = root(&["ferryd.service", "ferryd.socket"]);
        let toml = "[server]\nlisten = ['127.0.0.1:9']\n[limits]\nbacklog = 7\n[metrics]\nlisten = '127.0.0.1:8'";
        let (faults, notes, held) = found(place.path(), toml, DATA);
        assert_eq!((faults.len(), notes.len()), (0, 3), "{faults:?} {notes:?}");
        assert!(notes[0].starts_with("server.listen is not used: ferryd.socket listens, on 7021"), "{notes:?}");
        assert_eq!(notes[1], "limits.backlog is not used: ferryd.socket says Backlog=1024");
        assert!(notes[2].starts_with("metrics.listen is not used: the service has no network"), "{notes:?}");
        assert_eq!(held, SystemdSockets { clients: true, sftp: true, metrics: true });
        // No setting is given, another folder is used, or no service is enabled.
        assert!(found(place.path(), "", DATA).1.is_empty());
        assert_eq!(found(place.path(), toml, "/srv/other"), (vec![], vec![], SystemdSockets::default()));
        assert_eq!(found(root(&[]).path(), toml, DATA), (vec![], vec![], SystemdSockets::default()));
        let alone = root(&["ferryd-standalone.service"]);
        assert_eq!(found(alone.path(), toml, DATA), (vec![], vec![], SystemdSockets::default()));
    }

    #[test]
    fn a_socket_for_sftp_replaces_the_setting_and_needs_leave_beside_a_seal() {
        let toml = "[sftp]\nlisten = ['127.0.0.1:9']";
        let without = root(&["ferryd.service", "ferryd.socket"]);
        let notes = found(without.path(), toml, DATA).1;
        assert!(notes[0].starts_with("sftp.listen is not used: the service has no network"), "{notes:?}");
        let with = root(&["ferryd.service", "ferryd.socket", "ferryd-sftp.socket"]);
        let (faults, notes, held) = found(with.path(), toml, DATA);
        assert!(faults.is_empty() && notes[0].contains("ferryd-sftp.socket listens"), "{faults:?} {notes:?}");
        assert!(held.sftp);
        let (faults, ..) = found(with.path(), "[login]\nseal = '/etc/ferryd/seal'", DATA);
        assert!(faults[0].starts_with("ferryd-sftp.socket: there is a seal"), "{faults:?}");
        let allowed = "[login]\nseal = '/etc/ferryd/seal'\nseal_allows = ['sftp']";
        assert!(found(with.path(), allowed, DATA).0.is_empty());
    }

    #[test]
    fn limits_of_a_unit_that_are_too_small_and_files_it_cannot_see_are_faults() {
        let place = root(&["ferryd.service", "ferryd.socket"]);
        let faults = |toml: &str| found(place.path(), toml, DATA).0;
        assert_eq!(faults("[limits]\nconnections = 16384"), Vec::<String>::new());
        let told = faults("[limits]\nconnections = 20000");
        assert!(told[0].contains("needs 80000 open files") && told[0].contains("LimitNOFILE=65536"), "{told:?}");
        let beside = place.path().join("etc/systemd/system/ferryd.service.d");
        fs::create_dir_all(&beside).unwrap();
        fs::write(
            beside.join("override.conf"),
            "[Service]\nLimitNOFILE=100000\nEnvironment=\"FERRYD_LOG_LEVEL=debug\"\n",
        )
        .unwrap();
        let (faults, notes, _) = found(place.path(), "[limits]\nconnections = 20000", DATA);
        assert!(
            faults.is_empty() && notes[0].contains("sets FERRYD_LOG_LEVEL=debug, which wins"),
            "{faults:?} {notes:?}"
        );
        let toml = "[tls]\ncertificate = '/root/c.pem'\nkey = '/tmp/k.pem'";
        let told = found(place.path(), toml, DATA).0.join("\n");
        assert!(told.contains("/root/c.pem: ferryd.service cannot see it (ProtectHome=yes)"), "{told}");
        assert!(told.contains("/tmp/k.pem: ferryd.service cannot see it (PrivateTmp=yes)"), "{told}");
    }
}
