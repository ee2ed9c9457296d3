//! Rules for targets that already exist, and names for keeping both files. Pure.

use ferry_shared::{entry::Mtime, limits::NAME_MAX, name::Name};

pub use crate::site::FileFacts;
use crate::{os_name::cut, site::Dates};

/// The rule of a job for targets that already exist.
///
/// Equal content is no conflict: whatever the rule, a target of the same size and digest keeps its content. If the rule
/// would have replaced it, it gets the source's time and permission bits. All rules but [`ConflictRule::Changed`]
/// compare the content before they call it equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConflictRule {
    /// Ask, and continue with other items meanwhile.
    Ask,
    /// Keep the existing file.
    Skip,
    /// Replace it.
    Replace,
    /// Replace it if the source was changed later.
    Newer,
    /// Replace it if the content differs.
    Different,
    /// Replace it if size or time differs; a file with the same size and time is not compared. Quick, but blind to
    /// changes that keep both.
    Changed,
    /// Give the new file another name.
    KeepBoth,
    /// Fail the item.
    Fail,
}

impl ConflictRule {
    /// Whether it may replace a file that differs.
    pub(super) fn replaces(self) -> bool {
        matches!(self, Self::Replace | Self::Newer | Self::Different | Self::Changed)
    }
}

/// A file that already exists at an item's target.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The item's path.
    pub path: super::path::ItemPath,
    /// The source file.
    pub source: FileFacts,
    /// The existing file. Its content is known to differ.
    pub target: FileFacts,
}

/// The answer to a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Replace the existing file (equal blocks are not sent again).
    Replace,
    /// Replace it if the source was changed later, else keep it.
    Newer,
    /// Keep the existing file.
    Skip,
    /// Give the new file another name.
    KeepBoth,
}

/// The conflicts of the job to which an answer applies, both future ones and those already asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// This one.
    This,
    /// All in the same folder.
    Folder,
    /// All files with the same extension.
    Kind,
    /// All.
    All,
}

impl From<Decision> for ConflictRule {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Replace => Self::Replace,
            Decision::Newer => Self::Newer,
            Decision::Skip => Self::Skip,
            Decision::KeepBoth => Self::KeepBoth,
        }
    }
}

/// The reason why an item was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The target exists, and the rule or an answer keeps it.
    Exists,
    /// The rule was newer-only and the target is not older.
    NotNewer,
    /// A symlink inside a folder; no rule for links was given.
    Symlink,
    /// A symlink inside a folder, left out on request.
    LinkAsAsked,
    /// A symlink that leads back to a folder that contains it.
    LinkLoop,
    /// A symlink on the server, inside a folder, that leads to a folder: these are not followed.
    LinkToFolder,
    /// A piece that `--include` or `--exclude` leaves out.
    Filtered,
    /// A FIFO, socket or device.
    Special,
    /// The other side cannot have a file of this name, or its path is too long there.
    UnusableName,
    /// The part of an unfinished download, not a file of the user's.
    Unfinished,
    /// Cancelled.
    Cancelled,
}

/// The decision of a rule about an existing target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Only digests can show whether the contents differ.
    Compare,
    /// Size and time are the same, which is enough for the rule.
    Unchanged,
    Replace,
    KeepBoth,
    Ask,
    Fail,
    Skip(Skip),
}

