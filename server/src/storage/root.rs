//! The data folder: which users have files there, and the way to each one's home.

use std::{
    collections::HashMap,
    fs,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::{Arc, Weak},
};

use ferry_shared::path::RemotePath;
use parking_lot::Mutex;
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, openat, statat},
    io::Errno,
};

use super::{
    FOLDER, Home, StorageError, disk, flush,
    home::{Handles, Inner},
    listing::Stream,
    staging::Manner,
    volume::Reserve,
};

/// Bytes in a user's name.
const USER_MAX: usize = 64;
/// How a folder is opened that may be reached through links.
const ABOVE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// What a removed user's folder is called until it is gone; no user's name begins so.
const REMOVED: &str = ".removed-";
/// How often a folder is emptied that others still write to: sessions that are ending write little.
const REMOVALS: u32 = 100;

/// How far a commit goes before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Data and names are flushed to the disk.
    Full,
    /// Atomic but not flushed: a power cut may lose what was acknowledged last.
    Rename,
}

/// The data folder's users.
#[derive(Debug)]
pub struct Storage {
    /// `DATA/users`; also carries the lock.
    users: OwnedFd,
    durability: Durability,
    /// Only the process that owns the folder cleans up and makes things.
    owner: bool,
    /// What users leave free of the disk.
    pub(super) reserve: Arc<Reserve>,
    homes: Mutex<HashMap<String, Weak<Inner>>>,
}

