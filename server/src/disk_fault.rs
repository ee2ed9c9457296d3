//! Faults of the disk as a whole, whichever file they were noticed at.

use std::{error::Error, fmt, io, path::Path};

use rustix::{
    fd::AsFd,
    fs::{StatVfs, fstatvfs, statvfs},
    io::Errno,
};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// There is no space, or less than users must leave free.
    Full,
    /// There is space, but no inode for another file or folder.
    NoInodes,
    /// A quota of the filesystem itself is used up.
    Quota,
    /// The file would be larger than the filesystem allows.
    LargestFile,
    /// The filesystem is read-only.
    ReadOnly,
    /// The disk fails to read or write.
    Failing,
}

impl Fault {
    /// The fault that this errno stands for; `None` if it concerns only one file.
    #[must_use]
    pub fn of(errno: Errno) -> Option<Self> {
        Some(match errno {
            Errno::NOSPC => Self::Full,
            Errno::DQUOT => Self::Quota,
            Errno::FBIG => Self::LargestFile,
            Errno::ROFS => Self::ReadOnly,
            // Errors of block devices, network filesystems and filesystems that have detected damage.
            Errno::IO
            | Errno::NODEV
            | Errno::UCLEAN
            | Errno::BADMSG
            | Errno::STALE
            | Errno::TIMEDOUT
            | Errno::REMOTEIO
            | Errno::NOMEDIUM
            | Errno::NOLINK
            | Errno::NOTCONN
            | Errno::SHUTDOWN => Self::Failing,
            _ => return None,
        })
    }

    /// The first disk fault in this error and its chain of sources, with the I/O error that it comes from.
    #[must_use]
    pub fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<(Self, &'a io::Error)> {
        let mut next = Some(error);
        while let Some(error) = next {
            let found = error.downcast_ref::<io::Error>();
            let fault = found.and_then(|found| Some((Self::of(Errno::from_io_error(found)?)?, found)));
            if fault.is_some() {
                return fault;
            }
            next = error.source();
        }
        None
    }

    /// Refines a fault of creating something on the disk of `folder`: there may be space but no inode.
    #[must_use]
    pub fn making(self, folder: impl AsFd) -> Self {
        self.on(fstatvfs(folder))
    }

    /// The same, by the path of the folder.
    #[must_use]
    pub fn making_in(self, folder: &Path) -> Self {
        self.on(statvfs(folder))
    }

    fn on(self, volume: rustix::io::Result<StatVfs>) -> Self {
        match volume {
            // Filesystems that create inodes on demand report none.
            Ok(volume) if self == Self::Full && volume.f_files > 0 && volume.f_favail == 0 => Self::NoInodes,
            _ => self,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the server's disk is full",
            Self::NoInodes => "the server's disk has no inodes left for more files",
            Self::Quota => "the server's share of its disk is used up",
            Self::LargestFile => "the server's disk cannot hold a file of that size",
            Self::ReadOnly => "the server's disk is read-only: nothing can be changed there, and downloads go on",
            Self::Failing => "the server's disk is failing",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_disk_is_known_by_its_errno_and_found_behind_other_errors() {
        for (errno, fault) in [
            (Errno::NOSPC, Some(Fault::Full)),
            (Errno::DQUOT, Some(Fault::Quota)),
            (Errno::FBIG, Some(Fault::LargestFile)),
            (Errno::ROFS, Some(Fault::ReadOnly)),
            (Errno::IO, Some(Fault::Failing)),
            (Errno::UCLEAN, Some(Fault::Failing)),
            (Errno::STALE, Some(Fault::Failing)),
            (Errno::ACCESS, None),
            (Errno::NOENT, None),
        ] {
            assert_eq!(Fault::of(errno), fault, "{errno}");
            #[derive(Debug, thiserror::Error)]
            #[error("outer")]
            struct Outer(#[source] io::Error);
            assert_eq!(Fault::behind(&Outer(errno.into())).map(|(fault, _)| fault), fault, "{errno}");
        }
        assert_eq!(Fault::behind(&io::Error::other("no number")).map(|(fault, _)| fault), None);
    }

    #[test]
    fn each_fault_is_reported_as_the_servers_and_inodes_are_missing_only_if_there_is_space() {
        for fault in [Fault::Full, Fault::NoInodes, Fault::Quota, Fault::LargestFile, Fault::ReadOnly, Fault::Failing] {
            assert!(fault.to_string().starts_with("the server's "), "{fault}");
        }
        let here = tempfile::tempfile().unwrap();
        assert_eq!(Fault::Full.making(&here), Fault::Full);
        assert_eq!(Fault::ReadOnly.making(&here), Fault::ReadOnly);
    }
}
