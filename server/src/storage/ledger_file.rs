//! Where the bytes of a user's ledger lie; what they say is not storage's to know.

use rustix::{fs::AtFlags, io::Errno};

use super::{Durability, Home, StorageError, disk, durable, flush};

pub(super) const NAME: &str = "ledger.json";
pub(super) const BYTES_MAX: u64 = 4096;

impl Home {
    /// The ledger's bytes, left where they are; `None` when there is none.
    ///
    /// # Errors
    /// The disk's.
    pub fn read_ledger(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let bytes = durable::read_whole(self.user_folder(), NAME, BYTES_MAX);
        bytes.map_err(|error| StorageError::own("read a ledger", error))
    }

    /// The ledger's bytes, durably taken away: a stop from now on that does not write them
    /// again means counting again. To be called before the home's first change.
    ///
    /// # Errors
    /// The disk's.
    pub fn take_ledger(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let bytes = self.read_ledger()?;
        if bytes.is_some() {
            self.remove_ledger()?;
        }
        Ok(bytes)
    }

    /// Takes the ledger away durably, also where it may be gone already.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove_ledger(&self) -> Result<(), StorageError> {
        let removed = match disk::unlink(self.user_folder(), NAME, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => flush::folder(self.user_folder()),
            error => error,
        };
        // Flushed whatever the durability: a ledger come back after a power cut would be believed.
        removed.map_err(|error| StorageError::own("take a ledger", error))
    }

    /// Puts the ledger's bytes on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_ledger(&self, bytes: &[u8]) -> Result<(), StorageError> {
        durable::write_whole(self.user_folder(), NAME, bytes, Durability::Full)
    }
}
