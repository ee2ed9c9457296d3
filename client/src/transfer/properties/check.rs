//! The promises that must hold after a job, whatever happened during it.

use std::collections::{BTreeMap, BTreeSet};

use ferry_shared::{digest::Digest, entry::Mtime, name::Name, path::RemotePath};

use super::{
    case::{Case, Fault, Setting, Side, at_target},
    place::{Content, Picture, Thing},
    run::{Ended, Report},
};
use crate::{
    obstacle::Obstacle,
    site::{Dates, Folders, Proof, Replace},
    transfer::{ConflictRule, Decision, Outcome, Scope, Skip, Summary},
};

/// A case after its job.
struct After<'a> {
    case: &'a Case,
    setting: &'a Setting,
    report: &'a Report,
    source: Picture,
    target: Picture,
}

/// Checks everything.
pub(super) fn all(case: &Case, setting: &Setting, report: &Report) {
    let after = After { case, setting, report, source: setting.from.picture(), target: setting.to.picture() };
    let [summary] = &report.done[..] else { panic!("the end was reported {} times", report.done.len()) };
    if after.is_refused() {
        return after.nothing_was_begun(summary);
    }
    after.summary_agrees(summary);
    for ended in &report.ended {
        after.arrived_whole(ended);
        after.is_as_the_rule_says(ended);
        after.failed_for_a_reason(ended);
    }
    after.nothing_is_half_written();
    after.kept_files_are_unchanged();
    after.no_source_is_lost();
    after.pieces_are_reported_correctly(summary);
}