impl Storage {
    /// Opens, and where needed makes, the data folder, and keeps other servers out while
    /// this value lives.
    ///
    /// # Errors
    /// `InUse` when another process has it open, or the disk's.
    pub fn open(data: &Path, durability: Durability) -> Result<Self, StorageError> {
        let users = data.join("users");
        let make = || {
            if !users.exists() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&users)?;
                let (folder, made) =
                    (openat(CWD, data, ABOVE, Mode::empty())?, openat(CWD, &users, ABOVE, Mode::empty())?);
                disk::give(made, folder);
            }
            Ok(())
        };
        make().map_err(|error: std::io::Error| StorageError::own("make the data folder", error))?;
        let storage = Self::at(&users, durability, true)?.alone()?;
        storage.remove_leftovers()?;
        Ok(storage)
    }

    /// Keeps other servers out while this value lives.
    ///
    /// # Errors
    /// `InUse` when another process has it open, or the disk's.
    pub fn alone(self) -> Result<Self, StorageError> {
        match flock(&self.users, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(StorageError::InUse),
            Err(error) => Err(StorageError::own("lock the data folder", error)),
            Ok(()) => Ok(self),
        }
    }

    /// Opens the data folder beside a server that may be running, to look and count:
    /// nothing is locked, made or cleaned up.
    ///
    /// # Errors
    /// The disk's.
    pub fn inspect(data: &Path) -> Result<Self, StorageError> {
        Self::at(&data.join("users"), Durability::Full, false)
    }

    fn at(users: &Path, durability: Durability, owner: bool) -> Result<Self, StorageError> {
        let users = openat(CWD, users, ABOVE, Mode::empty());
        let users = users.map_err(|error| StorageError::own("open the data folder", error))?;
        Ok(Self { users, durability, owner, reserve: Arc::default(), homes: Mutex::default() })
    }

    /// Has users leave so many bytes of the disk free from now on; a share of it, if `None`. The server's own files
    /// are written all the same.
    pub fn keep_free(&self, bytes: Option<u64>) {
        self.reserve.set(bytes);
    }

    /// `DATA/users`.
    pub(super) fn users(&self) -> &OwnedFd {
        &self.users
    }

    /// A user's home. All callers share one while any of them holds it.
    ///
    /// # Errors
    /// `NoSuchUser` when it is not there and not to be made, `Unsafe` when one of its
    /// folders is a symlink, or the disk's.
    pub fn home(&self, user: &str, create: bool) -> Result<Home, StorageError> {
        require_user_name(user)?;
        // Held while opening, so that staging is cleaned before anyone uses it.
        let mut homes = self.homes.lock();
        if let Some(inner) = homes.get(user).and_then(Weak::upgrade) {
            let home = Home::from_inner(inner);
            // Who still holds the home of a user that was removed with all files holds it alone.
            if self.is_in_place(&home)? {
                return Ok(home);
            }
        }
        let create = create && self.owner;
        let folder = private_folder(&self.users, user, user, create)?;
        let home = private_folder(&folder, "home", user, create)?;
        let staging = private_folder(&folder, "staging", user, create || self.owner)?;
        let (durability, reserve) = (self.durability, Arc::clone(&self.reserve));
        let manner = Manner { durability, clean: self.owner, reserve };
        let home = Home::new(user, Handles { folder, home, staging }, manner)?;
        homes.retain(|_, inner| inner.strong_count() > 0);
        homes.insert(user.to_owned(), Arc::downgrade(home.inner()));
        Ok(home)
    }

    /// The users that have files, in order.
    ///
    /// # Errors
    /// The disk's.
    pub fn users_on_disk(&self) -> Result<Vec<String>, StorageError> {
        let mut users = self.names()?;
        users.retain(|name| require_user_name(name).is_ok());
        users.sort();
        Ok(users)
    }

    /// Whether anything is there under a user's name, of whatever kind.
    ///
    /// # Errors
    /// `NoSuchUser` for a name no user can have, or the disk's.
    pub fn has_user(&self, user: &str) -> Result<bool, StorageError> {
        require_user_name(user)?;
        match statat(&self.users, user, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(StorageError::own("look for a user's files", error)),
        }
    }

    /// Removes all of a user's files; whether there were any. End the user's sessions first.
    ///
    /// # Errors
    /// The disk's. What is not gone by then is removed at the next start.
    pub fn remove_user(&self, user: &str) -> Result<bool, StorageError> {
        require_user_name(user)?;
        let removed = format!("{REMOVED}{user}");
        self.remove_tree(&removed)?;
        match disk::rename(&self.users, user, &self.users, &removed) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(StorageError::own("remove a user's files", error)),
        }
        self.homes.lock().remove(user);
        self.remove_tree(&removed)?;
        Ok(true)
    }

    fn remove_leftovers(&self) -> Result<(), StorageError> {
        for name in self.names()? {
            if name.starts_with(REMOVED) {
                match self.remove_tree(&name) {
                    // Users get at their files all the same; it goes at a later start.
                    Err(error @ StorageError::Disk { .. }) => tracing::warn!(%error, name, "not removed yet"),
                    removed => removed?,
                }
            }
        }
        Ok(())
    }

    fn remove_tree(&self, name: &str) -> Result<(), StorageError> {
        let users = self.users.try_clone().map_err(|error| StorageError::own("open the data folder", error))?;
        let users = cap_std::fs::Dir::from_std_file(users.into());
        let mut tries = REMOVALS;
        loop {
            tries -= 1;
            match users.remove_dir_all(name) {
                // A session that is just ending has put its last file there, after all others were gone.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && tries > 0 => {}
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StorageError::own("remove a user's files", error));
                }
                _ => return Ok(()),
            }
        }
    }

    /// The names in the folder; those that are not UTF-8 are nobody's and left out.
    fn names(&self) -> Result<Vec<String>, StorageError> {
        let own = |error: Errno| StorageError::own("read the data folder", error);
        let users = openat(&self.users, c".", FOLDER, Mode::empty()).map_err(own)?;
        let mut names = Vec::new();
        for found in Stream::new(users, RemotePath::home())? {
            let (name, metadata) = found?;
            if let (true, Ok(name)) = (metadata.is_folder(), name.into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// `[a-z0-9][a-z0-9._-]{0,63}`: whoever made the user has checked it, a path needs it checked here.
fn require_user_name(user: &str) -> Result<(), StorageError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut bytes = user.bytes();
    let good = bytes.next().is_some_and(plain) && bytes.all(|b| plain(b) || b"._-".contains(&b));
    if good && user.len() <= USER_MAX { Ok(()) } else { Err(StorageError::NoSuchUser) }
}

/// Opens one of a user's folders, never through a link; makes it (0700) if it is to be.
pub(super) fn private_folder(above: &OwnedFd, name: &str, user: &str, create: bool) -> Result<OwnedFd, StorageError> {
    let mut is_new = false;
    if create {
        match disk::make_folder(above, name, Mode::RWXU) {
            Ok(()) => {
                flush::folder(above).map_err(|error| StorageError::own("make a home", error))?;
                is_new = true;
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(StorageError::own("make a home", error).making(above)),
        }
    }
    match openat(above, name, FOLDER, Mode::empty()) {
        Ok(folder) => {
            if is_new {
                disk::give(&folder, above);
            }
            Ok(folder)
        }
        Err(Errno::NOENT) => Err(StorageError::NoSuchUser),
        Err(Errno::LOOP | Errno::NOTDIR) => {
            Err(StorageError::Unsafe(format!("{name} of user {user} is not a folder (a symlink?); refusing to use it")))
        }
        Err(error) => Err(StorageError::own("open a home", error)),
    }
}
