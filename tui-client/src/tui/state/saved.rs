//! What the user keeps between starts: sites and bookmarks.

use super::place::Place;
use crate::address::is_site_name;

/// A saved server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Its name.
    pub(crate) name: String,
    /// `host` or `host:port`.
    pub(crate) address: String,
    /// The user's name there.
    pub(crate) user: String,
    /// The folder to start in.
    pub(crate) path: String,
    /// The file of the key to log in with; empty for a password.
    pub(crate) identity: String,
    /// The file with the server's secret; written by `ferry site add --seal-file`.
    pub(crate) seal: Option<std::path::PathBuf>,
    /// What becomes of symbolic links inside a folder; written by `ferry site add --links`.
    pub(crate) links: Option<crate::args::Links>,
    /// The only key to accept.
    pub(crate) key: Option<ferry_shared::fingerprint::Fingerprint>,
}

/// A folder to come back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bookmark {
    /// The folder.
    pub(crate) place: Place,
    /// The server it is on, as `user@host:port`; none for this computer.
    pub(crate) server: Option<String>,
}

/// What the user keeps.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// The sites, by name.
    pub(crate) sites: Vec<Site>,
    /// The bookmarks, as they were made.
    pub(crate) bookmarks: Vec<Bookmark>,
}

impl Saved {
    /// Checks a site that is to be saved, in place of `old` if that is given.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self, old: Option<&str>, site: &Site) -> Result<(), String> {
        if !is_site_name(&site.name) {
            return Err("a name has letters, digits, '.', '_' and '-', and begins with a letter or digit".to_owned());
        }
        if old != Some(&*site.name) && self.sites.iter().any(|other| other.name == site.name) {
            return Err(format!("there is a site named {} already", site.name));
        }
        Ok(())
    }
}
