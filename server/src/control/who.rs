//! Who may use the control socket: root, the server's own user, and one group if the operator names it.
#![expect(clippy::disallowed_methods, reason = "looks at the system's groups and the control socket's file")]

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
};

/// The rule, made once at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    own: u32,
    group: Option<u32>,
}

/// There is no such group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("control.group: there is no group '{0}'")]
pub struct NoSuchGroup(String);

impl Who {
    /// The server's own user, root, and `group`, a name or a number.
    ///
    /// # Errors
    /// [`NoSuchGroup`].
    pub fn new(group: Option<&str>) -> Result<Self, NoSuchGroup> {
        let number = |name: &str| {
            let listed = || find(&fs::read_to_string("/etc/group").unwrap_or_default(), name);
            name.parse().ok().or_else(listed).ok_or_else(|| NoSuchGroup(name.to_owned()))
        };
        Ok(Self { own: rustix::process::geteuid().as_raw(), group: group.map(number).transpose()? })
    }

    /// Gives the socket to the group, if it is not the group's already: a service kept in tightly
    /// may not give files away, and gets the group as its own.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        match self.group {
            Some(group) if fs::metadata(path)?.gid() != group => chown(path, None, Some(group)),
            _ => Ok(()),
        }
    }

    /// Whether a peer of this user may give the server another certificate.
    pub(super) fn may_hand_over(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own
    }

    /// Whether a peer of this user may speak. Where a group is named, the file's mode has let only
    /// its members connect; the kernel names but one of a process's groups to ask again.
    pub(super) fn allows(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own || self.group.is_some()
    }
}

fn find(groups: &str, name: &str) -> Option<u32> {
    let mut fields = groups.lines().map(|line| line.split(':'));
    fields.find_map(|mut field| (field.next() == Some(name)).then(|| field.nth(1)?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_out_unless_a_group_is_named() {
        let own = Who { own: 977, group: None };
        assert!(own.allows(0) && own.allows(977) && !own.allows(1000));
        let staff = Who { group: Some(50), ..own.clone() };
        assert!(staff.may_hand_over(0) && staff.may_hand_over(977) && !staff.may_hand_over(1000));
        assert!(Who { group: Some(50), ..own }.allows(1000));
    }

    #[test]
    fn groups_are_found_by_whole_name() {
        let groups = "root:x:0:\nstaffers:x:51:\nstaff:x:50:anna,berta\nbroken\n";
        assert_eq!(find(groups, "staff"), Some(50));
        assert_eq!(find(groups, "broken"), None);
        assert_eq!(Who::new(Some("17")).unwrap().group, Some(17));
        assert!(Who::new(Some("no such group here")).is_err());
    }
}
