//! System folders that hold much else: the server never uses a whole one.

use std::path::Path;

/// System folders with so much else in them that access is given only to single files.
const SHARED: [&str; 32] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/dev/shm",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/etc",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/lib/private",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];

/// Whether `folder`, or the target of its symlink, is one of them.
pub(crate) fn is_shared(folder: &Path) -> bool {
    folder.canonicalize().is_ok_and(|folder| SHARED.iter().any(|shared| folder == Path::new(shared)))
}
