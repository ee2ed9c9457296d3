//! Where the bytes of a user's ledger lie; what they say is not storage's to know.

use rustix::fs::AtFlags;

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
        let Some(bytes) = self.read_ledger()? else { return Ok(None) };
        let own = |error: rustix::io::Errno| StorageError::own("take a ledger", error);
        disk::unlink(self.user_folder(), NAME, AtFlags::empty()).map_err(own)?;
        // Flushed whatever the durability: a ledger come back after a power cut would be believed.
        flush::folder(self.user_folder()).map_err(own)?;
        Ok(Some(bytes))
    }

    /// Puts the ledger's bytes on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_ledger(&self, bytes: &[u8]) -> Result<(), StorageError> {
        durable::write_whole(self.user_folder(), NAME, bytes, Durability::Full)
    }
}
