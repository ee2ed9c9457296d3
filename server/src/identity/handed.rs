//! A pair that root has opened and hands over, because the server's own user may not read it.

use std::{
    env,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf, absolute},
};

use rustix::{
    fd::OwnedFd,
    fs::{FileType, fstat},
};

/// The maximum size of a certificate's or key's file.
const MOST: u64 = 1 << 20;

/// An opened certificate and its key, with their paths.
#[derive(Debug)]
pub struct Handed {
    /// The chain's path as the operator's program sees it, and the open file.
    pub certificate: (PathBuf, OwnedFd),
    /// The key's.
    pub key: (PathBuf, OwnedFd),
}

/// Reads all bytes of a file that was handed over.
pub(super) fn read(file: OwnedFd) -> io::Result<Vec<u8>> {
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    if kind != FileType::RegularFile {
        // Reading might never end.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::from(file).take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// Whether a file that was handed over is the one the configuration names. The service manager's copy of a
/// credential has the name of the original.
pub(super) fn is_same(ours: &Path, handed: &Path) -> bool {
    let credentials = env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
    let is_copy = credentials.is_some_and(|folder| ours.parent() == Some(Path::new(&folder)));
    match (absolute(ours), absolute(handed)) {
        _ if is_copy && ours.file_name() == handed.file_name() => true,
        (Ok(ours), Ok(handed)) => ours == handed,
        _ => false,
    }
}
