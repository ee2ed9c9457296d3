//! Decides the next step of an item after each event. Pure: the caller carries the step out.

use ferry_shared::{digest::Digest, entry::Kind, limits::BLOCK_SIZE};

use super::{
    conflict::{Conflict, ConflictRule, FileFacts, Verdict, at_precision, is_keep_both_name, judge, keep_both_name},
    event::{Failure, Outcome, Proof, Skip},
    item::{Done, Item, NO_MODE, Step},
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    reconnect::Patience,
    site::{Dates, Found, Replace},
};

/// The highest number that is tried in a name for keeping both files.
const MOST_BESIDE: u32 = 10_000;
/// How often the file at the target may change between the decision and the replacement.
const MOST_RECONSIDERED: u8 = 5;

/// The error at a site that replaces in place, when the rule keeps an existing file that may be a part.
const TORN: &str = "the file there may be a part that an interrupted attempt left";

/// The decision about an item.
#[derive(Debug)]
pub(super) enum Next {
    /// Carry out its step, unless it was paused or cancelled meanwhile.
    Again(Item),
    /// Hold it until the conflict is answered.
    Ask(Item, Conflict),
    /// The item is done.
    Done(Item, Outcome),
}

/// Continues with `found` at the item's target. `differs`: the contents were compared and are not equal.
pub(super) fn found(mut item: Item, found: Option<Found>, differs: bool) -> Next {
    item.see(found.as_ref());
    match found {
        // The file to be replaced has not changed, and its version is now known.
        Some(found) if matches!(item.step, Step::Stat(Some(agreed)) if agreed == found.facts) => {
            item.step = Step::Replace(Some(found.facts));
            start(item)
        }
        Some(found) => {
            let rule = item.task.rule(&item.path);
            meet(item, found.kind, found.facts, differs, rule, false)
        }
        None => {
            item.step = Step::Fresh;
            start(item)
        }
    }
}

/// As [`found`], with the digests of source and target if both are remembered.
pub(super) fn remembered(mut item: Item, found: Option<Found>, digests: Option<(Digest, Digest)>) -> Next {
    let (Some(there), Some((source, target))) = (&found, digests) else { return self::found(item, found, false) };
    if !item.task.may_trust_digests() || there.kind != Kind::File {
        return self::found(item, found, false);
    }
    if source != target || item.facts.size != there.facts.size {
        return self::found(item, found, true);
    }
    let rule = item.task.rule(&item.path);
    let precision = item.task.to.abilities.mtime;
    // Without the digests, large files would not be compared first, because a transfer compares their blocks.
    match judge(rule, &item.facts, &there.facts, precision, false, false) {
        Verdict::Compare => {
            item.see(Some(there));
            (item.step, item.remembered) = (Step::Compare(there.facts), true);
            compared(item, source, target)
        }
        _ => self::found(item, found, false),
    }
}

/// Continues after the item's conflict was answered.
pub(super) fn decided(item: Item, conflict: &Conflict, rule: ConflictRule) -> Next {
    meet(item, Kind::File, conflict.target, true, rule, true)
}

/// Decides again, a limited number of times, because the file at the target changed after the decision.
pub(super) fn reconsidered(mut item: Item) -> Next {
    (item.step, item.target_version) = (Step::Stat(None), None);
    item.reconsidered = item.reconsidered.saturating_add(1);
    if item.reconsidered <= MOST_RECONSIDERED {
        return Next::Again(item);
    }
    let error = ClientError::obstructed(Obstacle::Changed, "the file at the target changes again and again");
    Next::Done(item, Outcome::Failed(Failure { error, retryable: true }))
}

