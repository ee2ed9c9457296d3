//! The folders of the client's own files; one variable can move all of them.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use directories::ProjectDirs;
use ferry_shared::digest_cache::DigestCache;

/// Moves all of the client's files below one folder: for tests and portable use.
pub(crate) const HOME_VARIABLE: &str = "FERRY_HOME";

/// The system has no folder for this user's files.
#[derive(Debug, thiserror::Error)]
#[error("this user has no home folder; set {HOME_VARIABLE} to a folder for ferry's files")]
pub(crate) struct NoHome;

/// The folders of the client's own files. None of them needs to exist.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    config: PathBuf,
    state: PathBuf,
    cache: PathBuf,
}

impl Home {
    /// The folders for this process.
    ///
    /// # Errors
    /// [`NoHome`].
    pub(crate) fn find() -> Result<Self, NoHome> {
        Self::from_variable(env::var_os(HOME_VARIABLE).as_deref())
    }

    fn from_variable(value: Option<&OsStr>) -> Result<Self, NoHome> {
        if let Some(folder) = value.filter(|value| !value.is_empty()) {
            let folder = PathBuf::from(folder);
            return Ok(Self { config: folder.clone(), state: folder.clone(), cache: folder });
        }
        let dirs = ProjectDirs::from("", "", "ferry").ok_or(NoHome)?;
        let state = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir());
        Ok(Self { config: dirs.config_dir().into(), state: state.into(), cache: dirs.cache_dir().into() })
    }

    /// The folder of the user's settings: settings, keys, themes, sites, bookmarks.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of the client's state: the queue, known servers, copies being edited.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// The remembered digests of local files; `None` if they cannot be opened, which only costs time: files are read
    /// instead.
    pub(crate) fn digests(&self) -> Option<Arc<DigestCache>> {
        let open = || -> io::Result<DigestCache> {
            fs::create_dir_all(&self.cache)?;
            DigestCache::open(&self.cache.join("digests"))
        };
        open().ok().map(Arc::new)
    }

    /// The saved servers.
    pub(crate) fn sites(&self) -> PathBuf {
        self.config.join("sites.toml")
    }

    /// The folder for the journal of unfinished uploads to SSH servers.
    pub(crate) fn parts(&self) -> PathBuf {
        self.state.join("sftp")
    }

    /// The server keys that were accepted.
    pub(crate) fn known_servers(&self) -> PathBuf {
        self.state.join("known_servers")
    }
}

/// The user's home folder.
pub(crate) fn user_home() -> PathBuf {
    directories::BaseDirs::new().map_or_else(|| PathBuf::from("/"), |dirs| dirs.home_dir().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_variable_moves_every_file() {
        let home = Home::from_variable(Some(OsStr::new("/portable"))).unwrap();
        assert_eq!(home.sites(), PathBuf::from("/portable/sites.toml"));
        assert_eq!(home.known_servers(), PathBuf::from("/portable/known_servers"));
    }

    #[test]
    fn an_empty_variable_is_ignored() {
        let home = Home::from_variable(Some(OsStr::new("")));
        assert!(home.is_err() || home.is_ok_and(|home| home.sites() != std::path::Path::new("sites.toml")));
    }
}
