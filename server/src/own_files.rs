//! The server's own files as its user sees them: those that the user cannot open, their owners, and how to fix
//! that.
//!
//! The kernel checks access on a thread that has become that user, so that access lists and mounts count too.
#![expect(clippy::disallowed_methods, reason = "lists the server's own files")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
};

use rustix::{
    fd::OwnedFd,
    fs::{Access, AtFlags, CWD, Gid, Mode, OFlags, Uid, accessat, openat},
    io::Errno,
    process::geteuid,
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::{config::Config, symlinks, users};

/// The folder in which systemd keeps the data of services without a fixed user. Nobody can pass through it, and
/// each service sees only its own data.
const PRIVATE: &str = "/var/lib/private";

/// The user that the server runs as: the owner of the data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceUser {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    name: Option<String>,
}

/// A file, and how the server uses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Own {
    path: PathBuf,
    use_: Use,
    /// Whether it is below the data folder.
    is_inside: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Read,
    Write,
    Folder,
}

impl Use {
    fn access(self) -> Access {
        match self {
            Self::Read => Access::READ_OK,
            Self::Write => Access::READ_OK | Access::WRITE_OK,
            Self::Folder => Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write to",
            Self::Folder => "use",
        }
    }
}

impl ServiceUser {
    /// The owner of the data folder, if the folder exists.
    pub(crate) fn of(data: &Path) -> Option<Self> {
        let folder = fs::metadata(data).ok()?;
        let (uid, gid) = (folder.uid(), folder.gid());
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let account = account(&accounts, uid);
        let (name, own) = account.unzip();
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        let mut groups = name.as_deref().map(|name| groups_of(&groups, name)).unwrap_or_default();
        groups.extend(own.into_iter().chain([gid]));
        Some(Self { uid, gid: own.unwrap_or(gid), groups, name })
    }

    /// The name, or the number if there is no name.
    pub(crate) fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uid.to_string())
    }

    /// The owner in the syntax of `chown`.
    fn spec(&self) -> String {
        self.name.as_ref().map_or_else(|| format!("{}:{}", self.uid, self.gid), |name| format!("{name}:"))
    }

    /// Runs `look` as this user; `None` if this process cannot become that user.
    pub(crate) fn see<T: Send>(&self, look: impl FnOnce() -> T + Send) -> Option<T> {
        if geteuid().as_raw() == self.uid {
            return Some(look());
        }
        let become_user = || {
            let groups: Vec<_> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            set_thread_groups(&groups)?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)
        };
        thread::scope(|scope| {
            // Only this thread becomes the other user.
            let seen = scope.spawn(move || become_user().ok().map(|()| look()));
            seen.join().ok().flatten()
        })
    }
}

fn account(accounts: &str, uid: u32) -> Option<(String, u32)> {
    if uid == 0 {
        // A confined server cannot read the system's list of accounts.
        return Some(("root".to_owned(), 0));
    }
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, found, group) = (fields.next()?, fields.nth(1)?, fields.next()?);
        (found.parse() == Ok(uid)).then(|| Some((name.to_owned(), group.parse().ok()?)))?
    })
}

fn groups_of(groups: &str, name: &str) -> Vec<u32> {
    let number = |line: &str| {
        let mut fields = line.split(':');
        let (number, members) = (fields.nth(2)?, fields.next()?);
        members.split(',').any(|member| member == name).then(|| number.parse().ok())?
    };
    groups.lines().filter_map(number).collect()
}