/// Applies `rule` to an existing target. `asked`: a person chose the rule for this very target.
fn meet(mut item: Item, kind: Kind, target: FileFacts, differs: bool, rule: ConflictRule, asked: bool) -> Next {
    let is_file = kind == Kind::File;
    // Contents that cannot be compared count as different.
    let compared = differs;
    let differs = differs || !is_file || !item.can_compare();
    // A site that replaces in place may hold a part from an earlier attempt under the final name.
    let torn = item.task.to.abilities.replace == Replace::InPlace && (item.unanswered || item.sent > 0);
    if item.beside.is_some() {
        if differs || item.facts.size != target.size {
            return if torn { fail(item, Obstacle::Exists, TORN) } else { beside(item) };
        }
        item.step = Step::Compare(target);
        return Next::Again(item);
    }
    if kind == Kind::Folder {
        return fail(item, Obstacle::IsFolder, "a folder of that name is in the way");
    }
    if kind == Kind::Other && !matches!(rule, ConflictRule::Skip | ConflictRule::KeepBoth) {
        return fail(item, Obstacle::BadPath, "a device, FIFO or socket is there, and those are never replaced");
    }
    let negotiates = is_file && item.negotiates();
    let precision = item.task.to.abilities.mtime;
    let judged = |differs| judge(rule, &item.facts, &target, precision, differs, negotiates);
    let proves = item.unanswered || item.task.options.again || item.removes_source();
    let verdict = match judged(compared || !is_file) {
        // Size and time satisfy the rule, even if contents cannot be compared.
        Verdict::Unchanged if !proves => Verdict::Unchanged,
        _ => judged(differs),
    };
    let may_be_equal = !differs && item.facts.size == target.size;
    // This job, or the interrupted one that it continues, may have sent the existing file. Then the file is verified,
    // not skipped.
    let compares = match verdict {
        Verdict::Skip(_) => may_be_equal && (item.unanswered || item.task.options.again),
        Verdict::Unchanged => proves,
        _ => false,
    };
    // Only for sites with versions: a site without them would be asked again and again.
    let unseen = item.target_version.is_none() && item.task.to.abilities.only_if_unchanged;
    match if compares { Verdict::Compare } else { verdict } {
        Verdict::Compare => {
            item.step = Step::Compare(target);
            Next::Again(item)
        }
        Verdict::Unchanged => {
            let size = item.facts.size;
            Next::Done(item, Outcome::Unchanged { size })
        }
        // An answer, and a rule that compares dates, apply only to the file that was seen.
        Verdict::Replace if asked || rule == ConflictRule::Newer => replace_seen(item, target),
        Verdict::Replace => {
            item.step = Step::Replace(None);
            start(item)
        }
        Verdict::KeepBoth | Verdict::Skip(_) if torn => fail(item, Obstacle::Exists, TORN),
        Verdict::KeepBoth => beside(item),
        Verdict::Ask if item.task.options.dry_run => start(Item { step: Step::Replace(None), ..item }),
        // Get the version before asking: it lets the site distinguish this file from a later one.
        Verdict::Ask if unseen && !matches!(item.step, Step::Stat(_)) => {
            item.step = Step::Stat(None);
            Next::Again(item)
        }
        Verdict::Ask => {
            let conflict = Conflict { path: item.path.clone(), source: item.facts, target };
            item.step = Step::Stat(None);
            Next::Ask(item, conflict)
        }
        Verdict::Fail => fail(item, Obstacle::Exists, "another file of that name is there"),
        Verdict::Skip(why) => Next::Done(item, Outcome::Skipped(why)),
    }
}

/// Replaces the file that was seen, but no later one.
fn replace_seen(mut item: Item, seen: FileFacts) -> Next {
    if item.target_version.is_none() && !item.task.options.dry_run {
        item.step = Step::Stat(Some(seen));
        return Next::Again(item);
    }
    item.step = Step::Replace(Some(seen));
    start(item)
}

/// Carries out a transfer step, or only reports it in a dry run.
pub(super) fn start(item: Item) -> Next {
    if !item.task.options.dry_run {
        return Next::Again(item);
    }
    let outcome = match item.step {
        Step::Folder => Outcome::Folder,
        _ => Outcome::Would { size: item.facts.size, replaces: matches!(item.step, Step::Replace(_)) },
    };
    Next::Done(item, outcome)
}

/// Continues with equal contents: a rule that replaces still copies the source's attributes, if it replaces this target.
fn same(mut item: Item, target: &FileFacts) -> Next {
    let rule = item.task.rule(&item.path);
    let precision = item.task.to.abilities.mtime;
    let verdict = judge(rule, &item.facts, target, precision, true, item.negotiates());
    let keeps = matches!(verdict, Verdict::Skip(_)) || !rule.replaces() || item.has_attributes(target);
    if keeps || !item.task.options.keep_attributes || item.task.options.dry_run {
        return equal(item);
    }
    item.step = Step::Attributes(None);
    Next::Again(item)
}

/// Ends an item whose contents were compared and are equal.
pub(super) fn equal(item: Item) -> Next {
    let (size, remembered) = (item.facts.size, item.remembered);
    Next::Done(item, Outcome::Equal { size, remembered })
}

