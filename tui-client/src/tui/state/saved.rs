//! The user's sites and bookmarks.

use ferry_client::connect::Target;

use super::{place::Place, server::Server};
use crate::{address::is_site_name, sites::Site};

/// A saved server, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedSite {
    /// Its name.
    pub(crate) name: String,
    /// The saved record.
    pub(crate) site: Site,
}

/// A folder to come back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bookmark {
    /// The folder.
    pub(crate) place: Place,
}

/// The user's sites and bookmarks.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// The sites, by name.
    pub(crate) sites: Vec<NamedSite>,
    /// The bookmarks, as they were made.
    pub(crate) bookmarks: Vec<Bookmark>,
    /// The servers that were connected to lately without being saved, the last one first.
    pub(crate) recent: Vec<Server>,
}

/// The number of recent servers.
const RECENT: usize = 9;

impl Saved {
    /// Takes note that a server was connected to. Returns whether that changes the recent ones.
    pub(crate) fn connected(&mut self, server: &Server) -> bool {
        if server.site.is_some() || self.recent.first() == Some(server) {
            return false;
        }
        self.recent.retain(|recent| recent.target != server.target);
        self.recent.insert(0, server.clone());
        self.recent.truncate(RECENT);
        true
    }

    /// Whether the account is that of a site.
    pub(crate) fn has(&self, target: &Target) -> bool {
        self.sites.iter().any(|site| site.site.target().ok().as_ref() == Some(target))
    }

    /// The site of that name.
    pub(crate) fn site(&self, name: &str) -> Option<&NamedSite> {
        self.sites.iter().find(|site| site.name == name)
    }

    /// Checks the name of a site that is to be saved, in place of `old` if that is given.
    ///
    /// # Errors
    /// The name is not valid, or taken.
    pub(crate) fn check_name(&self, old: Option<&str>, name: &str) -> Result<(), String> {
        if !is_site_name(name) {
            return Err("a name has letters, digits, '.', '_' and '-', and begins with a letter or digit".to_owned());
        }
        if old != Some(name) && self.site(name).is_some() {
            return Err(format!("there is a site named {name} already"));
        }
        Ok(())
    }
}
