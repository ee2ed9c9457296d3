//! The selection of what a sync compares. Everything else is left alone at both ends.

use std::collections::{BTreeMap, BTreeSet};

use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    path::RemotePath,
};
use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::{os_name::shown_path, transfer::Filter};

/// The name of the files whose patterns leave out contents of their folder, in the syntax of `.gitignore`.
pub const IGNORE_FILE: &str = ".ferryignore";

/// The selection of what a sync compares; the default selects everything.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// The globs of `--include` and `--exclude`.
    pub filter: Filter,
    /// The minimum size of a file.
    pub min_size: Option<u64>,
    /// The maximum size of a file.
    pub max_size: Option<u64>,
    /// Only files changed after this time.
    pub newer_than: Option<Mtime>,
    only: Option<Only>,
    patterns: Option<Gitignore>,
    ignores: BTreeMap<RemotePath, Gitignore>,
}

/// The paths that were named.
#[derive(Debug, Clone, Default)]
struct Only {
    named: BTreeSet<RemotePath>,
    above: BTreeSet<RemotePath>,
}

/// A pattern that is not valid.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {error}")]
pub struct BadPattern {
    file: String,
    error: ignore::Error,
}

impl Select {
    /// Selects only these paths and everything below them.
    pub fn only(&mut self, named: BTreeSet<RemotePath>) {
        let above = |path: &RemotePath| std::iter::successors(path.parent(), RemotePath::parent).collect::<Vec<_>>();
        let above = named.iter().flat_map(above).collect();
        self.only = Some(Only { named, above });
    }

    /// The paths that were named, if any.
    #[must_use]
    pub fn named(&self) -> Option<&BTreeSet<RemotePath>> {
        self.only.as_ref().map(|only| &only.named)
    }

    /// Leaves out what the patterns of `texts` match, each with the name of its file, in the syntax of `.gitignore`.
    /// They outrank the files named [`IGNORE_FILE`].
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn exclude_from(&mut self, texts: &[(String, String)]) -> Result<(), BadPattern> {
        let mut builder = GitignoreBuilder::new("");
        for (file, text) in texts {
            add(&mut builder, file, text)?;
        }
        let bad = |error| BadPattern { file: String::new(), error };
        self.patterns = (!texts.is_empty()).then(|| builder.build()).transpose().map_err(bad)?;
        Ok(())
    }

    /// Adds the patterns of the [`IGNORE_FILE`] in a folder.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn ignore(&mut self, folder: &RemotePath, text: &str) -> Result<(), BadPattern> {
        let file = format!("{}/{IGNORE_FILE}", folder.display());
        let mut builder = GitignoreBuilder::new("");
        add(&mut builder, &file, text)?;
        let built = builder.build().map_err(|error| BadPattern { file, error })?;
        self.ignores.insert(folder.clone(), built);
        Ok(())
    }

    /// Whether the content of the folder is compared, if that of the folder above is.
    #[must_use]
    pub fn enters(&self, folder: &RemotePath) -> bool {
        let named = self.only.as_ref().is_none_or(|only| only.above.contains(folder) || only.covers(folder));
        named && self.filter.enters(&shown_path(folder)) && !self.ignores(folder, true)
    }

    /// Whether the entry at a path is compared, if the content of the folder above is.
    #[must_use]
    pub fn takes(&self, path: &RemotePath, entry: &Entry) -> bool {
        let named = self.only.as_ref().is_none_or(|only| only.covers(path));
        match entry.kind {
            // A folder that is only entered for some of its contents is not compared itself.
            Kind::Folder => named && !self.filter.includes() && self.enters(path),
            Kind::File => named && self.takes_file(path) && self.is_in_range(entry),
            Kind::Symlink | Kind::Other => named && self.takes_file(path),
        }
    }

    fn takes_file(&self, path: &RemotePath) -> bool {
        self.filter.takes_file(&shown_path(path)) && !self.ignores(path, false)
    }

    fn is_in_range(&self, entry: &Entry) -> bool {
        self.min_size.is_none_or(|least| entry.size >= least)
            && self.max_size.is_none_or(|most| entry.size <= most)
            && self.newer_than.is_none_or(|time| entry.mtime > time)
    }

    /// Whether a pattern leaves out the path itself. The deepest pattern file that matches decides.
    fn ignores(&self, path: &RemotePath, folder: bool) -> bool {
        let matched = |patterns: &Gitignore, path: &RemotePath| match patterns.matched(shown_path(path), folder) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        };
        if let Some(ignored) = self.patterns.as_ref().and_then(|patterns| matched(patterns, path)) {
            return ignored;
        }
        if self.ignores.is_empty() {
            return false;
        }
        let mut above = path.parent();
        while let Some(at) = above {
            let decided = self.ignores.get(&at).and_then(|patterns| matched(patterns, &below(path, &at)));
            if let Some(ignored) = decided {
                return ignored;
            }
            above = at.parent();
        }
        false
    }
}

impl Only {
    fn covers(&self, path: &RemotePath) -> bool {
        std::iter::successors(Some(path.clone()), RemotePath::parent).any(|path| self.named.contains(&path))
    }
}

fn add(builder: &mut GitignoreBuilder, file: &str, text: &str) -> Result<(), BadPattern> {
    for line in text.lines() {
        builder.add_line(None, line).map_err(|error| BadPattern { file: file.to_owned(), error })?;
    }
    Ok(())
}

/// The path relative to a folder above it.
fn below(path: &RemotePath, folder: &RemotePath) -> RemotePath {
    let names: Vec<&[u8]> = path.names().skip(folder.depth()).collect();
    RemotePath::from_wire(&names.join(&b'/')).unwrap_or_default()
}
