//! Places: a file or folder on this computer or on the server.

use std::path::{Path, PathBuf};

use ferry_shared::{
    name::{Escaped, Name},
    path::RemotePath,
};

use super::system_name::os_string;
use crate::os_bytes;

/// A file or folder on either side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// On this computer; absolute.
    Local(PathBuf),
    /// On the server, from the user's home on.
    Remote(RemotePath),
}

impl Place {
    /// Whether it is on the server.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }

    /// Whether both are on the same side.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.is_remote() == other.is_remote()
    }

    /// The folder it is in; `None` at the top.
    pub(crate) fn parent(&self) -> Option<Self> {
        match self {
            Self::Local(path) => path.parent().map(|parent| Self::Local(parent.to_owned())),
            Self::Remote(path) => path.parent().map(Self::Remote),
        }
    }

    /// The entry `name` in it; `None` if that side cannot have the path.
    pub(crate) fn join(&self, name: &Name) -> Option<Self> {
        match self {
            Self::Local(path) => Some(Self::Local(path.join(os_string(name.as_bytes())?))),
            Self::Remote(path) => path.join(name).ok().map(Self::Remote),
        }
    }

    /// The entry at `below`, a path of names, in it.
    pub(crate) fn join_path(&self, below: &RemotePath) -> Option<Self> {
        below.names().try_fold(self.clone(), |place, name| place.join(&Name::new(name).ok()?))
    }

    /// Its last name; `None` at the top.
    pub(crate) fn name(&self) -> Option<Name> {
        match self {
            Self::Local(path) => Name::new(&*os_bytes::bytes_of(path.file_name()?)).ok(),
            Self::Remote(path) => path.name(),
        }
    }

    /// The topmost folder on its side.
    pub(crate) fn root(&self) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.ancestors().last().unwrap_or(path).to_owned()),
            Self::Remote(_) => Self::Remote(RemotePath::home()),
        }
    }

    /// Whether it is `folder` or lies below it.
    pub(crate) fn starts_with(&self, folder: &Self) -> bool {
        match (self, folder) {
            (Self::Local(path), Self::Local(folder)) => path.starts_with(folder),
            (Self::Remote(path), Self::Remote(folder)) => path.starts_with(folder),
            _ => false,
        }
    }

    /// It as a person reads it, with `~` for the home folder on this computer.
    pub(crate) fn display(&self, home: &Path) -> String {
        match self {
            Self::Local(path) => {
                let shown = |path: &Path| Escaped(&os_bytes::bytes_of(path.as_os_str())).to_string();
                match path.strip_prefix(home) {
                    Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
                    Ok(rest) if home.parent().is_some() => format!("~{}{}", std::path::MAIN_SEPARATOR, shown(rest)),
                    _ => shown(path),
                }
            }
            Self::Remote(path) => path.display().to_string(),
        }
    }

    /// The place that a typed path names, relative to this folder. `~` is the home on this side.
    ///
    /// # Errors
    /// The path is not valid.
    pub(crate) fn typed(&self, text: &str, home: &Path) -> Result<Self, String> {
        match self {
            Self::Local(folder) => {
                let rest = text.strip_prefix('~').map(|rest| rest.trim_start_matches(std::path::is_separator));
                let path = rest.map_or_else(|| folder.join(text), |rest| home.join(rest));
                Ok(Self::Local(tidied(&path)))
            }
            Self::Remote(folder) => {
                let text = text.strip_prefix('~').map_or_else(|| text.to_owned(), |rest| format!("/{rest}"));
                let full = match text.starts_with('/') {
                    true => text.into_bytes(),
                    false => [folder.as_bytes(), text.as_bytes()].join(&b'/'),
                };
                RemotePath::from_typed(&full).map(Self::Remote).map_err(|error| error.to_string())
            }
        }
    }
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
        Place::Local(path.into())
    }

    fn remote(path: &str) -> Place {
        Place::Remote(RemotePath::from_typed(path.as_bytes()).unwrap())
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
