//! A read-only view of a user's files without opening the home; maintenance uses it for absent users.

use ferry_shared::entry::Mtime;
use rustix::fd::AsFd;

use super::{
    Home, Storage, StorageError, durable, ledger_file, listing::Stream, metadata::Metadata, root::private_folder,
};

/// A read-only view of a home that is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    /// The ledger's bytes; the file stays in place.
    pub ledger: Option<Vec<u8>>,
    /// The home's stamp, as [`Home::stamp`] returns it.
    pub home: String,
    /// The oldest time of last change among the staged parts; `None` without parts.
    pub oldest_part: Option<Mtime>,
}

impl Storage {
    /// Peeks at the files of `user`; `None` if there is no home. Opens and changes nothing.
    ///
    /// # Errors
    /// `Unsafe` if a folder is a symlink, or an error of the disk.
    pub fn peek(&self, user: &str) -> Result<Option<Peek>, StorageError> {
        let there = |opened| match opened {
            Err(StorageError::NoSuchUser) => Ok(None),
            opened => opened.map(Some),
        };
        let Some(folder) = there(private_folder(self.users(), user, user, false))? else { return Ok(None) };
        let Some(home) = there(private_folder(&folder, "home", user, false))? else { return Ok(None) };
        let home = stamp(&home)?;
        let ledger = durable::read_whole(&folder, ledger_file::NAME, ledger_file::BYTES_MAX);
        let ledger = ledger.map_err(|error| StorageError::own("read a ledger", error))?;
        let mut oldest_part = None;
        if let Some(staging) = there(private_folder(&folder, "staging", user, false))? {
            for found in Stream::new(staging, ferry_shared::path::RemotePath::home())? {
                let (name, metadata) = found?;
                if name.to_bytes().ends_with(b".part") {
                    let touched = metadata.touched();
                    oldest_part = Some(oldest_part.map_or(touched, |oldest: Mtime| oldest.min(touched)));
                }
            }
        }
        Ok(Some(Peek { ledger, home, oldest_part }))
    }

    /// Whether an open home is still the one under its user's name. It is not if all of the user's files were
    /// removed.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn is_in_place(&self, home: &Home) -> Result<bool, StorageError> {
        let own = |error| StorageError::own("look at a home", error);
        let there = Metadata::if_there(self.users(), home.user().as_ref()).map_err(own)?;
        let open = Metadata::of(home.user_folder()).map_err(own)?;
        Ok(there.is_some_and(|there| there.id == open.id))
    }

    /// Bytes free to users on the disk of the homes.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn volume_free(&self) -> Result<u64, StorageError> {
        self.reserve.free(self.users())
    }
}

impl Home {
    /// A stamp that differs from that of every other home, including restored copies, and changes whenever a name
    /// directly in the home does.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn stamp(&self) -> Result<String, StorageError> {
        stamp(self.dir())
    }
}

fn stamp(home: impl AsFd) -> Result<String, StorageError> {
    Metadata::of(home).map(|metadata| metadata.stamp()).map_err(|error| StorageError::own("look at a home", error))
}
