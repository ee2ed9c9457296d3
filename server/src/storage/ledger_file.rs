//! Stores the bytes of a user's ledger; storage does not interpret them.

use rustix::{fs::AtFlags, io::Errno};

use super::{Durability, Home, StorageError, disk, durable, flush};

pub(super) const NAME: &str = "ledger.json";
pub(super) const BYTES_MAX: u64 = 4096;

impl Home {
    /// Reads the ledger's bytes and leaves the file in place; `None` if there is none.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn read_ledger(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let bytes = durable::read_whole(self.user_folder(), NAME, BYTES_MAX);
        bytes.map_err(|error| StorageError::own("read a ledger", error))
    }

    /// Reads the ledger's bytes and removes the file durably: if the server stops without writing the ledger again,
    /// the home is counted again. Call this before the first change to the home.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn take_ledger(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let bytes = self.read_ledger()?;
        if bytes.is_some() {
            self.remove_ledger()?;
        }
        Ok(bytes)
    }

    /// Removes the ledger durably, even if it may be gone already.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn remove_ledger(&self) -> Result<(), StorageError> {
        let removed = match disk::unlink(self.user_folder(), NAME, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => flush::folder(self.user_folder()),
            error => error,
        };
        // Flush whatever the durability: a ledger that reappeared after a power cut would be believed.
        removed.map_err(|error| StorageError::own("take a ledger", error))
    }

    /// Writes the ledger's bytes to the disk.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn write_ledger(&self, bytes: &[u8]) -> Result<(), StorageError> {
        durable::write_whole(self.user_folder(), NAME, bytes, Durability::Full)
    }
}
