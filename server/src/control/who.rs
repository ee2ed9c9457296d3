//! The rights on the control sockets: root and the server's own user may do everything, and two groups that the
//! operator may name a part of it.
#![expect(clippy::disallowed_methods, reason = "looks at the system's groups and the control socket's file")]

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
};

/// A right; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// View, end sessions, lift waits: `control.group`.
    Look,
    /// Change accounts and invites: `control.admin_group`.
    Accounts,
    /// Everything: root and the server's own user.
    All,
}

impl Right {
    /// A description of who has this right, for those who do not.
    #[must_use]
    pub fn of_whom(self) -> &'static str {
        match self {
            Self::Look => {
                "only root, the server's own user and the groups in control.group and control.admin_group may do this"
            }
            Self::Accounts => "only root, the server's own user and the group in control.admin_group may do this",
            Self::All => {
                "only root and the server's own user may do this; members of control.group may look, end sessions and \
                 lift waits, those of control.admin_group change accounts and invites too"
            }
        }
    }
}

/// The rules, determined once at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    own: u32,
    group: Option<u32>,
    admin_group: Option<u32>,
}

/// The group does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("control.{key}: there is no group '{name}'")]
pub struct NoSuchGroup {
    key: &'static str,
    name: String,
}

impl Who {
    /// The rules for the server's own user, root, and two groups, each a name or a number.
    ///
    /// # Errors
    /// [`NoSuchGroup`].
    pub fn new(group: Option<&str>, admin_group: Option<&str>) -> Result<Self, NoSuchGroup> {
        let number = |key, name: &str| {
            let listed = || find(&fs::read_to_string("/etc/group").unwrap_or_default(), name);
            name.parse().ok().or_else(listed).ok_or_else(|| NoSuchGroup { key, name: name.to_owned() })
        };
        Ok(Self {
            own: rustix::process::geteuid().as_raw(),
            group: group.map(|name| number("group", name)).transpose()?,
            admin_group: admin_group.map(|name| number("admin_group", name)).transpose()?,
        })
    }

    /// Whether there is a socket for [`Right::Accounts`] beside the one for everything else.
    pub(super) fn has_admins(&self) -> bool {
        self.admin_group.is_some()
    }

    fn group_of(&self, socket: Right) -> Option<u32> {
        if socket == Right::Look { self.group } else { self.admin_group }
    }

    /// Gives a socket to its group, unless it belongs to it already: a confined service may not change the owner of
    /// files, and has the group as its own.
    pub(super) fn own(&self, path: &Path, socket: Right) -> io::Result<()> {
        match self.group_of(socket) {
            Some(group) if fs::metadata(path)?.gid() != group => chown(path, None, Some(group)),
            _ => Ok(()),
        }
    }

    /// The right of a peer with this user ID on this socket. If a group is named, the mode of the file lets only
    /// its members connect; the kernel reports only one of a process's groups, so it cannot be checked again.
    pub(super) fn right(&self, uid: u32, socket: Right) -> Option<Right> {
        if uid == 0 || uid == self.own { Some(Right::All) } else { self.group_of(socket).map(|_| socket) }
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
    fn strangers_are_out_and_a_group_has_the_right_of_its_socket() {
        let own = Who { own: 977, group: None, admin_group: None };
        for socket in [Right::Look, Right::Accounts] {
            let right = |who: &Who, uid| who.right(uid, socket);
            assert_eq!([0, 977, 1000].map(|uid| right(&own, uid)), [Some(Right::All), Some(Right::All), None]);
            let groups = Who { group: Some(50), admin_group: Some(51), ..own.clone() };
            assert_eq!([0, 1000].map(|uid| right(&groups, uid)), [Some(Right::All), Some(socket)]);
        }
        assert_eq!(Who { group: Some(50), ..own }.right(1000, Right::Accounts), None);
        assert!(Right::Look < Right::Accounts && Right::Accounts < Right::All);
    }

    #[test]
    fn groups_are_found_by_whole_name() {
        let groups = "root:x:0:\nstaffers:x:51:\nstaff:x:50:anna,berta\nbroken\n";
        assert_eq!(find(groups, "staff"), Some(50));
        assert_eq!(find(groups, "broken"), None);
        let who = Who::new(Some("17"), Some("18")).unwrap();
        assert_eq!((who.group, who.admin_group), (Some(17), Some(18)));
        let missing = Who::new(None, Some("no such group here")).unwrap_err();
        assert_eq!(missing.to_string(), "control.admin_group: there is no group 'no such group here'");
    }
}
