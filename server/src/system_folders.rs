//! Folders of the system that hold much else: the server takes none of them whole for itself.

use std::path::Path;

/// Folders of the system with so much else in them that only the named file is opened up.
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

/// Whether `folder`, or what it leads to, is one of them.
pub(crate) fn is_shared(folder: &Path) -> bool {
    folder.canonicalize().is_ok_and(|folder| SHARED.iter().any(|shared| folder == Path::new(shared)))
}
