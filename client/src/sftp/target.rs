//! The target of an upload: what stands there, and how the new file takes its place.

use bytes::Bytes;
use ferry_shared::{
    entry::Kind,
    name::Escaped,
    refusal::Code,
    sftp::{Attributes, OpenFlags, Owner},
};

use super::{
    calls::{self, Calls, Open},
    fault,
    place::{beside, parent},
};
use crate::{
    error::ClientError,
    site::{Opened, Over, Put},
};

/// The permission bits that a file keeps when it is replaced.
const KEPT_MODE: u32 = 0o7777;
/// The permission bits of a part, at most.
const PART_MODE: u32 = 0o700;

/// The target of an upload.
pub(super) struct Target {
    /// Where the file goes: the target of a link, if there is a link.
    pub(super) path: Bytes,
    over: Over,
    /// The file that is replaced.
    old: Option<Old>,
    /// The attributes of the new file, apart from its size.
    attributes: Attributes,
}

struct Old {
    mode: Option<u32>,
    owner: Option<Owner>,
}

/// A file that is written before it gets its name, and is removed when this is dropped.
pub(super) struct Hidden {
    calls: Calls,
    pub(super) path: Bytes,
    /// Whether the file is to stay.
    pub(super) keep: bool,
}

impl Hidden {
    pub(super) fn new(calls: &Calls, path: Bytes) -> Self {
        Self { calls: calls.clone(), path, keep: false }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let path = self.path.clone();
        match self.calls.link.is_closed() {
            true => self.calls.orphans.add(path),
            false => self.calls.link.post(ferry_shared::sftp::Request::Remove { path }),
        }
    }
}

/// The file that is written to.
pub(super) enum Writing {
    /// A part, which gets the name at the end.
    Part(Hidden, Open),
    /// The old file itself.
    InPlace(Open),
}

impl Writing {
    pub(super) fn file(&self) -> &Open {
        match self {
            Self::Part(_, file) | Self::InPlace(file) => file,
        }
    }
}

impl Target {
    /// Looks at the target.
    ///
    /// # Errors
    /// Something is there that is not to be replaced.
    pub(super) async fn find(calls: &Calls, put: &Put, opened: &Opened) -> Result<Self, ClientError> {
        let mut path = calls.place(&put.at).await?;
        let mut found = calls.look_if_there(path.clone()).await?;
        if found.as_ref().is_some_and(|found| calls::kind(found) == Kind::Symlink) {
            match calls.follow(path.clone()).await {
                Ok(target) => {
                    path = calls.real_path(path).await?;
                    found = Some(target);
                }
                Err(error) if fault::is(&error, Code::NotFound) => {
                    let text = format!("{} is a link that leads nowhere", Escaped(&path));
                    return Err(fault::refused(Code::Exists, text));
                }
                Err(error) => return Err(error),
            }
        }
        let old = match found {
            None => None,
            Some(found) if matches!(put.over, Over::Nothing) || calls::kind(&found) != Kind::File => {
                return Err(exists(&path));
            }
            Some(found) => Some(Old { mode: found.permissions.map(|mode| mode & KEPT_MODE), owner: found.owner }),
        };
        let kept = old.as_ref().and_then(|old| old.mode);
        let mut attributes = put.mtime_for(opened.mtime).map(calls::dated).unwrap_or_default();
        attributes.permissions = kept.or_else(|| put.mode_for(opened.mode));
        Ok(Self { path, over: put.over.clone(), old, attributes })
    }

    /// As [`Self::begin`], where the rest of an earlier part of this user may have the name: it is of no use, and is removed
    /// if the new part is refused. It is not removed before, because a server that stores files when they are closed may
    /// have stored it a moment ago.
    ///
    /// # Errors
    /// The server's refusal.
    pub(super) async fn begin_anew(&self, calls: &Calls, put: &Put, part: Bytes) -> Result<Writing, ClientError> {
        match self.begin(calls, put, part.clone()).await {
            Err(ClientError::Refused(_)) if calls.remove_file(part.clone()).await.is_ok() => {
                self.begin(calls, put, part).await
            }
            begun => begun,
        }
    }