/// Judges an existing file by `rule`.
///
/// `differs`: the contents were compared and are not equal. `negotiates`: replacing sends
/// only blocks that differ anyway, so comparing first would read everything twice.
pub(super) fn judge(
    rule: ConflictRule,
    source: &FileFacts,
    target: &FileFacts,
    precision: Dates,
    differs: bool,
    negotiates: bool,
) -> Verdict {
    let maybe_equal = source.size == target.size && !differs;
    let (sent, there) = (at_precision(source.mtime, precision), at_precision(target.mtime, precision));
    let is_dated = precision != Dates::None && sent == there;
    match rule {
        ConflictRule::Skip => Verdict::Skip(Skip::Exists),
        ConflictRule::Newer if sent <= there => Verdict::Skip(Skip::NotNewer),
        // The dates of a site that sets them itself mean nothing.
        ConflictRule::Changed if maybe_equal && is_dated => Verdict::Unchanged,
        // A file of the same date is most likely equal; replacing it would write all of it again.
        _ if negotiates && rule.replaces() && !(maybe_equal && is_dated) => Verdict::Replace,
        _ if maybe_equal => Verdict::Compare,
        ConflictRule::Replace | ConflictRule::Newer | ConflictRule::Different | ConflictRule::Changed => {
            Verdict::Replace
        }
        ConflictRule::KeepBoth => Verdict::KeepBoth,
        ConflictRule::Ask => Verdict::Ask,
        ConflictRule::Fail => Verdict::Fail,
    }
}

/// A date, truncated to the precision of a site.
pub(crate) fn at_precision(mtime: Mtime, precision: Dates) -> Mtime {
    match precision {
        Dates::Seconds => Mtime(mtime.0, 0),
        Dates::Exact | Dates::None => mtime,
    }
}

/// The `number`th name for keeping a file beside `name`: `photo (2).jpg`.
///
/// If the whole would be too long, the part before the extension is cut at a character boundary.
#[must_use]
pub fn keep_both_name(name: &Name, number: u32) -> Option<Name> {
    let bytes = name.as_bytes();
    let dot = bytes.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0 && bytes.len() - dot <= 32);
    let (stem, extension) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let mark = format!(" ({number})");
    let stem = cut(stem, NAME_MAX.saturating_sub(mark.len() + extension.len()));
    Name::new([stem, mark.as_bytes(), extension].concat()).ok()
}

/// Whether `name` looks like a result of [`keep_both_name`].
pub(super) fn is_keep_both_name(name: &Name) -> bool {
    let bytes = name.as_bytes();
    let mut closing = bytes.iter().enumerate().filter(|(_, b)| **b == b')');
    closing.any(|(end, _)| {
        let digits = bytes[..end].iter().rev().take_while(|b| b.is_ascii_digit()).count();
        digits > 0 && bytes[..end - digits].ends_with(b" (")
    })
}

