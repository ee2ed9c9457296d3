//! Lets only one run of the same sync work at a time.

use std::fs::{self, File, TryLockError};

use ferry_client::sync::Ends;
use ferry_shared::digest::Digest;

use crate::{context::Context, exit::Looking, failure::Failure};

/// The folder of the lock files.
const FOLDER: &str = "locks";

/// A held lock. The system releases it when the program ends, however it ends.
pub(in crate::cli) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the sync between `ends`.
    ///
    /// # Errors
    /// [`Failure::Locked`] if another run holds it.
    pub(in crate::cli) fn take(ends: &Ends, context: &Context) -> Result<Self, Failure> {
        let text = |path: &ferry_client::SitePath| match path.local() {
            Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string(),
            None => path.to_string(),
        };
        let name = [ends.from.name(), text(&ends.source), ends.to.name(), text(&ends.target)].join("\n");
        let folder = context.home.state().join(FOLDER);
        let path = folder.join(Digest::of(name.as_bytes()).to_string().replace(':', "-"));
        let failed = |error| Failure::local(&path, Looking::File, error);
        fs::create_dir_all(&folder).map_err(failed)?;
        // The file stays: if it were removed, two runs could hold locks of two files of the same name.
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::Locked("another run of this sync is at work; try again later".to_owned()))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