/// The files that `user` cannot open, one sentence each; `None` if this process cannot become that user. `named`
/// are the files that the configuration names and the server opens itself.
pub(crate) fn faults(user: &ServiceUser, data: &Path, named: &[PathBuf]) -> Option<Vec<String>> {
    let own = list(data, named);
    let folder = openat(CWD, data, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let denied = user.see(|| own.iter().filter_map(|own| denied(own, data, &folder)).collect::<Vec<_>>())?;
    let told: BTreeSet<_> = denied.iter().map(|(own, at)| tell(user, own, at.as_deref(), data)).collect();
    Some(told.into_iter().collect())
}

/// The files that the configuration names and the server reads, including the configuration itself.
pub(crate) fn named(config: &Config, file: Option<&Path>) -> Vec<PathBuf> {
    let tls = &config.tls;
    let files = [file, tls.certificate.as_deref(), tls.key.as_deref(), config.login.seal.as_deref()];
    files.into_iter().flatten().map(Path::to_owned).collect()
}

fn list(data: &Path, named: &[PathBuf]) -> Vec<Own> {
    let mut found = vec![Own { path: data.to_owned(), use_: Use::Folder, is_inside: true }];
    if !data.starts_with(PRIVATE) {
        found.push(Own { path: data.to_owned(), use_: Use::Folder, is_inside: false });
    }
    let mut add = |path: PathBuf, use_| found.push(Own { path, use_, is_inside: true });
    for (path, is_folder) in entries(data) {
        if !is_folder {
            let use_ = use_of(&path);
            add(path, use_);
        }
    }
    let identity = data.join("identity");
    if identity.is_dir() {
        for (path, _) in entries(&identity) {
            let use_ = use_of(&path);
            add(path, use_);
        }
        add(identity, Use::Folder);
    }
    let homes = data.join("users");
    if homes.is_dir() {
        for (user, is_folder) in entries(&homes) {
            // Entries that are not folders are reported elsewhere.
            if !is_folder {
                continue;
            }
            for (path, is_folder) in entries(&user) {
                // Files in homes belong to their users.
                if is_folder && path.ends_with("staging") {
                    entries(&path).into_iter().for_each(|(part, _)| add(part, Use::Write));
                }
                add(path, if is_folder { Use::Folder } else { Use::Read });
            }
            add(user, Use::Folder);
        }
        add(homes, Use::Folder);
    }
    // A user store kept elsewhere is replaced there.
    let store = symlinks::stops(&users::store_file(data));
    if store.len() > 1
        && let Some(stop) = store.last()
    {
        found.push(Own { path: stop.folder.join(&stop.name), use_: Use::Read, is_inside: false });
    }
    found.extend(named.iter().map(|path| Own { path: path.clone(), use_: Use::Read, is_inside: false }));
    found
}

/// Lock files and the audit log are written to; other files are replaced, which requires access to the folder.
fn use_of(path: &Path) -> Use {
    let is_written = path.extension().is_some_and(|end| end == "lock") || path.ends_with("audit.jsonl");
    if is_written { Use::Write } else { Use::Read }
}

/// The entries of a folder except symlinks and sockets, and whether each is a folder.
fn entries(folder: &Path) -> Vec<(PathBuf, bool)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let kind = |entry: fs::DirEntry| {
        let kind = entry.file_type().ok()?;
        (kind.is_dir() || kind.is_file()).then(|| (entry.path(), kind.is_dir()))
    };
    entries.filter_map(kind).collect()
}

/// Returns the file and the inaccessible parent folder if the user of this thread cannot use the file as the server
/// does. Files below the data folder are reached through its descriptor, because systemd gives a service access to
/// a folder whose parents are inaccessible.
fn denied<'a>(own: &'a Own, data: &Path, folder: &OwnedFd) -> Option<(&'a Own, Option<PathBuf>)> {
    let below = own.path.strip_prefix(data).ok().filter(|_| own.is_inside);
    let may = |path: &Path, access| match path.strip_prefix(data) {
        Ok(here) if below.is_some() && here.as_os_str().is_empty() => accessat(folder, c".", access, AtFlags::EACCESS),
        Ok(below_it) if below.is_some() => accessat(folder, below_it, access, AtFlags::EACCESS),
        _ => accessat(CWD, path, access, AtFlags::EACCESS),
    };
    if !matches!(may(&own.path, own.use_.access()), Err(Errno::ACCESS | Errno::PERM)) {
        return None;
    }
    let is_looked_at = |path: &&Path| !path.as_os_str().is_empty() && (below.is_none() || path.starts_with(data));
    let above: Vec<_> = own.path.ancestors().skip(1).filter(is_looked_at).collect();
    let wall = above.into_iter().rev().find(|folder| may(folder, Access::EXEC_OK).is_err());
    Some((own, wall.map(Path::to_owned)))
}