/// The extension, in lower case, which [`Scope::Kind`] compares; empty for none.
pub(super) fn kind_of(name: &[u8]) -> Vec<u8> {
    match name.iter().rposition(|b| *b == b'.') {
        Some(dot) if dot > 0 => name[dot..].to_ascii_lowercase(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: FileFacts = FileFacts { size: 5, mtime: Mtime(100, 0) };
    const NEW: FileFacts = FileFacts { size: 5, mtime: Mtime(100, 1) };
    const LONGER: FileFacts = FileFacts { size: 6, mtime: Mtime(100, 0) };

    fn first(rule: ConflictRule, source: FileFacts, target: FileFacts) -> Verdict {
        judge(rule, &source, &target, Dates::Exact, false, false)
    }

    fn compared(rule: ConflictRule, source: FileFacts, target: FileFacts) -> Verdict {
        judge(rule, &source, &target, Dates::Exact, true, false)
    }

    #[test]
    fn files_of_one_size_are_compared_before_anyone_is_asked() {
        let replacing = [ConflictRule::Replace, ConflictRule::Different, ConflictRule::Changed];
        for rule in [ConflictRule::Ask, ConflictRule::Fail, ConflictRule::KeepBoth].into_iter().chain(replacing) {
            assert_eq!(first(rule, NEW, OLD), Verdict::Compare);
            assert_ne!(first(rule, LONGER, OLD), Verdict::Compare);
            assert_ne!(compared(rule, NEW, OLD), Verdict::Compare);
        }
    }

    #[test]
    fn each_rule_does_what_it_says_where_contents_differ() {
        assert_eq!(compared(ConflictRule::Ask, NEW, OLD), Verdict::Ask);
        assert_eq!(compared(ConflictRule::Skip, NEW, OLD), Verdict::Skip(Skip::Exists));
        assert_eq!(compared(ConflictRule::Replace, NEW, OLD), Verdict::Replace);
        assert_eq!(compared(ConflictRule::KeepBoth, NEW, OLD), Verdict::KeepBoth);
        assert_eq!(compared(ConflictRule::Fail, NEW, OLD), Verdict::Fail);
        assert_eq!(compared(ConflictRule::Different, NEW, OLD), Verdict::Replace);
        assert_eq!(compared(ConflictRule::Changed, OLD, OLD), Verdict::Replace);
        assert_eq!(compared(ConflictRule::Newer, NEW, OLD), Verdict::Replace);
    }

    #[test]
    fn newer_compares_only_times() {
        assert_eq!(first(ConflictRule::Newer, OLD, NEW), Verdict::Skip(Skip::NotNewer));
        assert_eq!(first(ConflictRule::Newer, LONGER, OLD), Verdict::Skip(Skip::NotNewer));
        assert_eq!(first(ConflictRule::Newer, NEW, LONGER), Verdict::Replace);
    }

    #[test]
    fn only_the_rule_changed_takes_equal_size_and_time_for_enough() {
        assert_eq!(first(ConflictRule::Changed, OLD, OLD), Verdict::Unchanged);
        assert_eq!(first(ConflictRule::Changed, NEW, OLD), Verdict::Compare);
        assert_eq!(first(ConflictRule::Changed, LONGER, OLD), Verdict::Replace);
        assert_eq!(first(ConflictRule::Different, OLD, OLD), Verdict::Compare);
        assert_eq!(first(ConflictRule::Different, LONGER, OLD), Verdict::Replace);
    }

    #[test]
    fn each_answer_is_the_rule_of_its_name() {
        let rules = [Decision::Replace, Decision::Newer, Decision::Skip, Decision::KeepBoth].map(ConflictRule::from);
        let expected = [ConflictRule::Replace, ConflictRule::Newer, ConflictRule::Skip, ConflictRule::KeepBoth];
        assert_eq!(rules, expected);
    }

    #[test]
    fn a_replacement_that_negotiates_is_its_own_comparison() {
        for rule in [ConflictRule::Replace, ConflictRule::Newer, ConflictRule::Different, ConflictRule::Changed] {
            assert_eq!(judge(rule, &NEW, &OLD, Dates::Exact, false, true), Verdict::Replace);
        }
        assert_eq!(judge(ConflictRule::Fail, &NEW, &OLD, Dates::Exact, false, true), Verdict::Compare);
    }

    #[test]
    fn both_are_kept_under_names_that_fit_and_keep_the_extension() {
        let both = |name: &[u8], number| keep_both_name(&Name::new(name).unwrap(), number).unwrap();
        assert_eq!(both(b"photo.jpg", 2).as_bytes(), b"photo (2).jpg");
        assert_eq!(both(b"README", 3).as_bytes(), b"README (3)");
        assert_eq!(both(b".bashrc", 2).as_bytes(), b".bashrc (2)");
        let long = "ä".repeat(124) + ".jpeg";
        let name = both(long.as_bytes(), 12);
        assert!(name.as_bytes().len() <= NAME_MAX && name.as_bytes().ends_with(b" (12).jpeg"));
        assert!(std::str::from_utf8(name.as_bytes()).is_ok());
        assert_eq!(both(&[0xff; 255], 2).as_bytes().len(), 255);
    }

    #[test]
    fn a_name_that_keeps_both_is_recognized() {
        let is = |name: &[u8]| is_keep_both_name(&Name::new(name).unwrap());
        assert!(is(b"a (2).txt") && is(b"README (10)") && is(b"a (2).tar.gz"));
        assert!(!is(b"a (x).txt") && !is(b"a(2).txt") && !is(b"a ().txt") && !is(b"a (2.txt") && !is(b")"));
    }

    #[test]
    fn kinds_are_extensions_whatever_their_case() {
        assert_eq!(kind_of(b"a.JPG"), b".jpg");
        assert_eq!(kind_of(b".hidden"), b"");
        assert_eq!(kind_of(b"plain"), b"");
    }
}