    /// Creates a part under a name that nobody else has, or opens the old file where a part would change its owner.
    ///
    /// # Errors
    /// The server's refusal.
    pub(super) async fn begin(&self, calls: &Calls, put: &Put, part: Bytes) -> Result<Writing, ClientError> {
        // First, because the answer may be lost.
        let mut hidden = Hidden::new(calls, part.clone());
        let created = match self.create(calls, &part).await {
            Err(error) if fault::is(&error, Code::NotFound) && put.parents => match parent(&self.path) {
                Some(folder) => {
                    calls.make(&folder, true, None).await?;
                    self.create(calls, &part).await
                }
                None => Err(error),
            },
            created => created,
        };
        hidden.keep = matches!(created, Err(ClientError::Refused(_)));
        let file = match created {
            Ok(file) => file,
            Err(error) if fault::is(&error, Code::NotAllowed) && self.old.is_some() => {
                return self.in_place(calls).await;
            }
            Err(error) => return Err(calls.why_missing(&self.path, error).await),
        };
        if let Some(old) = &self.old {
            let new = calls.look_at(&file).await?;
            if !calls::is_same_owner(old.owner, new.owner) {
                drop((file, hidden));
                return self.in_place(calls).await;
            }
        }
        Ok(Writing::Part(hidden, file))
    }

    async fn create(&self, calls: &Calls, part: &Bytes) -> Result<Open, ClientError> {
        let flags = OpenFlags(OpenFlags::WRITE.0 | OpenFlags::CREATE.0 | OpenFlags::EXCLUSIVE.0);
        let mode = self.attributes.permissions.map(|mode| mode & PART_MODE | 0o600);
        calls.open(part.clone(), flags, mode).await
    }

    async fn in_place(&self, calls: &Calls) -> Result<Writing, ClientError> {
        let flags = OpenFlags(OpenFlags::WRITE.0 | OpenFlags::TRUNCATE.0);
        calls.open(self.path.clone(), flags, None).await.map(Writing::InPlace)
    }

    /// Sets attributes, makes the content durable and closes the file, whose size must be `size`.
    ///
    /// # Errors
    /// The server's refusal, or it has another number of bytes.
    pub(super) async fn complete(
        &self,
        calls: &Calls,
        writing: Writing,
        size: u64,
    ) -> Result<Option<Hidden>, ClientError> {
        let (hidden, file) = match writing {
            Writing::Part(hidden, file) => (Some(hidden), file),
            Writing::InPlace(file) => (None, file),
        };
        // A file that keeps its place keeps its mode.
        let permissions = self.attributes.permissions.filter(|_| hidden.is_some());
        let attributes = Attributes { permissions, ..self.attributes.clone() };
        let set = match attributes != Attributes::default() {
            true => Some(calls.set_open(&file, attributes).await?),
            false => None,
        };
        let flushed = calls.flush(&file).await?;
        let found = calls.look_at(&file).await?;
        for answer in [set, flushed].into_iter().flatten() {
            calls::succeeded(answer).await?;
        }
        calls.close(file).await?;
        match found.size {
            Some(found) if found != size => {
                Err(fault::refused(Code::Mismatch, format!("the server has {found} bytes of {size}")))
            }
            _ => Ok(hidden),
        }
    }

    /// Gives a complete part its name.
    ///
    /// # Errors
    /// Something else is there meanwhile, or the server's refusal.
    pub(super) async fn publish(&self, calls: &Calls, mut hidden: Hidden) -> Result<(), ClientError> {
        let part = hidden.path.clone();
        let there = match calls.look_if_there(self.path.clone()).await? {
            Some(found) if calls::kind(&found) != Kind::File || matches!(self.over, Over::Nothing) => {
                return Err(exists(&self.path));
            }
            there => there.is_some(),
        };
        if !there {
            return match calls.rename(part, self.path.clone()).await {
                Ok(()) => {
                    hidden.keep = true;
                    Ok(())
                }
                // Somebody was faster.
                Err(ClientError::Refused(_)) if calls.look_if_there(self.path.clone()).await?.is_some() => {
                    Err(exists(&self.path))
                }
                Err(error) => Err(error),
            };
        }
        rename_over(calls, part, self.path.clone()).await?;
        hidden.keep = true;
        Ok(())
    }
}

/// Renames `from` to the place of what is at `to`. Where the server cannot do so at once, there is nothing for a moment.
///
/// # Errors
/// The server's refusal; the old entry is then back in its place, if the server lets it.
pub(super) async fn rename_over(calls: &Calls, from: Bytes, to: Bytes) -> Result<(), ClientError> {
    if calls.facts.posix_rename {
        return calls.replace(from, to).await;
    }
    let aside = hidden_beside(&to, "old");
    calls.rename(to.clone(), aside.clone()).await?;
    if let Err(error) = calls.rename(from, to.clone()).await {
        // The error that counts is the first one.
        drop(calls.rename(aside, to).await);
        return Err(error);
    }
    calls.remove_file(aside).await
}

/// The error for a place that is taken.
pub(super) fn exists(path: &[u8]) -> ClientError {
    fault::refused(Code::Exists, format!("{} is there already", Escaped(path)))
}

/// A new hidden name beside `path`.
pub(super) fn hidden_beside(path: &Bytes, what: &str) -> Bytes {
    beside(path, format!(".ferry-{:016x}.{what}", fastrand::u64(..)).as_bytes())
}
