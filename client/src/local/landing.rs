//! The targets of a job. The parent folder of the target is kept open and each name below it is resolved by itself, so
//! that no symbolic link at or below the target is followed.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use ferry_shared::{name::Name, path::RemotePath};

use super::{flush, folder::Folder, part::Part};
use crate::{
    os_name::local_name,
    site::{Location, Root, SitePath},
};

/// The maximum number of open folders.
const OPEN_FOLDERS: usize = 8;
/// The permission bits of a folder until its own are set.
const PRIVATE: u32 = 0o700;

/// The target of a job, kept open as long as the job runs.
#[derive(Debug)]
pub(super) struct Landing {
    /// The parent folder of the target, whose path may contain links; or the target itself, if its path has no last
    /// name.
    base: Arc<Folder>,
    /// The name of the target.
    top: Option<OsString>,
    /// Whether folders were created. Their names must become durable with those of the files in them.
    made_folders: AtomicBool,
}

/// The missing parent folders to create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Create {
    /// None.
    None,
    /// All of them.
    All {
        /// Only the owner has access until the permission bits are set.
        private: bool,
    },
}

/// A target ready for use.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) landing: Arc<Landing>,
    /// Its parent folder.
    pub(super) folder: Arc<Folder>,
    /// Its name; `None` if the target is the folder itself.
    pub(super) name: Option<OsString>,
}

impl Landing {
    /// Returns the landing of a root and opens it on first use.
    pub(super) fn of(root: &Root, create: Create) -> io::Result<Arc<Self>> {
        root.kept(|| Self::open(root.path(), create))
    }

    fn open(path: &SitePath, create: Create) -> io::Result<Self> {
        let path = path.local().ok_or_else(|| unusable("it is not a path of this computer"))?;
        let (above, top) = match path.file_name() {
            Some(name) => (path.parent().unwrap_or(Path::new("")), Some(name.to_owned())),
            None => (path, None),
        };
        let (base, made) = match Folder::open(above) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create != Create::None => {
                std::fs::create_dir_all(above)?;
                (Folder::open(above)?, true)
            }
            base => (base?, false),
        };
        Ok(Self { base: Arc::new(base), top, made_folders: AtomicBool::new(made) })
    }

    /// Whether folders were created for it.
    pub(super) fn has_made_folders(&self) -> bool {
        self.made_folders.load(Relaxed)
    }

    /// Returns the names on the path from the base to `below` the target.
    fn names(&self, below: &RemotePath) -> io::Result<Vec<OsString>> {
        let below = below.names().map(|name| {
            let name = Name::new(name).map_err(unusable)?;
            local_name(&name).map_err(unusable)
        });
        self.top.clone().map(Ok).into_iter().chain(below).collect()
    }

    /// Opens the folder `name`, and creates it first if `create` says so.
    pub(super) fn enter(&self, folder: &Folder, name: &OsStr, create: Create) -> io::Result<Option<Arc<Folder>>> {
        let next = match (folder.enter(name, false)?, create) {
            (Some(next), _) => next,
            (None, Create::All { private }) => folder.make(name, private.then_some(PRIVATE))?,
            (None, Create::None) => return Ok(None),
        };
        self.made_folders.fetch_or(next.is_fresh(), Relaxed);
        Ok(Some(Arc::new(next)))
    }

    /// Returns the base and the existing folders on the path to `below`, without its last name.
    fn chain(&self, below: &RemotePath) -> io::Result<Vec<Arc<Folder>>> {
        let mut names = self.names(below)?;
        names.pop();
        let mut chain = vec![Arc::clone(&self.base)];
        for name in names {
            match chain.last().and_then(|folder| self.enter(folder, &name, Create::None).transpose()) {
                Some(next) => chain.push(next?),
                None => break,
            }
        }
        Ok(chain)
    }

    /// Makes the name of a published part durable, and those of all its parent folders if folders were created.
    pub(super) fn sync_names(&self, below: &RemotePath, part: &Part) -> io::Result<()> {
        if !self.has_made_folders() {
            return part.folder().sync();
        }
        if flush::file_system(&part.file)? {
            return Ok(());
        }
        self.chain(below)?.iter().rev().try_for_each(|folder| folder.sync())
    }
}

/// Resolves locations and keeps a few of their folders open.
#[derive(Debug, Default)]
pub(super) struct Targets {
    open: Vec<(Arc<Root>, RemotePath, Arc<Folder>)>,
}