fn tell(user: &ServiceUser, own: &Own, wall: Option<&Path>, data: &Path) -> String {
    let (name, path) = (user.shown(), wall.unwrap_or(&own.path));
    let shown = path.display();
    let Ok(there) = fs::metadata(path) else { return format!("{shown}: user {name} cannot {} it", own.use_.verb()) };
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let owner = account(&accounts, there.uid()).map_or_else(|| there.uid().to_string(), |(name, _)| name);
    let (mode, verb) = (there.mode() & 0o7777, if wall.is_some() { "pass through" } else { own.use_.verb() });
    let is_own = there.uid() == user.uid;
    let help = match (own.is_inside && path.starts_with(data), is_own) {
        (_, true) => format!("chmod u+rw{} {shown}", if there.is_dir() { "x" } else { "" }),
        (true, false) => format!("chown {}{} {shown}", if there.is_dir() { "-R " } else { "" }, user.spec()),
        (false, false) if wall.is_some() => format!("chmod o+x {shown}, or keep the file elsewhere"),
        (false, false) => format!(
            "chown {} {shown}, or have systemd hand over a certificate, key or seal (/etc/credstore)",
            user.spec()
        ),
    };
    format!("{shown}: user {name} cannot {verb} it (it belongs to {owner}, mode {mode:o}): {help}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nferryd:x:977:50::/:/bin/false\n";

    #[test]
    fn an_account_and_its_groups_are_found_by_its_number() {
        assert_eq!(account(ACCOUNTS, 977), Some(("ferryd".to_owned(), 50)));
        assert_eq!(account(ACCOUNTS, 1000), None);
        assert_eq!(groups_of("adm:x:4:syslog,ferryd\nssl:x:110:ferryd\nx:x:5:ferrydx\nbroken\n", "ferryd"), [4, 110]);
    }

    #[test]
    fn files_the_service_cannot_open_are_reported_with_their_owner_and_a_remedy() {
        if !geteuid().is_root() {
            eprintln!("skipped: only root can look as another user");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let data = place.path().join("data");
        let at = |name: &str| data.join(name);
        for folder in ["identity", "users/anna/home", "users/anna/staging"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let files =
            ["users.json", "users.json.lock", "identity/key.pem", "users/anna/ledger.json", "users/anna/home/x"];
        files.iter().for_each(|file| fs::write(at(file), "").unwrap());
        let seal = place.path().join("seal");
        fs::write(&seal, "").unwrap();
        fs::set_permissions(&seal, fs::Permissions::from_mode(0o600)).unwrap();
        let all = ["", "identity", "users", "users/anna", "users/anna/home", "users/anna/staging"];
        all.iter().chain(&files).for_each(|name| chown(at(name), Some(65534), Some(65534)).unwrap());
        let user = ServiceUser::of(&data).unwrap();
        let found = |named: &[PathBuf]| faults(&user, &data, named).unwrap();
        assert_eq!(found(&[]), Vec::<String>::new());
        // Files in homes are not checked.
        chown(at("users/anna/home/x"), Some(0), Some(0)).unwrap();
        for name in ["users.json.lock", "identity/key.pem", "users/anna/ledger.json", "users/anna/staging"] {
            chown(at(name), Some(0), Some(0)).unwrap();
            let mode = if name.ends_with("staging") { 0o700 } else { 0o600 };
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
            let told = found(&[]);
            let whole = told.len() == 1 && told[0].starts_with(&format!("{}: user ", at(name).display()));
            assert!(whole && told[0].contains(&format!("belongs to root, mode {mode:o}): chown ")), "{told:?}");
            chown(at(name), Some(65534), Some(65534)).unwrap();
        }
        fs::set_permissions(at("users.json"), fs::Permissions::from_mode(0o200)).unwrap();
        assert!(found(&[])[0].contains("chmod u+rw "), "{:?}", found(&[]));
        fs::set_permissions(at("users.json"), fs::Permissions::from_mode(0o600)).unwrap();
        let told = found(std::slice::from_ref(&seal));
        assert!(told.len() == 1 && told[0].contains("cannot read it (it belongs to root, mode 600)"), "{told:?}");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let told = found(&[]);
        assert!(
            told.len() == 1 && told[0].contains("cannot pass through it") && told[0].contains("chmod o+x"),
            "{told:?}"
        );
    }
}
