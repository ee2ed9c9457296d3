//! Places: a file or folder at a site.

use std::path::{Path, PathBuf};

use ferry_client::{SiteKey, SitePath, connect::Target};
use ferry_shared::{name::Name, path::RemotePath};

/// A file or folder at a site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The site.
    pub(crate) site: SiteKey,
    /// The path there: absolute on this computer, from the user's home on a server.
    pub(crate) path: SitePath,
}

impl Place {
    /// On this computer.
    pub(crate) fn local(path: impl Into<PathBuf>) -> Self {
        Self { site: SiteKey::Local, path: path.into().into() }
    }

    /// On a server.
    pub(crate) fn remote(target: Target, path: RemotePath) -> Self {
        Self { site: SiteKey::Server(target), path: path.into() }
    }

    /// Whether it is on this computer.
    pub(crate) fn is_local(&self) -> bool {
        self.site.is_local()
    }

    /// The account on the server it is on; `None` on this computer.
    pub(crate) fn target(&self) -> Option<&Target> {
        self.site.server()
    }

    /// Whether both are at the same site.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.site == other.site
    }

    fn at(&self, path: SitePath) -> Self {
        Self { site: self.site.clone(), path }
    }

    /// The folder it is in; `None` at the top.
    pub(crate) fn parent(&self) -> Option<Self> {
        self.path.parent().map(|path| self.at(path))
    }

    /// The entry `name` in it; `None` if that site cannot have the path.
    pub(crate) fn join(&self, name: &Name) -> Option<Self> {
        self.path.join(name).ok().map(|path| self.at(path))
    }

    /// The entry at `below`, a path of names, in it.
    pub(crate) fn join_path(&self, below: &RemotePath) -> Option<Self> {
        self.path.join_path(below).ok().map(|path| self.at(path))
    }

    /// Its last name; `None` at the top.
    pub(crate) fn name(&self) -> Option<Name> {
        self.path.name()
    }

    /// The topmost folder of its site.
    pub(crate) fn root(&self) -> Self {
        self.at(match &self.path {
            SitePath::Local(path) => path.ancestors().last().unwrap_or(path).into(),
            SitePath::Remote(_) => RemotePath::home().into(),
        })
    }

    /// The entry of this folder that is `below` or lies above it.
    pub(crate) fn child_towards(&self, below: &Self) -> Option<Self> {
        let mut child = below.clone();
        if !child.starts_with(self) {
            return None;
        }
        loop {
            let parent = child.parent()?;
            if parent == *self {
                return Some(child);
            }
            child = parent;
        }
    }

    /// Whether it is `folder` or lies below it.
    pub(crate) fn starts_with(&self, folder: &Self) -> bool {
        self.is_beside(folder) && self.path.starts_with(&folder.path)
    }

    /// Its path as a person reads it, with `~` for the home folder on this computer.
    pub(crate) fn display(&self, home: &Path) -> String {
        match self.path.local().and_then(|path| path.strip_prefix(home).ok()) {
            Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
            Some(rest) if home.parent().is_some() => {
                format!("~{}{}", std::path::MAIN_SEPARATOR, SitePath::from(rest))
            }
            _ => self.path.to_string(),
        }
    }

    /// The place that a typed path names, relative to this folder. `~` is the home at this site.
    ///
    /// # Errors
    /// The path is not valid.
    pub(crate) fn typed(&self, text: &str, home: &Path) -> Result<Self, String> {
        match &self.path {
            SitePath::Local(folder) => {
                let rest = text.strip_prefix('~').map(|rest| rest.trim_start_matches(std::path::is_separator));
                let path = rest.map_or_else(|| folder.join(text), |rest| home.join(rest));
                Ok(self.at(tidied(&path).into()))
            }
            SitePath::Remote(folder) => {
                let text = text.strip_prefix('~').map_or_else(|| text.to_owned(), |rest| format!("/{rest}"));
                let full = match text.starts_with('/') {
                    true => text.into_bytes(),
                    false => [folder.as_bytes(), text.as_bytes()].join(&b'/'),
                };
                RemotePath::from_typed(&full).map(|path| self.at(path.into())).map_err(|error| error.to_string())
            }
        }
    }
}

/// A path below a folder, escaped.
pub(crate) fn below(path: &RemotePath) -> String {
    path.display().to_string().trim_start_matches('/').to_owned()
}

/// The path without `.` and `..`, by its text alone: reading the disk could block.
fn tidied(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(tidy.pop()),
            part => tidy.push(part),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(path: &str) -> Place {
        Place::local(path)
    }

    fn remote(path: &str) -> Place {
        at("h", path)
    }

    fn at(host: &str, path: &str) -> Place {
        let target = Target::ferry("al", host, 7021);
        Place::remote(target, RemotePath::from_typed(path.as_bytes()).unwrap())
    }

    #[test]
    fn the_same_path_at_two_servers_is_two_places() {
        assert_ne!(at("a", "x"), at("b", "x"));
        assert!(at("a", "x/y").starts_with(&at("a", "x")) && !at("b", "x/y").starts_with(&at("a", "x")));
        assert!(at("a", "x").is_beside(&at("a", "y")) && !at("a", "x").is_beside(&at("b", "x")));
        assert!(!at("a", "x").is_beside(&local("/x")));
    }

    #[test]
    fn the_home_is_shown_short() {
        let home = Path::new("/home/al");
        assert_eq!(local("/home/al").display(home), "~");
        assert_eq!(local("/home/al/data").display(home), "~/data");
        assert_eq!(local("/home/albert").display(home), "/home/albert");
        assert_eq!(remote("photos").display(home), "/photos");
        assert_eq!(local("/etc").display(Path::new("/")), "/etc");
    }

    #[test]
    fn typed_paths_start_at_the_folder_the_top_or_the_home() {
        let home = Path::new("/home/al");
        let typed = |from: Place, text: &str| from.typed(text, home).unwrap();
        assert_eq!(typed(local("/a/b"), "../c"), local("/a/c"));
        assert_eq!(typed(local("/a"), "~/x"), local("/home/al/x"));
        assert_eq!(typed(local("/a"), "/x/./y/"), local("/x/y"));
        assert_eq!(typed(remote("a/b"), "c"), remote("a/b/c"));
        assert_eq!(typed(remote("a/b"), "/c"), remote("c"));
        assert_eq!(typed(remote("a/b"), "~"), remote(""));
        assert!(remote("a").typed("../..", home).is_err());
    }

    #[test]
    fn parents_end_at_the_top() {
        assert_eq!(local("/a").parent(), Some(local("/")));
        assert_eq!(local("/").parent(), None);
        assert_eq!(remote("a").parent(), Some(remote("")));
        assert_eq!(remote("").parent(), None);
    }
}
