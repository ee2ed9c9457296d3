//! Filesystems mounted at and below the data folder that would hinder the server.

use std::path::{Component, Path, PathBuf};

use crate::admin::check::Report;

/// Network filesystems, which may lack what durable files need.
const NETWORK: [&str; 9] = ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "fuse.sshfs", "fuse.glusterfs"];
/// Filesystems whose contents are lost when the machine stops.
const MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    kind: String,
    is_read_only: bool,
}

impl Report {
    /// Checks the mounts of the data folder in `mountinfo`; `data` contains no symlinks.
    pub(super) fn mounts(&mut self, mountinfo: &str, data: &Path) {
        let mounts: Vec<_> = mountinfo.lines().filter_map(parse).collect();
        // Of several mounts at one place, only the last is visible.
        let base = mounts.iter().rev().filter(|mount| data.starts_with(&mount.at));
        let base = base.max_by_key(|mount| mount.at.components().count());
        if let Some(Mount { at, kind, is_read_only }) = base {
            let (data, at) = (data.display(), at.display());
            if *is_read_only {
                self.faults.push(format!("{data}: the filesystem at {at} is mounted read-only; remount it with rw"));
            }
            if MEMORY.contains(&kind.as_str()) {
                self.notes.push(format!("{data} is in memory ({kind} at {at}): its files end with the machine"));
            }
            if NETWORK.contains(&kind.as_str()) {
                let risk = "without atomic renames and flushes acknowledged files can be lost";
                self.notes.push(format!("{data} is on a network ({kind} at {at}): {risk}"));
            }
        }
        for Mount { at, is_read_only, .. } in &mounts {
            let Some(below) = at.strip_prefix(data).ok().filter(|below| below.components().next().is_some()) else {
                continue;
            };
            let names: Vec<_> = below.components().map(Component::as_os_str).collect();
            let at = at.display();
            if *is_read_only {
                self.faults.push(format!("{at}: this filesystem is mounted read-only; remount it with rw"));
            }
            match names.as_slice() {
                [users, _, _, _, ..] if *users == "users" => {
                    self.notes.push(format!("{at} is a mount inside of a home: nothing can be stored there"));
                }
                [users, _, _] if *users == "users" => {
                    let why = "a home and its staging must be on one filesystem";
                    self.faults.push(format!("{at} is a mount of its own: {why}, or nothing can be stored"));
                }
                _ => {}
            }
        }
    }
}

fn parse(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(4);
    let (at, options) = (fields.next()?, fields.next()?);
    let mut fields = filesystem.split(' ');
    let (kind, of_filesystem) = (fields.next()?, fields.nth(1).unwrap_or_default());
    let is_read_only = options.split(',').chain(of_filesystem.split(',')).any(|option| option == "ro");
    Some(Mount { at: unescape(at).into(), kind: kind.to_owned(), is_read_only })
}

/// Whitespace and backslashes are written as three octal digits.
fn unescape(text: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(below: &str) -> Report {
        let text = format!("22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n{below}\n");
        let mut found = Report::default();
        found.mounts(&text, Path::new("/srv/my data"));
        found
    }

    #[test]
    fn mounts_that_hinder_the_server_are_reported_and_others_are_not() {
        let quiet = found(
            "30 22 0:30 / /srv/my\\040data rw - xfs /dev/b rw\n31 30 0:31 / /srv/my\\040data/users rw - xfs /dev/c rw",
        );
        assert!(quiet.faults.is_empty() && quiet.notes.is_empty(), "{quiet:?}");
        for (line, fault) in [
            (
                "30 22 0:30 / /srv ro,noatime - xfs /dev/b rw",
                "/srv/my data: the filesystem at /srv is mounted read-only",
            ),
            (
                "30 22 0:30 / /srv/my\\040data rw - ext4 /dev/b ro",
                "the filesystem at /srv/my data is mounted read-only",
            ),
            (
                "30 22 0:30 / /srv/my\\040data/users ro - xfs /dev/b ro",
                "/srv/my data/users: this filesystem is mounted read-only",
            ),
            ("30 22 0:30 / /srv/my\\040data/users/anna/home rw - xfs /dev/b rw", "/home is a mount of its own"),
        ] {
            let found = found(line);
            assert!(found.faults.len() == 1 && found.faults[0].contains(fault), "{found:?}");
        }
        for (line, note) in [
            ("30 22 0:30 / /srv/my\\040data rw shared:9 - tmpfs tmpfs rw", "is in memory (tmpfs at /srv/my data)"),
            ("30 22 0:30 / /srv rw - nfs4 host:/x rw", "is on a network (nfs4 at /srv)"),
            ("30 22 0:30 / /srv/my\\040data/users/anna/home/usb rw - vfat /dev/b rw", "is a mount inside of a home"),
        ] {
            let found = found(line);
            assert!(found.notes.len() == 1 && found.notes[0].contains(note) && found.faults.is_empty(), "{found:?}");
        }
    }
}
