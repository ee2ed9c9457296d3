//! Which files of a folder a job means.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Globs that choose files of a folder; the default chooses all.
///
/// A glob without `/` is compared with names at any depth, one with `/` with the path
/// below the job's folder (a leading `/` only says so). An excluded folder is not
/// entered. With any include glob, only files that match one are taken; exclude wins.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
}

/// A glob is not one.
#[derive(Debug, thiserror::Error)]
#[error("bad pattern: {0}")]
pub struct FilterError(#[from] globset::Error);

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

    /// Whether the filter leaves nothing out.
    pub(super) fn is_open(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// Whether the file at `path` (below the job's folder) is meant.
    pub(super) fn takes_file(&self, path: &Path) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(path)) && self.enters(path)
    }

    /// Whether the folder at `path` (below the job's folder) is looked into.
    pub(super) fn enters(&self, path: &Path) -> bool {
        self.exclude.as_ref().is_none_or(|set| !set.is_match(path))
    }
}

fn set(globs: &[impl AsRef<str>]) -> Result<Option<GlobSet>, FilterError> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for text in globs {
        set.add(glob(text.as_ref())?);
    }
    Ok(Some(set.build()?))
}

fn glob(text: &str) -> Result<Glob, globset::Error> {
    let anchored = text.trim_end_matches('/');
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
    fn a_bad_glob_is_named() {
        let error = Filter::new(&["a["], &[""; 0]).unwrap_err();
        assert!(error.to_string().contains("a["), "{error}");
    }
}