impl Targets {
    /// Returns the target at a location; `None` if a parent folder is missing and must not be created.
    pub(super) fn find(&mut self, at: &Location, create: Create) -> io::Result<Option<Target>> {
        let landing = match Landing::of(at.root(), create) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create == Create::None => return Ok(None),
            landing => landing?,
        };
        let mut names = landing.names(at.below())?;
        let Some(name) = names.pop() else {
            return Ok(Some(Target { folder: Arc::clone(&landing.base), landing, name: None }));
        };
        let Some(parent) = at.below().parent() else {
            return Ok(Some(Target { folder: Arc::clone(&landing.base), landing, name: Some(name) }));
        };
        let known = self.open.iter().find(|(root, under, _)| Arc::ptr_eq(root, at.root()) && *under == parent);
        let folder = match known {
            Some((.., folder)) => Arc::clone(folder),
            None => {
                let mut folder = Arc::clone(&landing.base);
                for name in names {
                    match landing.enter(&folder, &name, create)? {
                        Some(next) => folder = next,
                        None => return Ok(None),
                    }
                }
                if self.open.len() >= OPEN_FOLDERS {
                    self.open.remove(0);
                }
                self.open.push((Arc::clone(at.root()), parent, Arc::clone(&folder)));
                folder
            }
        };
        Ok(Some(Target { landing, folder, name: Some(name) }))
    }

    /// Returns the target at a location. It is an error if a parent folder is missing and must not be created.
    pub(super) fn get(&mut self, at: &Location, create: Create) -> io::Result<Target> {
        self.find(at, create)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Returns the folder at a location; `None` if it is missing and must not be created.
    pub(super) fn folder(&mut self, at: &Location, create: Create) -> io::Result<Option<Arc<Folder>>> {
        match self.find(at, create)? {
            Some(Target { landing, folder, name: Some(name) }) => landing.enter(&folder, &name, create),
            Some(Target { folder, name: None, .. }) => Ok(Some(folder)),
            None => Ok(None),
        }
    }
}

impl Target {
    /// Its name.
    ///
    /// # Errors
    /// The target is a folder without a name, such as `.`.
    pub(super) fn name(&self) -> io::Result<&OsStr> {
        self.name.as_deref().ok_or_else(|| io::Error::new(io::ErrorKind::IsADirectory, "it names a folder"))
    }
}

fn unusable(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.to_string())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::site::Reach;

    const ALL: Create = Create::All { private: false };

    fn at(root: &Path, below: &str) -> Location {
        let below = RemotePath::from_wire(below.as_bytes()).unwrap();
        Location::new(&Root::new(root.into()), below, Reach::Contained)
    }

    #[test]
    fn links_lead_to_the_folder_above_the_target_and_none_from_there_on_is_followed() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path(), dir.path().join("link")).unwrap();
        let mut targets = Targets::default();
        // A link above the target is followed.
        assert!(targets.folder(&at(&dir.path().join("link/top"), ""), ALL).unwrap().is_some());
        assert!(outside.path().join("top").is_dir());
        // A link at or below the target may have been planted.
        assert!(targets.folder(&at(&dir.path().join("link"), ""), ALL).is_err());
        assert!(targets.get(&at(&dir.path().join("link"), "x"), ALL).is_err());
        assert!(targets.get(&at(dir.path(), "link/x"), ALL).is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_without_a_last_name_is_opened_itself() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        let mut targets = Targets::default();
        let root = dir.path().join("sub/..");
        let target = targets.get(&at(&root, ""), Create::None).unwrap();
        assert!(target.name().is_err() && target.folder.look("sub".as_ref()).unwrap().is_some());
        let target = targets.get(&at(&root, "sub"), Create::None).unwrap();
        assert_eq!(target.name().unwrap(), "sub");
        assert!(targets.get(&at(Path::new("/"), ""), Create::None).unwrap().name().is_err());
    }

    #[test]
    fn a_target_stays_where_it_was_when_the_path_to_it_is_renamed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        let at = at(&dir.path().join("a/top"), "x");
        Targets::default().get(&at, ALL).unwrap();
        fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        fs::remove_dir(dir.path().join("b/top")).unwrap();
        Targets::default().get(&at, ALL).unwrap();
        assert!(dir.path().join("b/top").is_dir() && !dir.path().join("a").exists());
    }

    #[test]
    fn missing_folders_are_made_only_on_demand_and_private_ones_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let at = at(&dir.path().join("a/b"), "c/x");
        let mut targets = Targets::default();
        assert!(targets.find(&at, Create::None).unwrap().is_none() && !dir.path().join("a").exists());
        let target = targets.get(&at, Create::All { private: true }).unwrap();
        assert!(target.landing.has_made_folders());
        for made in ["a/b", "a/b/c"] {
            let mode = fs::metadata(dir.path().join(made)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{made}");
        }
    }

    #[test]
    fn unusable_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = Targets::default().get(&at(dir.path(), ".x.ferry-part"), ALL).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn folders_are_kept_open_for_the_files_that_follow() {
        let dir = tempfile::tempdir().unwrap();
        let mut targets = Targets::default();
        let root = Root::new(dir.path().into());
        let at =
            |below: String| Location::new(&root, RemotePath::from_wire(below.as_bytes()).unwrap(), Reach::Contained);
        let first = targets.get(&at("f0/x".into()), ALL).unwrap();
        let second = targets.get(&at("f0/y".into()), ALL).unwrap();
        assert!(Arc::ptr_eq(&first.folder, &second.folder));
        for number in 1..=OPEN_FOLDERS {
            targets.get(&at(format!("f{number}/x")), ALL).unwrap();
        }
        assert!(targets.open.len() <= OPEN_FOLDERS);
        assert!(!Arc::ptr_eq(&first.folder, &targets.get(&at("f0/x".into()), ALL).unwrap().folder));
    }
}
