//! The data folder: the users that have files in it, and how their homes are opened.

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
    memory::Memory,
    staging::Manner,
    volume::Reserve,
};

/// The maximum length of a user's name in bytes.
const USER_MAX: usize = 64;
/// Flags for opening a folder that may be reached through symlinks.
const ABOVE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// The prefix of a removed user's folder until it is deleted; no user's name starts with it.
const REMOVED: &str = ".removed-";
/// How often to empty a folder that others still write to: sessions that are ending write little.
const REMOVALS: u32 = 100;

/// How far a commit goes before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Data and names are flushed to the disk.
    Full,
    /// Commits are atomic but not flushed: a power cut may lose the files that were acknowledged last.
    Rename,
}

/// The users in the data folder.
#[derive(Debug)]
pub struct Storage {
    /// `DATA/users`; the lock is on this handle too.
    users: OwnedFd,
    durability: Durability,
    /// Whether this process owns the folder: only the owner cleans up and creates files.
    owner: bool,
    /// The space that users leave free on the disk.
    pub(super) reserve: Arc<Reserve>,
    memory: Memory,
    homes: Mutex<HashMap<String, Weak<Inner>>>,
}

impl Storage {
    /// Opens the data folder, creating it if needed, and keeps other servers out while this value lives.
    ///
    /// # Errors
    /// `InUse` if another process has it open, or an error of the disk.
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
        let mut storage = Self::at(&users, durability, true)?.alone()?;
        storage.memory = Memory::open(data, &storage.users);
        storage.remove_leftovers()?;
        Ok(storage)
    }

    /// Keeps other servers out while this value lives.
    ///
    /// # Errors
    /// `InUse` if another process has it open, or an error of the disk.
    pub fn alone(self) -> Result<Self, StorageError> {
        match flock(&self.users, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(StorageError::InUse),
            Err(error) => Err(StorageError::own("lock the data folder", error)),
            Ok(()) => Ok(self),
        }
    }

    /// Opens the data folder for inspecting and counting, beside a server that may be running: nothing is locked,
    /// created or cleaned up.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn inspect(data: &Path) -> Result<Self, StorageError> {
        Self::at(&data.join("users"), Durability::Full, false)
    }

    fn at(users: &Path, durability: Durability, owner: bool) -> Result<Self, StorageError> {
        let users = openat(CWD, users, ABOVE, Mode::empty());
        let users = users.map_err(|error| StorageError::own("open the data folder", error))?;
        Ok(Self {
            users,
            durability,
            owner,
            reserve: Arc::default(),
            memory: Memory::default(),
            homes: Mutex::default(),
        })
    }

    /// Sets the number of bytes that users leave free on the disk from now on; `None` means the default share. The
    /// server's own files ignore it.
    pub fn keep_free(&self, bytes: Option<u64>) {
        self.reserve.set(bytes);
    }

    /// `DATA/users`.
    pub(super) fn users(&self) -> &OwnedFd {
        &self.users
    }

    /// A user's home. All callers share it while any of them holds it.
    ///
    /// # Errors
    /// `NoSuchUser` if it does not exist and `create` is not set, `Unsafe` if one of its folders is a symlink, or
    /// an error of the disk.
    pub fn home(&self, user: &str, create: bool) -> Result<Home, StorageError> {
        require_user_name(user)?;
        // Locked while a home is opened, so that staging is cleaned before anybody uses it.
        let mut homes = self.homes.lock();
        if let Some(inner) = homes.get(user).and_then(Weak::upgrade) {
            let home = Home::from_inner(inner);
            // After a user was removed with all files, an old holder of the home must not share it with new ones.
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
        let home = Home::new(user, Handles { folder, home, staging }, manner, self.memory.clone())?;
        homes.retain(|_, inner| inner.strong_count() > 0);
        homes.insert(user.to_owned(), Arc::downgrade(home.inner()));
        Ok(home)
    }

    /// The users that have files, in order.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn users_on_disk(&self) -> Result<Vec<String>, StorageError> {
        let mut users = self.names()?;
        users.retain(|name| require_user_name(name).is_ok());
        users.sort();
        Ok(users)
    }

    /// Whether anything exists under a user's name, of whatever kind.
    ///
    /// # Errors
    /// `NoSuchUser` for a name that no user can have, or an error of the disk.
    pub fn has_user(&self, user: &str) -> Result<bool, StorageError> {
        require_user_name(user)?;
        match statat(&self.users, user, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(StorageError::own("look for a user's files", error)),
        }
    }

    /// Removes all files of a user; returns whether there were any. End the user's sessions first.
    ///
    /// # Errors
    /// An error of the disk. The next start removes the rest.
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
                    // Other users can reach their files nevertheless; a later start removes this folder.
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
                // A session that is just ending has created its last file here, after all others were removed.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && tries > 0 => {}
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StorageError::own("remove a user's files", error));
                }
                _ => return Ok(()),
            }
        }
    }

    /// The names of the folders in the folder of all users. Names that are not UTF-8 belong to no user and are
    /// left out.
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

/// Checks for `[a-z0-9][a-z0-9._-]{0,63}`. The user's name was checked when the account was made; a path must be
/// checked here.
fn require_user_name(user: &str) -> Result<(), StorageError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut bytes = user.bytes();
    let good = bytes.next().is_some_and(plain) && bytes.all(|b| plain(b) || b"._-".contains(&b));
    if good && user.len() <= USER_MAX { Ok(()) } else { Err(StorageError::NoSuchUser) }
}

/// Opens one of a user's folders, never through a symlink; makes it (0700) if `create` is set.
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