impl After<'_> {
    /// Whether the job is a move to a site that proves no content.
    fn is_refused(&self) -> bool {
        let options = &self.case.options;
        options.remove_source && !options.verify && !self.setting.to.abilities().digest
    }

    fn nothing_was_begun(&self, summary: &Summary) {
        assert_eq!(summary.error.as_ref().map(crate::ClientError::obstacle), Some(Obstacle::Unsupported));
        assert!(self.report.ended.is_empty() && self.report.pieces_done.is_empty(), "{:?}", self.report);
        assert_eq!(self.setting.to.faulty().map_or(0, crate::memory::Memory::operations), 0, "the target was used");
        assert!(self.source == self.setting.source && self.target == self.setting.target);
    }

    /// The figures agree with the events.
    fn summary_agrees(&self, summary: &Summary) {
        let (mut files, mut equal, mut unchanged, mut skipped, mut failed) = (0, 0, 0, 0, 0);
        let (mut bytes, mut transferred, mut reused, mut unproven, mut weakest) = (0, 0, 0, 0, None::<Proof>);
        for ended in &self.report.ended {
            match &ended.outcome {
                Outcome::Verified { size, transferred: sent, reused: kept, grown, proof, .. } => {
                    files += 1;
                    bytes += size;
                    transferred += sent;
                    reused += kept;
                    unproven += u64::from(grown.is_some_and(|grown| !grown.proven));
                    weakest = Some(weakest.map_or(*proof, |weakest| weakest.min(*proof)));
                    assert_eq!(sent + kept, *size, "{ended:?}");
                }
                Outcome::Equal { size, .. } => {
                    (files, equal, bytes, reused) = (files + 1, equal + 1, bytes + size, reused + size)
                }
                Outcome::Unchanged { .. } => unchanged += 1,
                Outcome::Skipped(_) => skipped += 1,
                Outcome::Failed(_) => failed += 1,
                Outcome::Folder => {}
                Outcome::Link => panic!("nobody asked to keep links"),
                Outcome::Would { .. } => panic!("nobody asked for a dry run"),
            }
        }
        let counted = (files, equal, unchanged, skipped, failed, unproven);
        let Summary { files, equal, unchanged, skipped, failed, unproven, .. } = *summary;
        assert_eq!(counted, (files, equal, unchanged, skipped, failed, unproven), "{:?}", self.report.ended);
        assert_eq!((bytes, transferred, reused), (summary.bytes, summary.transferred, summary.reused));
        assert_eq!(weakest, summary.proof);
        assert_eq!(summary.failed_pieces, self.report.pieces_failed.len() as u64);
        assert!(!summary.cancelled);
        assert_eq!(summary.error.is_some(), !self.report.pieces_failed.is_empty(), "{:?}", summary.error);
        assert_eq!(self.report.counted.len(), 1);
    }

    /// A verified file has content that the source had at one time, and the source's attributes.
    fn arrived_whole(&self, ended: &Ended) {
        let now = self.target.get(&ended.to);
        let content = now.and_then(|thing| thing.content.clone());
        match ended.outcome {
            Outcome::Verified { root, size, grown, proof, .. } => {
                let proven = !self.case.options.growing || grown.is_none();
                let contents = self.contents(&ended.from);
                // Appended bytes do not change the beginning.
                assert!(!proven || contents.iter().any(|content| digest(content) == root), "{ended:?}: {contents:?}");
                if self.wrote(Side::Target, &ended.to).is_empty() {
                    let content = content.unwrap_or_else(|| panic!("{ended:?} does not exist"));
                    assert_eq!((digest(&content), content.0.len() as u64), (root, size), "{ended:?}");
                    self.has_attributes(ended, now);
                }
                let best = match () {
                    () if self.setting.to.abilities().digest => Proof::Digest,
                    () if self.case.options.verify => Proof::ReadBack,
                    () => Proof::Size,
                };
                assert_eq!(proof, best, "{ended:?}");
            }
            Outcome::Equal { size, .. } if self.wrote(Side::Target, &ended.to).is_empty() => {
                let content = content.unwrap_or_else(|| panic!("{ended:?} does not exist"));
                assert_eq!(content.0.len() as u64, size);
                assert!(self.contents(&ended.from).contains(&content), "{ended:?}");
                assert!(self.setting.to.abilities().digest && self.setting.from.abilities().digest);
            }
            _ => {}
        }
    }

    /// Attributes are copied if both sites have them.
    fn has_attributes(&self, ended: &Ended, now: Option<&Thing>) {
        let (from, to) = (self.setting.from.abilities(), self.setting.to.abilities());
        let (Some(now), Some(source)) = (now, self.setting.source.get(&ended.from)) else { return };
        let changed = !self.wrote(Side::Source, &ended.from).is_empty();
        // A file that was equal already is changed only if the rule replaces.
        let replaced = !self.setting.target.get(&ended.to).is_some_and(|old| old.content == now.content);
        if !self.case.options.keep_attributes || changed || !replaced {
            return;
        }
        if to.mtime != Dates::None {
            assert_eq!(now.mtime, self.setting.to.date(source.mtime), "{ended:?}");
        }
        let usual = 0o644;
        match (from.mode_bits, to.mode_bits) {
            (true, true) => assert_eq!(now.mode, source.mode, "{ended:?}"),
            _ => assert_eq!(now.mode, usual, "{ended:?}"),
        }
    }

    /// Skipped and replaced files agree with the rule.
    fn is_as_the_rule_says(&self, ended: &Ended) {
        let rule = self.case.options.conflict;
        let old = self.setting.target.get(&ended.to);
        let untouched =
            self.wrote(Side::Target, &ended.to).is_empty() && self.wrote(Side::Source, &ended.from).is_empty();
        let answered = self.report.answered.iter().rfind(|answered| answered.item == ended.item);
        match &ended.outcome {
            Outcome::Skipped(Skip::Exists) => {
                let said = rule == ConflictRule::Skip || self.may_have_said(Decision::Skip);
                // If the answer was lost, the job's own file looks like another one without digests.
                let unknown = !self.case.faults.is_empty() && !self.can_compare();
                assert!(said && (old.is_some() || !untouched || unknown), "{ended:?}");
            }
            Outcome::Skipped(Skip::NotNewer) => {
                assert!(rule == ConflictRule::Newer || self.may_have_said(Decision::Newer))
            }
            Outcome::Unchanged { .. } => assert!(rule == ConflictRule::Changed && old.is_some() || !untouched),
            _ => {}
        }
        // An answer for several items may have come before this one.
        let each = self.report.answered.iter().all(|answered| answered.scope == Scope::This);
        if let Some(answered) = answered.filter(|answered| each && answered.decision == Decision::Skip) {
            assert!(!matches!(ended.outcome, Outcome::Verified { .. }) || answered.meddled.is_some(), "{ended:?}");
        }
        let source = self.setting.source.get(&ended.from);
        if let (Some(old), Some(source), true) = (old, source, untouched)
            && self.case.faults.is_empty()
            && rule == ConflictRule::Changed
            && old.content.is_some()
            && self.setting.to.abilities().mtime != Dates::None
            && self.setting.to.date(source.mtime) == old.mtime
            && old.content.as_ref().map(|content| content.0.len())
                == source.content.as_ref().map(|content| content.0.len())
            && !self.case.options.remove_source
        {
            assert!(matches!(ended.outcome, Outcome::Unchanged { .. }), "{ended:?}");
        }
    }

    /// No item fails because of a transient fault.
    fn failed_for_a_reason(&self, ended: &Ended) {
        let Outcome::Failed(failure) = &ended.outcome else { return };
        let obstacle = failure.error.obstacle();
        let gone = self.case.faults.iter().any(|(_, _, fault)| matches!(fault, Fault::Cut(false)));
        assert!(gone || !matches!(obstacle, Obstacle::Unreachable | Obstacle::Busy), "{ended:?}");
        let meddled = self.case.faults.iter().any(|(_, _, fault)| matches!(fault, Fault::Write(..)));
        let asked = self.report.answered.iter().any(|answered| answered.meddled.is_some());
        assert!(meddled || asked || !matches!(obstacle, Obstacle::Changed | Obstacle::Mismatch), "{ended:?}");
        assert!(obstacle != Obstacle::Fault && obstacle != Obstacle::Cancelled, "{ended:?}");
    }

    /// A part never has a target's name, except at a site that replaces in place; then a failure is reported.
    fn nothing_is_half_written(&self) {
        for (path, thing) in self.target.iter().filter(|(_, thing)| thing.half) {
            assert_eq!(self.setting.to.abilities().replace, Replace::InPlace, "{}", path.display());
            // A file that was interrupted after its last byte is complete, and was found to be equal.
            let content =
                |ended: &Ended| thing.content.as_ref().is_some_and(|now| self.contents(&ended.from).contains(now));
            let whole = self.report.ended.iter().any(|ended| ended.to == *path && content(ended));
            assert!(whole || self.has_failed(path), "{} is half written, and no failure was reported", path.display());
        }
    }

    fn has_failed(&self, target: &RemotePath) -> bool {
        self.report.ended.iter().any(|ended| ended.to == *target && matches!(ended.outcome, Outcome::Failed(_)))
    }

    fn kept_files_are_unchanged(&self) {
        let arrived: BTreeMap<&RemotePath, &Ended> = self
            .report
            .ended
            .iter()
            .filter(|ended| matches!(ended.outcome, Outcome::Verified { .. }))
            .map(|ended| (&ended.to, ended))
            .collect();
        let verified =
            self.report.ended.iter().filter(|ended| matches!(ended.outcome, Outcome::Verified { .. })).count();
        assert_eq!(arrived.len(), verified, "two files have one target: {:?}", self.report.ended);
        let replace = self.setting.to.abilities().replace;
        for (path, old) in &self.setting.target {
            let now = self.target.get(path);
            if old.content.is_none() {
                assert!(now.is_some_and(|now| now.content.is_none()), "the folder {} is gone", path.display());
                continue;
            }
            if !self.wrote(Side::Target, path).is_empty() {
                continue;
            }
            let same = now.is_some_and(|now| now.content == old.content);
            if let Some(ended) = arrived.get(path) {
                assert!(same || self.may_replace(ended, old), "{ended:?} replaced {old:?}");
                continue;
            }
            let failed =
                self.report.ended.iter().find(|ended| ended.to == *path && matches!(ended.outcome, Outcome::Failed(_)));
            let torn = replace != Replace::Atomic && failed.is_some();
            // The file was stored, but its source could not be removed, or the answer was lost.
            let content = now.and_then(|now| now.content.as_ref());
            let came = |ended: &Ended| content.is_some_and(|content| self.contents(&ended.from).contains(content));
            // Without digests it then looks like an existing file, and is skipped because of its new date.
            let unknown = !self.case.faults.is_empty() && !self.can_compare();
            let by_date = |ended: &&Ended| {
                let left_out = matches!(ended.outcome, Outcome::Unchanged { .. } | Outcome::Skipped(Skip::NotNewer));
                unknown && left_out && ended.to == *path
            };
            let ended = failed.or_else(|| self.report.ended.iter().find(by_date));
            let arrived = ended.is_some_and(|ended| came(ended) && self.may_replace(ended, old));
            assert!(same || torn || arrived, "{} was changed: {old:?}, now {now:?}", path.display());
            let touched =
                self.report.ended.iter().any(|ended| {
                    ended.to == *path && matches!(ended.outcome, Outcome::Equal { .. } | Outcome::Failed(_))
                });
            assert!(
                touched || arrived || now == Some(old) || self.was_dated(path),
                "{}: {old:?}, now {now:?}",
                path.display()
            );
        }
        self.files_of_others_are_kept();
        for (path, now) in
            self.target.iter().filter(|(path, now)| now.content.is_some() && !self.setting.target.contains_key(*path))
        {
            // If the answer was lost, the file looks like another one without digests, or after a change of its source.
            let unknown = |ended: &Ended| {
                let changed = !self.wrote(Side::Source, &ended.from).is_empty();
                !self.case.faults.is_empty() && (changed || !self.can_compare())
            };
            let came = |ended: &Ended| now.content.as_ref().is_some_and(|now| self.contents(&ended.from).contains(now));
            let left = self.report.ended.iter().any(|ended| unknown(ended) && came(ended));
            let ours = arrived.contains_key(path)
                || self.has_failed(path)
                || self.is_equal(path)
                || left
                || self.is_part(path);
            assert!(ours || !self.wrote(Side::Target, path).is_empty(), "{} appeared: {now:?}", path.display());
        }
    }

    /// Whether `path` is the part that a failed transfer left beside its target.
    fn is_part(&self, path: &RemotePath) -> bool {
        let part = |ended: &Ended| {
            let name = ended.to.name()?;
            ended.to.parent()?.join(&Name::new([b".", name.as_bytes(), b".ferry-part"].concat()).ok()?).ok()
        };
        let failed = |ended: &Ended| matches!(ended.outcome, Outcome::Failed(_));
        self.report.ended.iter().any(|ended| failed(ended) && part(ended).as_ref() == Some(path))
    }

    /// Whether an equal file got its source's date, the answer was lost, and the file is now skipped because of it.
    fn was_dated(&self, path: &RemotePath) -> bool {
        let now = self.target.get(path).map(|now| now.mtime);
        let dated = |ended: &Ended| {
            let by_date = matches!(ended.outcome, Outcome::Unchanged { .. } | Outcome::Skipped(Skip::NotNewer));
            let date = self.setting.source.get(&ended.from).map(|source| self.setting.to.date(source.mtime));
            ended.to == *path && by_date && (now == date || !self.wrote(Side::Source, &ended.from).is_empty())
        };
        !self.case.faults.is_empty() && self.case.options.keep_attributes && self.report.ended.iter().any(dated)
    }

    fn can_compare(&self) -> bool {
        self.setting.from.abilities().digest && self.setting.to.abilities().digest
    }

    fn is_equal(&self, path: &RemotePath) -> bool {
        self.report.ended.iter().any(|ended| ended.to == *path && matches!(ended.outcome, Outcome::Equal { .. }))
    }

    /// A file that somebody else wrote to a target is kept if the rule keeps existing files, or if an answer was for an
    /// earlier file.
    fn files_of_others_are_kept(&self) {
        let to = self.setting.to.abilities();
        let keeps =
            matches!(self.case.options.conflict, ConflictRule::Skip | ConflictRule::Fail | ConflictRule::KeepBoth);
        let safe = to.replace != Replace::InPlace;
        for (_, path, content) in self.report.meddled.iter().filter(|(side, ..)| *side == Side::Target && keeps && safe)
        {
            let last = self.wrote(Side::Target, path).last().cloned().flatten();
            if last == *content && content.is_some() {
                let now = self.target.get(path).and_then(|thing| thing.content.clone());
                assert_eq!(now, *content, "{} was overwritten", path.display());
            }
        }
        for (place, answered) in self.report.answered.iter().enumerate() {
            let Some(new) = answered.meddled.as_ref().filter(|_| to.only_if_unchanged && safe) else { continue };
            let later = &self.report.answered[place + 1..];
            let again = later.iter().any(|later| later.item == answered.item || later.scope != Scope::This);
            let others = self.wrote(Side::Target, &answered.to).len() > 1;
            let wide = self.report.answered.iter().any(|answered| answered.scope != Scope::This);
            let now = self.target.get(&answered.to).and_then(|thing| thing.content.as_ref());
            assert!(again || others || wide || now == Some(new), "{answered:?} held for another file: {now:?}");
        }
    }

    /// Whether the rule or an answer lets a file replace this one.
    fn may_replace(&self, ended: &Ended, old: &Thing) -> bool {
        let source = &self.setting.source[&ended.from];
        let date = |mtime: Mtime| self.setting.to.date(mtime);
        let newer = date(source.mtime) > old.mtime || !self.wrote(Side::Source, &ended.from).is_empty();
        match self.case.options.conflict {
            ConflictRule::Replace | ConflictRule::Different | ConflictRule::Changed => true,
            ConflictRule::Newer => newer,
            ConflictRule::Ask => self.may_have_said(Decision::Replace) || self.may_have_said(Decision::Newer) && newer,
            ConflictRule::Skip | ConflictRule::KeepBoth | ConflictRule::Fail => false,
        }
    }

    fn may_have_said(&self, decision: Decision) -> bool {
        self.report.answered.iter().any(|answered| answered.decision == decision)
    }

    fn no_source_is_lost(&self) {
        let from = self.setting.from.abilities();
        for (path, old) in &self.setting.source {
            let wrote = self.wrote(Side::Source, path);
            let last = wrote.last().cloned().unwrap_or_else(|| old.content.clone());
            let now = self.source.get(path);
            if let Some(now) = now {
                assert_eq!(now.content, last, "{} was changed", path.display());
                // Removing an entry changes the date of its folder.
                let emptied = old.content.is_none() && self.case.options.remove_source;
                assert!(!wrote.is_empty() || emptied || now == old, "{}: {old:?}, now {now:?}", path.display());
                continue;
            }
            if !wrote.is_empty() && last.is_none() {
                continue;
            }
            assert!(self.case.options.remove_source, "{} is gone", path.display());
            let Some(content) = last else {
                let inside = self.source.keys().find(|other| *other != path && other.starts_with(path));
                assert!(inside.is_none(), "{inside:?} is gone with its folder");
                continue;
            };
            let ended = self.report.ended.iter().find(|ended| ended.from == *path);
            let ended = ended.unwrap_or_else(|| panic!("{} is gone, but was not reported", path.display()));
            match &ended.outcome {
                Outcome::Verified { proof, .. } => assert!(proof.allows_removal(), "{ended:?}"),
                // The answer to its removal was lost, and the site is unreachable.
                Outcome::Failed(_) => {}
                outcome => panic!("{} is gone: {outcome:?}", path.display()),
            }
            let there = self.target.get(&ended.to).and_then(|thing| thing.content.clone());
            // A site without conditional removal is checked right before it, and the file may change after that.
            let unseen = !from.only_if_unchanged && !wrote.is_empty();
            let theirs = !self.wrote(Side::Target, &ended.to).is_empty();
            assert!(unseen || theirs || there == Some(content), "{} is lost: {ended:?}", path.display());
        }
    }

    fn pieces_are_reported_correctly(&self, summary: &Summary) {
        let done: BTreeSet<usize> = self.report.pieces_done.iter().copied().collect();
        assert_eq!(done.len(), self.report.pieces_done.len(), "a piece was reported twice");
        for (number, (from, _)) in self.setting.pieces.iter().enumerate() {
            let refused = self.report.pieces_failed.contains(&number);
            let ended: Vec<&Ended> = self.report.ended.iter().filter(|ended| ended.piece == number).collect();
            let failed = ended.iter().any(|ended| matches!(ended.outcome, Outcome::Failed(_)));
            assert_eq!(
                done.contains(&number),
                !refused && !failed && summary.error.as_ref().is_none_or(|_| summary.failed_pieces > 0),
                "piece {number}"
            );
            if !done.contains(&number) {
                continue;
            }
            for (path, thing) in self.setting.source.iter().filter(|(path, _)| path.starts_with(from)) {
                let written =
                    self.report.meddled.iter().any(|(side, other, _)| *side == Side::Source && other.starts_with(path));
                if written {
                    continue;
                }
                let count = ended.iter().filter(|ended| ended.from == *path).count();
                match &thing.content {
                    Some(_) => assert_eq!(count, 1, "{} was reported {count} times", path.display()),
                    None => self.folder_is_there(path, thing),
                }
            }
            let all = ended.iter().all(|ended| matches!(ended.outcome, Outcome::Verified { .. } | Outcome::Folder));
            let none_added = self.report.meddled.is_empty();
            if self.case.options.remove_source && all && none_added && self.case.faults.is_empty() {
                let left = self.source.keys().find(|path| path.starts_with(from));
                assert!(left.is_none(), "{left:?} was moved, but still exists");
            }
        }
    }

    fn folder_is_there(&self, source: &RemotePath, folder: &Thing) {
        let (from, to) = (self.setting.from.abilities(), self.setting.to.abilities());
        if to.folders == Folders::Implied || from.folders == Folders::Implied {
            return;
        }
        let path = at_target(source);
        let Some(now) = self.target.get(&path) else { panic!("the folder {} does not exist", path.display()) };
        assert!(now.content.is_none());
        if self.case.options.keep_attributes && to.mtime != Dates::None && from.mtime != Dates::None {
            assert_eq!(now.mtime, self.setting.to.date(folder.mtime), "the date of the folder {}", path.display());
        }
        if self.case.options.keep_attributes
            && from.mode_bits
            && to.mode_bits
            && !self.setting.target.contains_key(&path)
        {
            // The folder of a piece, and one that somebody else created, get the site's own bits.
            let whole = self.case.whole && source.depth() == 1;
            let theirs =
                self.report.meddled.iter().any(|(side, other, _)| *side == Side::Target && other.starts_with(&path));
            assert!(whole || theirs || now.mode == folder.mode, "the bits of the folder {}", path.display());
        }
    }

    /// The contents that somebody else put at a path, in order.
    fn wrote(&self, side: Side, path: &RemotePath) -> Vec<Option<Content>> {
        let there = self.report.meddled.iter().filter(|(where_, other, _)| *where_ == side && other == path);
        there.map(|(_, _, content)| content.clone()).collect()
    }

    /// All contents that a source had.
    fn contents(&self, source: &RemotePath) -> Vec<Content> {
        let first = self.setting.source.get(source).and_then(|thing| thing.content.clone());
        first.into_iter().chain(self.wrote(Side::Source, source).into_iter().flatten()).collect()
    }
}

fn digest(content: &Content) -> Digest {
    Digest::of(&content.0)
}
