//! The plan of a sync: what has to be copied and removed so that the target becomes like the source. Pure.

mod compare;
mod gone;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
};

use super::{listing::Listing, select::Select};
use crate::{
    error::ClientError,
    site::{Abilities, Version},
    transfer::LinkRule,
};

/// The rules of a sync.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Remove what the source does not have.
    pub delete: bool,
    /// The treatment of symbolic links at the source. Links that are followed are entries of their targets' kinds.
    pub links: LinkRule,
    /// The abilities of the source's site.
    pub from: Abilities,
    /// The abilities of the target's site.
    pub to: Abilities,
}

/// How files of the same size are compared.
#[derive(Debug, Clone, Copy)]
pub enum Compare<'a> {
    /// By size and date, at the precision of both sites.
    Date,
    /// By content: whether the files at these paths are equal. Other files of the same size are [undecided](
    /// Plan::undecided).
    Content(&'a BTreeMap<RemotePath, bool>),
}

/// Why an entry is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The target does not have it.
    New,
    /// The size differs.
    Size,
    /// The date differs; for a folder, only the date is set.
    Date,
    /// The size is the same and the content differs.
    Content,
    /// Something of another kind is at the target, and is removed first.
    Kind,
}

/// An entry of the source to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The entry.
    pub entry: Entry,
    /// Why it is copied.
    pub why: Why,
}

/// An entry of the target to be removed.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// Its path.
    pub path: RemotePath,
    /// The entry as it was listed.
    pub entry: Entry,
    /// The version that was seen, if the site reports versions of such entries.
    pub seen: Option<Version>,
}

/// A path that cannot be made equal, or at which nothing is removed. The sync goes on with the others.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The path.
    pub path: RemotePath,
    /// The cause.
    pub cause: Cause,
}

impl Problem {
    /// The source cannot be read at a path.
    pub(super) fn source(path: &RemotePath, error: ClientError) -> Self {
        Self { path: path.clone(), cause: Cause::Source(error) }
    }
}

/// The cause of a problem.
#[derive(Debug, Clone)]
pub enum Cause {
    /// The source cannot be read there. Nothing below is removed.
    Source(ClientError),
    /// The target cannot be read there. Nothing below is removed.
    Target(ClientError),
    /// The source's listing ended early. Nothing below is removed.
    SourceCut,
    /// The target's listing ended early. Nothing below is removed.
    TargetCut,
    /// The target cannot have a file of this name. Nothing is removed from its folder.
    Name,
    /// One of the ends has a name that is not possible at other sites, shown here. Nothing is removed from its folder.
    OddName(String),
    /// A symbolic link at the source, and no rule for links was given.
    Symlink,
    /// A symbolic link at the source to a folder that contains it.
    LinkLoop,
    /// A symbolic link at the source to a folder, at a site that does not follow such links.
    LinkToFolder,
    /// A FIFO, socket or device at the source.
    Special,
    /// Something of another kind is at the target, and is not removed.
    InTheWay,
    /// Another file is there than the one that was listed; it is not removed.
    Changed,
    /// The entry would be removed, and cannot be backed up.
    NoBackup,
}

/// The changes that make the target like the source.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The files and folders to copy first.
    pub copies: BTreeMap<RemotePath, Copy>,
    /// The files and folders to copy after the deletions, because something of another kind is in their way.
    pub blocked: BTreeMap<RemotePath, Copy>,
    /// The entries to remove once everything has been copied, contents before their folders.
    pub deletions: Vec<Deletion>,
    /// The paths that cannot be made equal.
    pub problems: Vec<Problem>,
    /// The files of the same size whose contents have to be compared before the plan is complete.
    pub undecided: Vec<RemotePath>,
    /// The files that need no work.
    pub unchanged: u64,
    /// The files, links and other entries of the source that were compared, apart from folders.
    pub at_source: u64,
    /// The entries of the target.
    pub at_target: u64,
}

/// A reason to ask before anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// There is no file at the source.
    EmptySource {
        /// The number of entries that would be removed.
        deletions: u64,
    },
    /// More entries would be removed than allowed.
    Many {
        /// The number of entries that would be removed.
        deletions: u64,
        /// The number of entries at the target.
        of: u64,
        /// The maximum number.
        most: u64,
    },
}

impl Plan {
    /// Compares two listings.
    #[must_use]
    pub fn new(from: &Listing, to: &Listing, select: &Select, rules: &Rules, compare: Compare<'_>) -> Self {
        let mut plan = Self { at_target: to.count(), ..Self::default() };
        let gone = compare::run(&mut plan, from, to, select, rules, compare);
        gone::run(&mut plan, to, select, rules, gone);
        plan
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.blocked.is_empty() && self.deletions.is_empty()
    }

