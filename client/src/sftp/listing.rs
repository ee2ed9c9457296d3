//! Lists one folder, without trust in what the server tells.

use bytes::Bytes;
use ferry_shared::{
    entry::{Entry, Kind},
    name::{Escaped, Name},
    refusal::Code,
    sftp::NameEntry,
};

use super::{
    calls::{self, Calls, Open},
    fault,
    place::{below, not_folder},
};
use crate::error::ClientError;

/// The most entries of a folder; a server that lists more is taken for one that never ends.
const MOST_ENTRIES: u64 = 4_000_000;
/// The most replies in a row without an entry.
const MOST_EMPTY: u32 = 100;

/// An open folder.
pub(super) struct Listing<'a> {
    calls: &'a Calls,
    path: Bytes,
    folder: Open,
    entries: u64,
    empty: u32,
}

/// Some entries of a folder.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) entries: Vec<Entry>,
    /// Names that are not possible, for display.
    pub(super) unusable: Vec<String>,
}

impl<'a> Listing<'a> {
    /// Opens a folder.
    ///
    /// # Errors
    /// It is not there, or is not a folder.
    pub(super) async fn open(calls: &'a Calls, path: Bytes) -> Result<Self, ClientError> {
        match calls.open_folder(path.clone()).await {
            Ok(folder) => Ok(Self { calls, path, folder, entries: 0, empty: 0 }),
            Err(error @ ClientError::Refused(_)) => {
                // Servers give one reason for a file in its place, and for nothing there.
                match calls.follow(path.clone()).await {
                    Ok(found) if calls::kind(&found) != Kind::Folder => Err(not_folder(&path)),
                    Ok(_) => Err(error),
                    Err(ClientError::Refused(_)) => Err(calls.why_missing(&path, error).await),
                    Err(lost) => Err(lost),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The next entries; `None` at the end.
    ///
    /// # Errors
    /// The connection was lost, or the server lists without end.
    pub(super) async fn next(&mut self) -> Result<Option<Entries>, ClientError> {
        let Some(names) = self.calls.read_folder(&self.folder).await? else { return Ok(None) };
        self.empty = if names.is_empty() { self.empty + 1 } else { 0 };
        self.entries = self.entries.saturating_add(names.len() as u64);
        if self.entries > MOST_ENTRIES || self.empty > MOST_EMPTY {
            let text = format!("{}: the server lists entries without end", Escaped(&self.path));
            return Err(ClientError::Protocol(text));
        }
        let mut some = Entries::default();
        for NameEntry { name, mut attributes, .. } in names {
            if matches!(&name[..], b"." | b"..") {
                continue;
            }
            let Ok(usable) = Name::new(&name[..]) else {
                some.unusable.push(Escaped(&name).to_string());
                continue;
            };
            if attributes.kind().is_none() {
                match self.calls.look_if_there(below(&self.path, &name)).await {
                    Ok(Some(found)) => attributes = found,
                    // It is gone.
                    Ok(None) => continue,
                    Err(ClientError::Refused(_)) => {}
                    Err(lost) => return Err(lost),
                }
            }
            some.entries.push(entry(usable, &attributes));
        }
        Ok(Some(some))
    }
}

/// An entry with these attributes.
pub(super) fn entry(name: Name, attributes: &ferry_shared::sftp::Attributes) -> Entry {
    let facts = calls::facts(attributes);
    Entry { name, kind: calls::kind(attributes), size: facts.size, mtime: facts.mtime, mode: calls::mode(attributes) }
}

impl Calls {
    /// Whether a folder has entries.
    pub(super) async fn has_entries(&self, path: &Bytes) -> Result<bool, ClientError> {
        let mut listing = Listing::open(self, path.clone()).await?;
        while let Some(some) = listing.next().await? {
            if !some.entries.is_empty() || !some.unusable.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes a file, a link or an empty folder.
    ///
    /// # Errors
    /// The server's refusal.
    pub(super) async fn remove(&self, path: &Bytes, kind: Kind) -> Result<(), ClientError> {
        if kind != Kind::Folder {
            return self.remove_file(path.clone()).await;
        }
        let removed = self.remove_folder(path.clone()).await;
        match removed {
            Err(error @ ClientError::Refused(_)) if !fault::is(&error, Code::NotFound) => {
                match self.has_entries(path).await {
                    Ok(true) => Err(fault::refused(Code::NotEmpty, format!("{} is not empty", Escaped(path)))),
                    _ => Err(error),
                }
            }
            removed => removed,
        }
    }
}