/// Continues after the source's time and permission bits were copied to a target with equal content.
pub(super) fn attributes_set(item: Item) -> Next {
    match item.step {
        Step::Attributes(Some(done)) => confirmed(item, done),
        _ => equal(item),
    }
}

/// Continues with the digests of both contents.
pub(super) fn compared(item: Item, source: Digest, target: Digest) -> Next {
    let Step::Compare(facts) = item.step else { return Next::Again(item) };
    match source == target {
        true if item.unanswered || item.removes_source() => {
            let root = source;
            let size = item.facts.size;
            let sent = match item.unanswered {
                true if size <= BLOCK_SIZE => size,
                _ => item.sent,
            };
            let done = Done { root, size, transferred: 0, reused: size, grown: None, proof: Proof::Digest };
            with_attributes(item, &facts, done.with_earlier(sent))
        }
        true => same(item, &facts),
        false => {
            let rule = item.task.rule(&item.path);
            meet(item, Kind::File, facts, true, rule, false)
        }
    }
}

/// Continues with a target that has the source's content and these facts. If the transfer was interrupted between the
/// content and its date, the attributes are set first.
fn with_attributes(mut item: Item, facts: &FileFacts, done: Done) -> Next {
    let precision = item.task.to.abilities.mtime;
    let is_dated = precision == Dates::None || facts.mtime == at_precision(item.facts.mtime, precision);
    if !item.unanswered || is_dated || !item.task.options.keep_attributes {
        return confirmed(item, done);
    }
    item.step = Step::Attributes(Some(done));
    Next::Again(item)
}

/// Continues with an existing folder: sets the permission bits of one that this job created.
pub(super) fn folder_made(mut item: Item) -> Next {
    if matches!(item.step, Step::Folder) && item.task.carries_modes() && item.mode != NO_MODE {
        item.step = Step::FolderMode;
        return Next::Again(item);
    }
    Next::Done(item, Outcome::Folder)
}

/// Ends a folder item whose date was set, or cannot be set.
pub(super) fn folder_dated(item: Item) -> Next {
    Next::Done(item, Outcome::Folder)
}

/// Ends the item of a link at whose place is something else, which the rule does not replace.
pub(super) fn link_obstructed(item: Item) -> Next {
    match item.task.rule(&item.path) {
        ConflictRule::Skip => Next::Done(item, Outcome::Skipped(Skip::Exists)),
        _ => fail(item, Obstacle::Exists, "a file, a folder or another link is in the place of this link"),
    }
}

/// Whether a finished item has left a useless part at its target: the last put did not complete, and no further one will
/// go on with its part.
pub(super) fn leaves_part(item: &Item, outcome: &Outcome) -> bool {
    let unwanted = match outcome {
        Outcome::Skipped(why) => matches!(why, Skip::Exists | Skip::NotNewer),
        Outcome::Verified { .. } | Outcome::Equal { .. } | Outcome::Unchanged { .. } => true,
        Outcome::Folder | Outcome::Link | Outcome::Would { .. } | Outcome::Failed(_) => false,
    };
    unwanted && item.begun && !item.task.is_stream() && item.beside.is_none()
}

/// Ends an item whose part was discarded. This outcome is not reported.
pub(super) fn discarded(item: Item) -> Next {
    Next::Done(item, Outcome::Skipped(Skip::Cancelled))
}

/// Tries the next name for keeping both files.
pub(super) fn beside(mut item: Item) -> Next {
    let (base, mut number) = match item.beside.take() {
        Some(boxed) => (boxed.0, boxed.1.saturating_add(1)),
        None => match item.path.target_name() {
            Some(name) => (name, 2),
            None => return fail(item, Obstacle::Exists, "no other name is possible"),
        },
    };
    let path = loop {
        let named = keep_both_name(&base, number).filter(|_| number <= MOST_BESIDE);
        let path = named.and_then(|name| item.path.with_target_name(name).ok()).filter(|path| path.to().is_some());
        let Some(path) = path else { return fail(item, Obstacle::Exists, "all names for keeping both are taken") };
        // Another file of this job may have this name already.
        if item.task.reserve(&path) {
            break path;
        }
        number += 1;
    };
    item.path = path;
    item.beside = Some(Box::new((base, number)));
    // A stat at a near site costs no round trip.
    let looks = item.task.to.abilities.near && !item.task.options.dry_run;
    item.step = if looks { Step::Stat(None) } else { Step::Fresh };
    start(item)
}

