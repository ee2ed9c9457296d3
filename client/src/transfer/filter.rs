//! Filters that select files of a folder.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Globs that choose files of a folder; the default chooses all.
///
/// A glob without `/` matches names at any depth. One with `/` matches paths below the job's folder; a leading `/` has
/// no other effect. An excluded folder is not entered. With any include glob, only files that match one are selected;
/// exclude wins.
///
/// A piece itself is matched by its name alone, with the globs that have no `/`.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    include: Option<Globs>,
    exclude: Option<Globs>,
}

#[derive(Debug, Clone)]
struct Globs {
    all: GlobSet,
    /// Those without a `/`.
    names: GlobSet,
}

/// An invalid glob.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It does not parse.
    #[error("bad pattern: {0}")]
    Bad(#[from] globset::Error),
    /// It is empty, for example because a variable of a script is unset.
    #[error("an empty pattern matches nothing or everything; leave the flag out")]
    Empty,
}

impl Filter {
    /// A filter of the given globs.
    ///
    /// # Errors
    /// [`FilterError`] if a glob is invalid or empty.
    pub fn new(include: &[impl AsRef<str>], exclude: &[impl AsRef<str>]) -> Result<Self, FilterError> {
        Ok(Self { include: set(include)?, exclude: set(exclude)? })
    }

    /// Whether the file or folder at `path` (below the job's folder) is selected and no folder above it is excluded. A
    /// filter with include globs selects no folders.
    #[must_use]
    pub fn means(&self, path: &Path, folder: bool) -> bool {
        let above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        let itself = if folder { self.include.is_none() && self.enters(path) } else { self.takes_file(path) };
        itself && above.into_iter().all(|above| self.enters(above))
    }

    /// Whether the folder at `path` (below the job's folder) and all above it are entered.
    #[must_use]
    pub fn means_folder(&self, path: &Path) -> bool {
        path.ancestors().filter(|above| !above.as_os_str().is_empty()).all(|above| self.enters(above))
    }

    /// Whether a piece itself is selected; a selected folder is entered.
    #[must_use]
    pub fn means_named(&self, name: &Path, folder: bool) -> bool {
        let included = folder || self.include.as_ref().is_none_or(|globs| globs.names.is_match(name));
        included && self.exclude.as_ref().is_none_or(|globs| !globs.names.is_match(name))
    }

    /// Whether the filter leaves nothing out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// Whether there are include globs, which select only matching files and the folders that hold some.
    #[must_use]
    pub fn includes(&self) -> bool {
        self.include.is_some()
    }

    /// Whether the file at `path` (below the job's folder) is selected, apart from the folders above it.
    #[must_use]
    pub fn takes_file(&self, path: &Path) -> bool {
        self.include.as_ref().is_none_or(|globs| globs.all.is_match(path)) && self.enters(path)
    }

    /// Whether the folder at `path` (below the job's folder) is entered, apart from the folders above it.
    #[must_use]
    pub fn enters(&self, path: &Path) -> bool {
        self.exclude.as_ref().is_none_or(|globs| !globs.all.is_match(path))
    }
}

fn set(globs: &[impl AsRef<str>]) -> Result<Option<Globs>, FilterError> {
    if globs.is_empty() {
        return Ok(None);
    }
    let (mut all, mut names) = (GlobSetBuilder::new(), GlobSetBuilder::new());
    for text in globs {
        let text = text.as_ref();
        let anchored = text.trim_end_matches('/');
        if anchored.is_empty() {
            return Err(FilterError::Empty);
        }
        let glob = glob(anchored)?;
        if !anchored.contains('/') {
            names.add(glob.clone());
        }
        all.add(glob);
    }
    Ok(Some(Globs { all: all.build()?, names: names.build()? }))
}

fn glob(anchored: &str) -> Result<Glob, globset::Error> {
    let pattern = match anchored.strip_prefix('/') {
        Some(rest) => rest.to_owned(),
        None if anchored.contains('/') => anchored.to_owned(),
        None => format!("**/{anchored}"),
    };
    GlobBuilder::new(&pattern).literal_separator(true).backslash_escape(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        Filter::new(include, exclude).unwrap()
    }

    #[test]
    fn a_bare_glob_matches_names_at_any_depth() {
        let filter = filter(&[], &["*.tmp", "node_modules/"]);
        assert!(!filter.takes_file(Path::new("a.tmp")));
        assert!(!filter.takes_file(Path::new("a/b/c.tmp")));
        assert!(!filter.enters(Path::new("a/node_modules")));
        assert!(filter.takes_file(Path::new("a/tmp")));
    }

    #[test]
    fn a_glob_with_a_slash_matches_from_the_top() {
        let filter = filter(&[], &["a/*.log", "/top"]);
        assert!(!filter.takes_file(Path::new("a/x.log")));
        assert!(filter.takes_file(Path::new("b/a/x.log")));
        assert!(filter.takes_file(Path::new("a/deep/x.log")), "a star stays in its folder");
        assert!(!filter.enters(Path::new("top")));
        assert!(filter.enters(Path::new("a/top")));
    }

    #[test]
    fn exclude_wins_over_include_and_folders_need_no_include() {
        let filter = filter(&["*.jpg"], &["private*"]);
        assert!(filter.takes_file(Path::new("x/a.jpg")));
        assert!(!filter.takes_file(Path::new("x/a.png")));
        assert!(!filter.takes_file(Path::new("private.jpg")));
        assert!(filter.enters(Path::new("x")));
    }

    #[test]
    fn nothing_in_an_excluded_folder_is_selected() {
        let filter = filter(&[], &["cache"]);
        assert!(!filter.means(Path::new("a/cache/deep/x"), false));
        assert!(!filter.means(Path::new("a/cache"), true));
        assert!(filter.means(Path::new("a/x"), false) && filter.means(Path::new("a"), true));
        let filter = self::filter(&["*.jpg"], &[]);
        assert!(filter.means(Path::new("a/x.jpg"), false));
        assert!(!filter.means(Path::new("a/x.png"), false) && !filter.means(Path::new("a"), true));
    }

    #[test]
    fn an_empty_pattern_is_an_error_and_no_glob_of_all() {
        for empty in ["", "/", "//"] {
            assert!(matches!(Filter::new(&["a", empty], &[""; 0]), Err(FilterError::Empty)), "{empty:?}");
            assert!(matches!(Filter::new(&[""; 0], &[empty]), Err(FilterError::Empty)), "{empty:?}");
        }
    }

    #[test]
    fn a_piece_itself_is_matched_by_its_name_alone() {
        let named = |include: &[&str], exclude: &[&str], name: &str, folder| {
            filter(include, exclude).means_named(Path::new(name), folder)
        };
        assert!(!named(&[], &["*.tmp"], "a.tmp", false) && named(&[], &["*.tmp"], "a", false));
        assert!(!named(&[], &["cache"], "cache", true));
        assert!(named(&[], &["/cache", "x/cache"], "cache", true), "they match only below the folder");
        assert!(named(&["*.jpg"], &[], "photos", true) && !named(&["*.jpg"], &[], "photos", false));
    }

    #[test]
    fn a_bad_glob_is_named() {
        let error = Filter::new(&["a["], &[""; 0]).unwrap_err();
        assert!(error.to_string().contains("a["), "{error}");
    }
}
