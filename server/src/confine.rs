//! Confines the process with Landlock to the few folders it needs, if the kernel supports it.
//!
//! This must happen before the runtime starts its threads: it applies to the calling thread and all that it starts
//! later. It cannot be undone; an attacker who takes over the server can reach no other files.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use crate::{
    config::Config,
    private_file::folder_of,
    symlinks::{Stop, stops},
    system_folders::is_shared,
};

/// The newest set of rules this is written for; an older kernel enforces those it supports.
const RULES: ABI = ABI::V6;
/// Devices every program may need.
const DEVICES: [&str; 2] = ["/dev/null", "/dev/urandom"];
/// The files that the process may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Folders in which files may be read, written, created and removed.
    pub write: Vec<PathBuf>,
    /// Folders and files that may be read.
    pub read: Vec<PathBuf>,
    /// Symlinks in system folders: their present targets are allowed, but not later ones.
    pub fixed: Vec<PathBuf>,
}

impl Kept {
    /// The files that a server with this configuration needs.
    #[must_use]
    pub(crate) fn of(config: &Config, file: &Path, data: &Path, users: &Path, socket: &Path) -> Self {
        let mut kept = Self { write: vec![data.to_owned(), folder_of(socket).to_owned()], ..Self::default() };
        // This is never a system folder: a configuration with one is refused.
        kept.write.extend(config.audit.folder.clone());
        // If the user store is kept elsewhere, for example in a repository, its path is a symlink.
        for stop in elsewhere(users) {
            kept.keep(&stop, true);
        }
        let Config { tls, login, .. } = config;
        let files = [Some(file), tls.certificate.as_deref(), tls.key.as_deref(), login.seal.as_deref()];
        for file in files.into_iter().flatten() {
            // If the folder does not exist yet, there are no symlinks to resolve.
            kept.keep(
                &Stop { folder: folder_of(file).to_owned(), name: file.file_name().unwrap_or_default().into() },
                false,
            );
            // Tools that renew certificates keep symlinks to the newest one.
            for stop in elsewhere(file) {
                kept.keep(&stop, false);
            }
        }
        for list in [&mut kept.write, &mut kept.read, &mut kept.fixed] {
            list.sort();
            list.dedup();
        }
        kept
    }

    /// Allows the folder of `stop`, not only the file, because a later replacement is another file. In a system
    /// folder only the file is allowed.
    fn keep(&mut self, stop: &Stop, write: bool) {
        let path = stop.folder.join(&stop.name);
        let list = if write { &mut self.write } else { &mut self.read };
        if !is_shared(&stop.folder) {
            list.push(stop.folder.clone());
        } else if path.is_symlink() {
            self.fixed.push(path);
        } else {
            list.push(path);
        }
    }
}

/// The symlinks and files on the way to `file` beyond its own folder.
fn elsewhere(file: &Path) -> Vec<Stop> {
    let stops = stops(file);
    if stops.len() > 1 { stops } else { Vec::new() }
}

/// Gives up all other access, as far as the kernel supports it, and logs the result.
pub(crate) fn confine(kept: &Kept) {
    for link in &kept.fixed {
        tracing::warn!(link = %link.display(), "this symlink is in a system folder: restart the server after changing it");
    }
    match enforce(kept) {
        Ok(status) => match status.ruleset {
            RulesetStatus::FullyEnforced => tracing::info!(write = ?kept.write, read = ?kept.read, "confined"),
            RulesetStatus::PartiallyEnforced => {
                tracing::info!(write = ?kept.write, read = ?kept.read, "confined as far as this kernel can");
            }
            RulesetStatus::NotEnforced => tracing::warn!("not confined: this kernel has no Landlock"),
        },
        Err(error) => tracing::error!(%error, "not confined"),
    }
}

fn enforce(kept: &Kept) -> Result<RestrictionStatus, RulesetError> {
    let all = AccessFs::from_all(RULES);
    let programs = AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::IoctlDev;
    let devices = AccessFs::ReadFile | AccessFs::WriteFile;
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    Ruleset::default()
        .handle_access(all)?
        // The server answers connections and never makes any.
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(&kept.write, all & !programs))?
        .add_rules(path_beneath_rules(&kept.read, read))?
        .add_rules(path_beneath_rules(DEVICES, devices))?
        .restrict_self()
}

#[cfg(test)]
mod tests {
    use std::{
        fs, io,
        net::{TcpListener, TcpStream},
        process::Command,
        thread,
    };

    use super::*;