/// Continues with the name from the scan, unless an earlier item of the job took this name to keep both files.
pub(super) fn reserved(item: Item, proceed: impl FnOnce(Item) -> Next) -> Next {
    let may_clash = matches!(item.task.options.conflict, ConflictRule::Ask | ConflictRule::KeepBoth)
        && item.path.target_name().is_some_and(|name| is_keep_both_name(&name));
    if may_clash && !item.task.reserve(&item.path) { beside(item) } else { proceed(item) }
}

/// Continues with a file that is complete and durable at its target.
pub(super) fn arrived(mut item: Item, done: Done) -> Next {
    // Its part has become the file.
    item.begun = false;
    // Bytes that were written to a stream cannot be read again.
    // A site without digests that had one on request has read the file for it.
    let is_proven = done.proof == Proof::Digest && !item.task.to.abilities.digest;
    if item.task.options.verify && item.task.to.pool().is_some() && !is_proven {
        item.step = Step::Confirm(done);
        return Next::Again(item);
    }
    confirmed(item, done)
}

/// Continues with a stored file that was read back, or need not be.
pub(super) fn confirmed(mut item: Item, done: Done) -> Next {
    if item.removes_source() {
        item.step = Step::RemoveSource(done);
        return Next::Again(item);
    }
    verified(item, done)
}

/// Ends the item of a stored file.
pub(super) fn verified(item: Item, done: Done) -> Next {
    Next::Done(item, done.verified())
}

/// Continues after a transfer step failed: decides again if the target changed, and otherwise retries or fails.
pub(super) fn refused(mut item: Item, error: ClientError, patience: Patience) -> Next {
    match (error.obstacle(), &item.step) {
        (Obstacle::Exists, Step::Fresh) => {
            item.step = Step::Stat(None);
            Next::Again(item)
        }
        (Obstacle::Exists, Step::Replace(_)) | (Obstacle::Changed, Step::Replace(Some(_)))
            if !matches!(error, ClientError::SourceChanged) =>
        {
            reconsidered(item)
        }
        _ => failed(item, error, patience),
    }
}

/// Continues after a step failed: retries a transient failure while `patience` lasts.
pub(super) fn failed(mut item: Item, error: ClientError, patience: Patience) -> Next {
    if item.task.is_cancelled() {
        return if matches!(item.step, Step::Discard) { discarded(item) } else { Next::Again(item) };
    }
    if matches!(item.step, Step::RemoveSource(_)) && matches!(error, ClientError::SourceChanged) {
        // The present source was never read, so a retry must look at both ends again.
        (item.step, item.source_version, item.target_version) = (Step::Stat(None), None, None);
        return Next::Done(item, Outcome::Failed(Failure { error, retryable: true }));
    }
    // A stream that was read from or written to cannot be restarted.
    let retryable = error.is_transient() && (item.stream.is_some() || !item.task.is_stream());
    let mut again = retryable;
    if let Step::Confirm(done) = item.step
        && matches!(error, ClientError::Mismatch { .. })
    {
        (item.target_version, again) = (None, retryable && may_send_again(&mut item, done.size));
    }
    if again && item.tries.again(&error, patience) {
        return Next::Again(item);
    }
    Next::Done(item, Outcome::Failed(Failure { error, retryable }))
}

/// Whether to send a file again whose target differs from the stored content: it was damaged, or somebody else replaced
/// it. Only the stored file, recognized by size and date, is replaced; for any other file the rule decides.
fn may_send_again(item: &mut Item, size: u64) -> bool {
    let stored = FileFacts { size, mtime: at_precision(item.facts.mtime, item.task.to.abilities.mtime) };
    let dated = item.task.options.keep_attributes && item.task.to.abilities.mtime != Dates::None;
    item.step = Step::Stat(Some(stored).filter(|_| dated));
    // A rule that keeps existing files would keep the damaged one without an error.
    let rule = item.task.rule(&item.path);
    let decides = rule == ConflictRule::Ask || rule.replaces() && rule != ConflictRule::Newer;
    dated || decides && item.beside.is_none()
}

fn fail(item: Item, obstacle: Obstacle, message: &str) -> Next {
    failed(item, ClientError::obstructed(obstacle, message), Patience::NONE)
}

#[cfg(test)]
mod tests;
