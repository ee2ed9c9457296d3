//! What can be told of a user's files without opening the home: maintenance looks so at those who are away.

use ferry_shared::entry::Mtime;
use rustix::fd::AsFd;

use super::{
    Home, Storage, StorageError, durable, ledger_file, listing::Stream, metadata::Metadata, root::private_folder,
};

/// What was seen of a home that is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    /// The ledger's bytes, left where they are.
    pub ledger: Option<Vec<u8>>,
    /// The home's stamp, as [`Home::stamp`] gives it.
    pub home: String,
    /// When the staged part that changed longest ago did so; `None` without parts.
    pub oldest_part: Option<Mtime>,
}

impl Storage {
    /// Looks at what there is of `user`; `None` when there is no home. Opens and changes nothing.
    ///
    /// # Errors
    /// `Unsafe` when a folder is a symlink, or the disk's.
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

    /// Whether an open home still is the one under its user's name: not after all of the user's files were
    /// removed.
    ///
    /// # Errors
    /// The disk's.
    pub fn is_in_place(&self, home: &Home) -> Result<bool, StorageError> {
        let own = |error| StorageError::own("look at a home", error);
        let there = Metadata::if_there(self.users(), home.user().as_ref()).map_err(own)?;
        let open = Metadata::of(home.user_folder()).map_err(own)?;
        Ok(there.is_some_and(|there| there.id == open.id))
    }

    /// Bytes free to users on the disk of the homes.
    ///
    /// # Errors
    /// The disk's.
    pub fn volume_free(&self) -> Result<u64, StorageError> {
        self.reserve.free(self.users())
    }
}

impl Home {
    /// Tells this home from every other one, restored copies of it included, and changes when a name directly in
    /// it does.
    ///
    /// # Errors
    /// The disk's.
    pub fn stamp(&self) -> Result<String, StorageError> {
        stamp(self.dir())
    }
}

fn stamp(home: impl AsFd) -> Result<String, StorageError> {
    Metadata::of(home).map(|metadata| metadata.stamp()).map_err(|error| StorageError::own("look at a home", error))
}