    #[test]
    fn folders_of_certificates_are_kept_and_shared_folders_are_not() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        let mut config = Config::default();
        config.tls.certificate = Some("/etc/ferryd-cert.pem".into());
        config.tls.key = Some("/etc/letsencrypt/live/key.pem".into());
        let file = Path::new("/etc/ferryd/ferryd.toml");
        let socket = data.join("control.sock");
        let kept = Kept::of(&config, file, &data, &data.join("users.json"), &socket);
        assert_eq!(kept.write, [data.as_path()]);
        let read = ["/etc/ferryd", "/etc/ferryd-cert.pem", "/etc/letsencrypt/live"];
        assert_eq!(kept.read, read.map(PathBuf::from));
    }

    #[test]
    fn a_user_store_that_is_a_link_keeps_where_it_leads() {
        let place = tempfile::tempdir().unwrap();
        let (data, elsewhere) = (place.path().join("data"), place.path().join("repository"));
        std::fs::create_dir(&data).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("users.json"), "{}").unwrap();
        std::os::unix::fs::symlink(elsewhere.join("users.json"), data.join("users.json")).unwrap();
        let kept = Kept::of(
            &Config::default(),
            Path::new("/etc/ferryd/ferryd.toml"),
            &data,
            &data.join("users.json"),
            Path::new("/run/x/c.sock"),
        );
        let real = elsewhere.canonicalize().unwrap();
        assert!(kept.write.contains(&real) && kept.write.contains(&"/run/x".into()), "{kept:?}");
    }

    #[test]
    fn an_audit_log_elsewhere_keeps_its_folder() {
        let mut config = Config::default();
        config.audit.folder = Some("/var/log/ferryd".into());
        let (file, data) = (Path::new("/etc/ferryd/ferryd.toml"), Path::new("/var/lib/ferryd"));
        let kept = Kept::of(&config, file, data, &data.join("users.json"), &data.join("control.sock"));
        assert_eq!(kept.write, [data, Path::new("/var/log/ferryd")]);
    }

    #[test]
    fn a_folder_that_may_be_swapped_is_kept_with_its_neighbours_and_a_folder_of_the_system_never() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let (data, mount) = (root.join("data"), root.join("mount"));
        fs::create_dir(&data).unwrap();
        fs::create_dir_all(mount.join("v1")).unwrap();
        fs::write(mount.join("v1/users.json"), "{}").unwrap();
        symlink("v1", mount.join("..data")).unwrap();
        symlink(mount.join("..data/users.json"), data.join("users.json")).unwrap();
        let of = |users: &Path| {
            let socket = data.join("control.sock");
            Kept::of(&Config::default(), Path::new("/etc/ferryd/ferryd.toml"), &data, users, &socket)
        };
        assert_eq!(of(&data.join("users.json")).write, [data.clone(), mount.clone(), mount.join("v1")]);
        symlink("/etc/hostname", data.join("system.json")).unwrap();
        let kept = of(&data.join("system.json"));
        assert_eq!(kept.write, ["/etc/hostname".into(), data.clone()]);
        // A symlink in a system folder may lead anywhere later.
        let link = Path::new("/etc/mtab");
        if link.is_symlink() {
            symlink(link, data.join("mtab.json")).unwrap();
            assert!(of(&data.join("mtab.json")).fixed.contains(&link.to_owned()));
        }
    }

    /// Only the calling thread is confined, so a test can confine one of its own.
    #[test]
    fn a_confined_thread_keeps_its_folders_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), name).unwrap();
            path
        };
        let (data, keys, outside) = (folder("data"), folder("keys"), folder("outside"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tried = thread::spawn(move || {
            let kept = Kept { write: vec![data.clone()], read: vec![keys.clone()], fixed: Vec::new() };
            let status = enforce(&kept).unwrap().ruleset;
            if status == RulesetStatus::NotEnforced {
                return crate::skipped::skipped("this kernel has no Landlock");
            }
            let denied =
                |done: io::Result<()>| done.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
            fs::create_dir(data.join("new")).unwrap();
            fs::rename(data.join("file"), data.join("new/file")).unwrap();
            assert_eq!(fs::read_to_string(keys.join("file")).unwrap(), "keys");
            fs::write("/dev/null", "x").unwrap();
            assert!(denied(fs::write(keys.join("file"), "changed")));
            assert!(denied(fs::read(outside.join("file")).map(drop)));
            assert!(denied(fs::write(outside.join("new"), "x")));
            assert!(denied(fs::read("/etc/passwd").map(drop)));
            assert!(fs::rename(data.join("new/file"), outside.join("stolen")).is_err());
            assert!(Command::new("/bin/true").status().is_err(), "it can run programs");
            // An older kernel cannot prevent this.
            let kept_in = status == RulesetStatus::PartiallyEnforced || denied(TcpStream::connect(address).map(drop));
            assert!(kept_in, "it can call out");
            // A server must be able to listen.
            TcpListener::bind("127.0.0.1:0").unwrap();
        });
        tried.join().unwrap();
    }
}
