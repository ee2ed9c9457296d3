//! A path below a user's home: parsed once, then always safe.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    limits::{DEPTH_MAX, PATH_MAX},
    name::{self, Escaped, Name, NameError},
    wire_bytes,
};

/// The reason why bytes are not a [`RemotePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// More than [`PATH_MAX`] bytes.
    #[error("the path has {0} bytes, more than {PATH_MAX}")]
    TooLong(usize),
    /// More than [`DEPTH_MAX`] names.
    #[error("the path has {0} names, more than {DEPTH_MAX}")]
    TooDeep(usize),
    /// One of its names is not valid.
    #[error("bad path: {0}")]
    Name(#[from] NameError),
}

/// A list of names from the user's home; the empty list is the home itself.
///
/// It contains no `.`, `..` or empty name, so it cannot lead out of the home. It is stored and encoded as its names
/// joined by `/`, which no name can contain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RemotePath(Box<[u8]>);

impl RemotePath {
    /// The home itself.
    #[must_use]
    pub fn home() -> Self {
        Self::default()
    }

    /// Parses the strict form used in messages: names joined by `/`, and no other `/`.
    ///
    /// # Errors
    /// [`PathError`] tells which rule is violated.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.is_empty() {
            return Ok(Self::home());
        }
        if bytes.len() > PATH_MAX {
            return Err(PathError::TooLong(bytes.len()));
        }
        let mut depth = 0;
        for part in bytes.split(|b| *b == b'/') {
            name::check(part)?;
            depth += 1;
        }
        if depth > DEPTH_MAX {
            return Err(PathError::TooDeep(depth));
        }
        Ok(Self(bytes.into()))
    }

    /// Parses the form that people type: extra `/` are accepted; `.` is skipped; `..` goes up and, at the home, is
    /// an error instead of being ignored.
    ///
    /// # Errors
    /// [`PathError`] tells which rule is violated.
    pub fn from_typed(bytes: &[u8]) -> Result<Self, PathError> {
        let mut names: Vec<&[u8]> = Vec::new();
        for part in bytes.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    names.pop().ok_or(NameError::Dots)?;
                }
                part => names.push(part),
            }
        }
        Self::from_wire(&names.join(&b'/'))
    }

    /// The path's bytes: its names joined by `/`; empty for the home.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the home itself.
    #[must_use]
    pub fn is_home(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|part| !part.is_empty())
    }

    /// The number of its names.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.names().count()
    }

    /// The last name; `None` for the home.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        let last = self.names().next_back()?;
        Name::new(last).ok()
    }

    /// The parent folder; `None` for the home.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_home() {
            return None;
        }
        let cut = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Some(Self(self.0[..cut].into()))
    }

    /// This path extended by `name`.
    ///
    /// # Errors
    /// [`PathError::TooLong`] or [`PathError::TooDeep`].
    pub fn join(&self, name: &Name) -> Result<Self, PathError> {
        self.join_bytes(name.as_bytes())
    }

    /// This path extended by all names of `below`.
    ///
    /// # Errors
    /// [`PathError::TooLong`] or [`PathError::TooDeep`].
    pub fn join_path(&self, below: &Self) -> Result<Self, PathError> {
        if below.is_home() { Ok(self.clone()) } else { self.join_bytes(&below.0) }
    }

    fn join_bytes(&self, below: &[u8]) -> Result<Self, PathError> {
        if self.is_home() {
            return Self::from_wire(below);
        }
        Self::from_wire(&[&self.0, below].join(&b'/'))
    }

    /// Whether this path is `folder` or below it.
    #[must_use]
    pub fn starts_with(&self, folder: &Self) -> bool {
        folder.is_home() || self.0.strip_prefix(&*folder.0).is_some_and(|rest| rest.first().is_none_or(|b| *b == b'/'))
    }

    /// The path for display, with a leading `/` and hostile characters escaped.
    #[must_use]
    pub fn display(&self) -> impl fmt::Display + '_ {
        Shown(self)
    }
}

struct Shown<'a>(&'a RemotePath);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", Escaped(&self.0.0))
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.display())
    }
}

impl From<Name> for RemotePath {
    fn from(name: Name) -> Self {
        Self(name.as_bytes().into())
    }
}

impl Serialize for RemotePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire_bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for RemotePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_wire(&wire_bytes::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::from_wire(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_wire_form_is_strict() {
        for bad in ["/", "/a", "a/", "a//b", "a/../b", "..", "./a", "a/\0"] {
            assert!(RemotePath::from_wire(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(path("a/b").depth(), 2);
        assert!(path("").is_home());
    }

    #[test]
    fn typed_paths_may_wander_but_not_leave() {
        let typed = |text: &str| RemotePath::from_typed(text.as_bytes());
        assert_eq!(typed("/a/./b//../c/").unwrap(), path("a/c"));
        assert_eq!(typed("/").unwrap(), RemotePath::home());
        assert_eq!(typed("a/../.."), Err(PathError::Name(NameError::Dots)));
    }

    #[test]
    fn length_and_depth_are_bounded() {
        let deep = ["a"; DEPTH_MAX + 1].join("/");
        assert_eq!(RemotePath::from_wire(deep.as_bytes()), Err(PathError::TooDeep(DEPTH_MAX + 1)));
        let long = ["x".repeat(255).as_str(); 17].join("/");
        assert!(matches!(RemotePath::from_wire(long.as_bytes()), Err(PathError::TooLong(_))));
    }

    #[test]
    fn parents_and_joins_undo_each_other() {
        let file = path("a/b/c");
        let folder = file.parent().unwrap();
        assert_eq!(folder, path("a/b"));
        assert_eq!(folder.join(&file.name().unwrap()).unwrap(), file);
        assert_eq!(path("a").parent(), Some(RemotePath::home()));
        assert_eq!(RemotePath::home().parent(), None);
        assert_eq!(RemotePath::home().join_path(&file).unwrap(), file);
    }

    #[test]
    fn starting_with_goes_by_whole_names() {
        assert!(path("a/b").starts_with(&path("a")));
        assert!(!path("ab").starts_with(&path("a")));
        assert!(path("ab").starts_with(&RemotePath::home()));
    }
}
