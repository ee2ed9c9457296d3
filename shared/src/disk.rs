//! How reliable the times and sizes of a file system are.

#[cfg(unix)]
pub use rustix::fd::AsFd as Open;

/// An open file or folder.
#[cfg(not(unix))]
pub trait Open {}
#[cfg(not(unix))]
impl<T> Open for T {}

/// Whether every change to a file is visible in its times, and sizes are correct. On other file systems, other computers
/// may change the files, or times are coarse, or metadata is generated.
///
/// Only known file systems are local; any other may be remote.
#[cfg(target_os = "linux")]
pub fn is_local(open: &impl Open) -> bool {
    const EXT: i128 = 0xef53;
    const XFS: i128 = 0x5846_5342;
    const BTRFS: i128 = 0x9123_683e;
    const TMPFS: i128 = 0x0102_1994;
    const OVERLAY: i128 = 0x794c_7630;
    const F2FS: i128 = 0xf2f5_2010;
    const ZFS: i128 = 0x2fc1_2fc1;
    const BCACHEFS: i128 = 0xca45_1a4e;
    const NILFS: i128 = 0x3434;
    const JFS: i128 = 0x3153_464a;
    const REISERFS: i128 = 0x5265_4973;
    const ECRYPTFS: i128 = 0xf15f;
    const RAMFS: i128 = 0x8584_58f6;
    const UBIFS: i128 = 0x2405_1905;
    let known = |kind| {
        matches!(
            kind,
            EXT | XFS
                | BTRFS
                | TMPFS
                | OVERLAY
                | F2FS
                | ZFS
                | BCACHEFS
                | NILFS
                | JFS
                | REISERFS
                | ECRYPTFS
                | RAMFS
                | UBIFS
        )
    };
    rustix::fs::fstatfs(open).is_ok_and(|system| known(i128::from(system.f_type) & 0xffff_ffff))
}

/// Whether every change to a file is visible in its times, and sizes are correct.
#[cfg(target_vendor = "apple")]
pub fn is_local(open: &impl Open) -> bool {
    const MNT_LOCAL: u32 = 0x1000;
    rustix::fs::fstatfs(open).is_ok_and(|system| system.f_flags & MNT_LOCAL != 0)
}

/// Whether every change to a file is visible in its times, and sizes are correct.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub fn is_local(_open: &impl Open) -> bool {
    true
}
