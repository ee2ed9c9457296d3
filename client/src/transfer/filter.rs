//! Which files of a folder a job means.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Globs that choose files of a folder; the default chooses all.
///
/// A glob without `/` is compared with names at any depth, one with `/` with the path
/// below the job's folder (a leading `/` only says so). An excluded folder is not
/// entered. With any include glob, only files that match one are taken; exclude wins.
///
/// What a person names is judged by its name alone, with the globs that have no `/`.
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

/// A glob is not one.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It does not parse.
    #[error("bad pattern: {0}")]
    Bad(#[from] globset::Error),
    /// It is empty, as an unset variable of a script is.
    #[error("an empty pattern matches nothing or everything; leave the flag out")]
    Empty,
}

impl Filter {
    /// A filter of the given globs.
    ///
    /// # Errors
    /// [`FilterError`] names the glob that is none.
    pub fn new(include: &[impl AsRef<str>], exclude: &[impl AsRef<str>]) -> Result<Self, FilterError> {
        Ok(Self { include: set(include)?, exclude: set(exclude)? })
    }

    /// Whether the file or folder at `path` (below the job's folder) is meant: no folder above it
    /// is excluded, and of a filter that includes, folders are not.
    #[must_use]
    pub fn means(&self, path: &Path, folder: bool) -> bool {
        let above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        let itself = if folder { self.include.is_none() && self.enters(path) } else { self.takes_file(path) };
        itself && above.into_iter().all(|above| self.enters(above))
    }

    /// Whether the folder at `path` (below the job's folder) and all above it are looked into.
    #[must_use]
    pub fn means_folder(&self, path: &Path) -> bool {
        path.ancestors().filter(|above| !above.as_os_str().is_empty()).all(|above| self.enters(above))
    }

    /// Whether a file or folder that a person named is meant; the folder is looked into then.
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

    /// Whether only files that match are meant, and so only folders that hold some.
    #[must_use]
    pub fn includes(&self) -> bool {
        self.include.is_some()
    }

    /// Whether the file at `path` (below the job's folder) is meant.
    #[must_use]
    pub fn takes_file(&self, path: &Path) -> bool {
        self.include.as_ref().is_none_or(|globs| globs.all.is_match(path)) && self.enters(path)
    }

    /// Whether the folder at `path` (below the job's folder) is looked into.
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
    fn what_lies_in_an_excluded_folder_is_not_meant() {
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
    fn what_is_named_goes_by_its_name_alone() {
        let named = |include: &[&str], exclude: &[&str], name: &str, folder| {
            filter(include, exclude).means_named(Path::new(name), folder)
        };
        assert!(!named(&[], &["*.tmp"], "a.tmp", false) && named(&[], &["*.tmp"], "a", false));
        assert!(!named(&[], &["cache"], "cache", true));
        assert!(named(&[], &["/cache", "x/cache"], "cache", true), "below the folder, not the folder");
        assert!(named(&["*.jpg"], &[], "photos", true) && !named(&["*.jpg"], &[], "photos", false));
    }

    #[test]
    fn a_bad_glob_is_named() {
        let error = Filter::new(&["a["], &[""; 0]).unwrap_err();
        assert!(error.to_string().contains("a["), "{error}");
    }
}
