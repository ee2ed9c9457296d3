//! Inspects homes beside a server that may be running, and finds those that are not as the server made them.

use std::{io::ErrorKind, path::Path};

use rustix::fs::fstat;

use super::{Storage, StorageError, root::private_folder};

/// The state of a user's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HomeStatus {
    /// The home is in order.
    Home,
    /// There are no files: the user has never logged in, or the files have been moved away.
    Nothing,
    /// Something is not as the server made it; a description for people.
    Fault(String),
}

/// Inspects the home of each of `users`, in their order; empty if no server has ever run.
///
/// # Errors
/// An error of the disk.
pub(crate) fn inspect_homes(data: &Path, users: &[&str]) -> Result<Vec<HomeStatus>, StorageError> {
    let storage = match Storage::inspect(data) {
        Err(StorageError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    users.iter().map(|user| storage.status_of(user)).collect()
}

impl Storage {
    fn status_of(&self, user: &str) -> Result<HomeStatus, StorageError> {
        let folder = match private_folder(self.users(), user, user, false) {
            Err(StorageError::NoSuchUser) => return Ok(HomeStatus::Nothing),
            Err(StorageError::Unsafe(fault)) => return Ok(HomeStatus::Fault(fault)),
            opened => opened?,
        };
        for name in ["home", "staging"] {
            match private_folder(&folder, name, user, false) {
                Ok(_) => {}
                Err(StorageError::NoSuchUser) if name == "home" => {
                    let fault = format!("the home of user {user} is missing; the server would begin an empty one");
                    return Ok(HomeStatus::Fault(fault));
                }
                // It is made again when it is needed.
                Err(StorageError::NoSuchUser) => {}
                Err(StorageError::Unsafe(fault)) => return Ok(HomeStatus::Fault(fault)),
                Err(error) => return Err(error),
            }
        }
        let mode = fstat(&folder).map_err(|error| StorageError::own("look at a home", error))?.st_mode & 0o777;
        if mode & 0o007 != 0 {
            return Ok(HomeStatus::Fault(format!("others may look into the folder of user {user} (mode {mode:o})")));
        }
        Ok(HomeStatus::Home)
    }
}
