//! Paths on the server, and what stands on the way to them.

use bytes::Bytes;
use ferry_shared::{entry::Kind, name::Escaped, path::RemotePath, refusal::Code};

use super::{
    calls::{self, Calls},
    fault,
};
use crate::{
    error::ClientError,
    site::{Location, Reach, SitePath},
};

/// The first name of a path below the user's home; all other paths begin at the server's topmost folder.
pub const HOME: &[u8] = b"~";

/// How often a folder is made again after the one above it turned up.
const MOST_AGAIN: u32 = 3;
/// The most folders that are remembered as real ones.
const MOST_CHECKED: usize = 100_000;

impl Calls {
    /// The path of `path` on the wire.
    pub(super) fn wire(&self, path: &RemotePath) -> Bytes {
        let mut wire = Vec::with_capacity(path.as_bytes().len() + self.home.len() + 1);
        let mut names = path.names().peekable();
        if names.next_if_eq(&HOME).is_some() {
            wire.extend_from_slice(self.home.strip_suffix(b"/").unwrap_or(&self.home));
        }
        for name in names {
            wire.push(b'/');
            wire.extend_from_slice(name);
        }
        if wire.is_empty() {
            wire.push(b'/');
        }
        wire.into()
    }

    /// The path of a location. Below the root of a target no link is followed.
    ///
    /// # Errors
    /// The location is not on a server, or a link or a file is in the way.
    pub(super) async fn place(&self, at: &Location) -> Result<Bytes, ClientError> {
        let path = match at.path() {
            Ok(SitePath::Remote(path)) => path,
            Ok(SitePath::Local(_)) => return Err(fault::bad_path("it is a path on this computer")),
            Err(error) => return Err(fault::bad_path(&error.to_string())),
        };
        if at.reach() == Reach::Contained
            && let Some(root) = at.root().path().remote()
        {
            let mut folder = root.clone();
            let names = at.below().depth().saturating_sub(1);
            for name in at.below().names().take(names) {
                let below = RemotePath::from_wire(name).and_then(|name| folder.join_path(&name));
                folder = below.map_err(|error| fault::bad_path(&error.to_string()))?;
                if !self.is_real(&folder).await? {
                    break;
                }
            }
        }
        Ok(self.wire(&path))
    }

    /// Whether a folder is there; a link or a file instead is an error.
    async fn is_real(&self, folder: &RemotePath) -> Result<bool, ClientError> {
        if self.checked.lock().contains(folder) {
            return Ok(true);
        }
        match self.look_if_there(self.wire(folder)).await? {
            None => Ok(false),
            Some(found) if calls::kind(&found) == Kind::Folder => {
                let mut checked = self.checked.lock();
                if checked.len() >= MOST_CHECKED {
                    checked.clear();
                }
                checked.insert(folder.clone());
                Ok(true)
            }
            Some(_) => Err(not_folder(folder.as_bytes())),
        }
    }

    /// A better reason why nothing was found at `path`: OpenSSH gives the same one if a file is on the way.
    pub(super) async fn why_missing(&self, path: &Bytes, error: ClientError) -> ClientError {
        if !fault::is(&error, Code::NotFound) {
            return error;
        }
        let mut above = parent(path);
        while let Some(folder) = above {
            match self.follow(folder.clone()).await {
                Ok(found) if calls::kind(&found) == Kind::Folder => return error,
                Ok(_) => return not_folder(&folder),
                Err(missing) if fault::is(&missing, Code::NotFound) => above = parent(&folder),
                Err(_) => return error,
            }
        }
        error
    }

    /// Makes a folder, and with `parents` those above it; returns whether it is new. `mode` is for the folder alone.
    pub(super) async fn make(&self, path: &Bytes, parents: bool, mode: Option<u32>) -> Result<bool, ClientError> {
        let mut missing = vec![path.clone()];
        let (mut made, mut again) = (false, 0);
        while let Some(folder) = missing.last() {
            let mode = mode.filter(|_| missing.len() == 1);
            let error = match self.make_folder(folder.clone(), mode).await {
                Ok(()) => {
                    made = missing.len() == 1;
                    missing.pop();
                    continue;
                }
                Err(error) => error,
            };
            let found = match self.follow(folder.clone()).await {
                Ok(found) => Some(found),
                Err(missing) if fault::is(&missing, Code::NotFound) => None,
                Err(_) => return Err(error),
            };
            match (found, parent(folder)) {
                (Some(found), _) if calls::kind(&found) == Kind::Folder => drop(missing.pop()),
                (Some(_), _) => return Err(not_folder(folder)),
                (None, Some(above)) if parents && missing.len() < 1000 && fault::is(&error, Code::NotFound) => {
                    match self.look_if_there(above.clone()).await? {
                        // Somebody has made the folder above meanwhile, or this one is refused for another reason.
                        Some(found) if calls::kind(&found) == Kind::Folder && again >= MOST_AGAIN => return Err(error),
                        Some(found) if calls::kind(&found) == Kind::Folder => again += 1,
                        _ => missing.push(above),
                    }
                }
                _ => return Err(self.why_missing(folder, error).await),
            }
        }
        Ok(made)
    }
}

/// The folder that `path` is in; `None` at the top.
pub(super) fn parent(path: &Bytes) -> Option<Bytes> {
    let cut = path.iter().rposition(|byte| *byte == b'/')?;
    match cut {
        0 if path.len() <= 1 => None,
        0 => Some(path.slice(..1)),
        cut => Some(path.slice(..cut)),
    }
}

/// The path of `name` beside `path`.
pub(super) fn beside(path: &Bytes, name: &[u8]) -> Bytes {
    let folder = path.iter().rposition(|byte| *byte == b'/').map_or(0, |cut| cut + 1);
    [&path[..folder], name].concat().into()
}

/// The path of `name` in the folder `path`.
pub(super) fn below(path: &Bytes, name: &[u8]) -> Bytes {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    [path, b"/", name].concat().into()
}

pub(super) fn not_folder(path: &[u8]) -> ClientError {
    fault::refused(Code::NotDirectory, format!("{} is not a folder", Escaped(path)))
}