    /// Whether any file of the target is replaced or removed.
    #[must_use]
    pub fn takes_away(&self) -> bool {
        let replaces = |copy: &Copy| copy.entry.kind == Kind::File && copy.why != Why::New;
        !self.deletions.is_empty() || self.copies.values().any(replaces)
    }

    /// The reason to ask before anything is done; `most` is the maximum number of deletions, by default half of the
    /// entries at the target.
    #[must_use]
    pub fn doubt(&self, most: Option<u64>) -> Option<Doubt> {
        let (deletions, of) = (self.deletions.len() as u64, self.at_target);
        let most = most.unwrap_or(of / 2);
        match deletions {
            0 => None,
            _ if self.at_source == 0 => Some(Doubt::EmptySource { deletions }),
            _ if deletions > most => Some(Doubt::Many { deletions, of, most }),
            _ => None,
        }
    }

    /// The plan without the entries at some paths and everything below them. A folder of which only the date differs is
    /// left out alone.
    #[must_use]
    pub fn without(&self, left_out: &BTreeSet<RemotePath>) -> Self {
        let mut plan = self.clone();
        if left_out.is_empty() {
            return plan;
        }
        let is_left_out = |path: &RemotePath| left_out.contains(path) || self.is_inside(path, left_out);
        plan.copies.retain(|path, _| !is_left_out(path));
        let kept = self.deletions.iter().filter(|deletion| is_left_out(&deletion.path));
        // The folders above an entry that stays, stay too, and what any of them blocks cannot be copied.
        let stays: BTreeSet<RemotePath> =
            kept.flat_map(|kept| above(&kept.path).chain([kept.path.clone()]).collect::<Vec<_>>()).collect();
        plan.deletions.retain(|deletion| !stays.contains(&deletion.path));
        let removed: BTreeSet<&RemotePath> = self.deletions.iter().map(|deletion| &deletion.path).collect();
        let is_blocked = |path: &RemotePath| stays.contains(path) && removed.contains(path);
        plan.blocked.retain(|path, _| {
            !is_left_out(path) && !is_blocked(path) && !above(path).any(|folder| is_blocked(&folder))
        });
        plan
    }

    /// Whether a folder around `path` is left out with everything in it.
    #[must_use]
    pub fn is_inside(&self, path: &RemotePath, left_out: &BTreeSet<RemotePath>) -> bool {
        let is_date = |path: &RemotePath| {
            self.copies.get(path).is_some_and(|copy| copy.entry.kind == Kind::Folder && copy.why == Why::Date)
        };
        above(path).any(|folder| left_out.contains(&folder) && !is_date(&folder))
    }

    /// The plan without deletions, and without the copies that need them.
    #[must_use]
    pub fn without_deletions(&self) -> Self {
        Self { deletions: Vec::new(), blocked: BTreeMap::new(), ..self.clone() }
    }

    /// Keeps the links and special files that would be removed or replaced, and the folders above them, because they
    /// cannot be backed up.
    pub(super) fn keep_without_backup(&mut self, target: &Listing) {
        let is_link = |path: &RemotePath| target.entry(path).is_some_and(|entry| entry.kind == Kind::Symlink);
        let replaced: Vec<RemotePath> = self.copies.keys().filter(|path| is_link(path)).cloned().collect();
        for path in replaced {
            self.copies.remove(&path);
            self.problem(&path, Cause::NoBackup);
        }
        let is_kept = |deletion: &&Deletion| matches!(deletion.entry.kind, Kind::Symlink | Kind::Other);
        let kept: Vec<RemotePath> = self.deletions.iter().filter(is_kept).map(|kept| kept.path.clone()).collect();
        for path in kept {
            self.keep(&path);
            self.problem(&path, Cause::NoBackup);
        }
    }

    /// Keeps the entry at a path with the folders above it, so that nothing that it blocks can be copied.
    pub(super) fn keep(&mut self, path: &RemotePath) {
        self.deletions.retain(|deletion| !path.starts_with(&deletion.path));
        self.blocked.retain(|blocked, _| !blocked.starts_with(path) && !path.starts_with(blocked));
    }

    fn problem(&mut self, path: &RemotePath, cause: Cause) {
        self.problems.push(Problem { path: path.clone(), cause });
    }
}

/// The folders above a path, the innermost first.
fn above(path: &RemotePath) -> impl Iterator<Item = RemotePath> + use<> {
    std::iter::successors(path.parent(), RemotePath::parent)
}
