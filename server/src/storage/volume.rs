//! How much of a disk users may fill: some space is left for the server's own files.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::{fd::AsFd, fs::fstatvfs};

use super::StorageError;

/// The most that is left free by default: enough for ledgers, the user store and logs.
const MOST: u64 = 256 << 20;
/// The share of a small disk that is left free: one part in this many.
const SHARE: u64 = 100;

/// The space that users leave free on the disk; by default the smaller of [`MOST`] and a hundredth of the disk.
#[derive(Debug)]
pub(super) struct Reserve(AtomicU64);

/// The value for a reserve that is not set.
const UNSET: u64 = u64::MAX;

impl Default for Reserve {
    fn default() -> Self {
        Self(AtomicU64::new(UNSET))
    }
}

impl Reserve {
    /// Sets the number of bytes that users leave free from now on.
    pub(super) fn set(&self, bytes: Option<u64>) {
        self.0.store(bytes.unwrap_or(UNSET), Ordering::Relaxed);
    }

    fn of(&self, total: u64) -> u64 {
        match self.0.load(Ordering::Relaxed) {
            UNSET => MOST.min(total / SHARE),
            set => set,
        }
    }

    /// Bytes free to users on the disk of `folder`; `None` if there is less than they must leave free.
    fn left(&self, folder: impl AsFd) -> Result<Option<u64>, StorageError> {
        let volume = fstatvfs(folder).map_err(|error| StorageError::own("ask for free space", error))?;
        let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
        Ok(bytes(volume.f_bavail).checked_sub(self.of(bytes(volume.f_blocks))))
    }

    /// Bytes free to users on the disk of `folder`.
    pub(super) fn free(&self, folder: impl AsFd) -> Result<u64, StorageError> {
        Ok(self.left(folder)?.unwrap_or(0))
    }

    /// Refuses to write this many bytes if too little would be left; with zero bytes, as for a new folder, if there
    /// is too little already.
    pub(super) fn require(&self, folder: impl AsFd, bytes: u64, what: &'static str) -> Result<(), StorageError> {
        match self.left(folder)? {
            Some(left) if bytes <= left => Ok(()),
            _ => Err(StorageError::full(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_reserve_is_a_hundredth_of_a_small_disk_and_256_mib_of_a_large_one() {
        let reserve = Reserve::default();
        assert_eq!(reserve.of(100 << 20), 1 << 20);
        assert_eq!(reserve.of(1 << 40), 256 << 20);
        reserve.set(Some(0));
        assert_eq!(reserve.of(1 << 40), 0);
        reserve.set(Some(5));
        assert_eq!(reserve.of(1), 5);
        reserve.set(None);
        assert_eq!(reserve.of(1 << 40), 256 << 20);
    }

    #[test]
    fn the_reserve_is_neither_reported_as_free_nor_written_to() {
        let (reserve, here) = (Reserve::default(), tempfile::tempfile().unwrap());
        reserve.set(Some(0));
        let all = reserve.free(&here).unwrap();
        assert!(all > 0 && reserve.require(&here, 1, "test").is_ok());
        reserve.set(Some(1 << 62));
        assert_eq!(reserve.free(&here).unwrap(), 0);
        for bytes in [0, 1] {
            let refused = reserve.require(&here, bytes, "test");
            assert!(
                matches!(refused, Err(StorageError::Disk { fault: crate::disk_fault::Fault::Full, .. })),
                "{refused:?}"
            );
        }
    }
}
