//! The user's sites and bookmarks.

use super::place::Place;
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
}

impl Saved {
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
