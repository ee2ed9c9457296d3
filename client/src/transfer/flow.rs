//! How an item goes on after each thing that can happen to it. Pure: who calls does it.

use ferry_shared::{
    digest::Digest,
    entry::Kind,
    limits::BLOCK_SIZE,
    name::Name,
    refusal::{Code, Refusal},
};

use super::{
    conflict::{Conflict, ConflictRule, FileFacts, Verdict, is_keep_both_name, judge, keep_both_name},
    event::{Failure, Outcome, Skip},
    item::{Done, Item, NO_MODE, Step},
    local::{folder::Found, name::local_name},
};
use crate::{error::ClientError, reconnect::Patience};

/// The most names beside a taken one that are tried.
const MOST_BESIDE: u32 = 10_000;
/// How often what is at the target may change between decision and deed.
const MOST_RECONSIDERED: u8 = 5;

/// How an item goes on.
#[derive(Debug)]
pub(super) enum Next {
    /// Its step is to be done, or, where it was stopped meanwhile, what that calls for.
    Again(Item),
    /// It waits for an answer.
    Ask(Item, Conflict),
    /// It is through.
    Done(Item, Outcome),
}

/// It was looked what is at the item's target; `differs`: and that is not the same content.
pub(super) fn found(mut item: Item, found: Option<Found>, differs: bool) -> Next {
    if !item.is_upload() {
        item.identity = found.and_then(|found| found.identity);
    }
    match found {
        // What it was decided to replace is still there as it was, and its version is known by now.
        Some(found) if matches!(item.step, Step::Look(Some(agreed)) if agreed == found.facts) => {
            item.step = Step::Replace(Some(found.facts));
            start(item)
        }
        Some(found) => {
            let rule = item.task.rule(&item.path);
            meet(item, found, differs, rule, false)
        }
        None => {
            item.step = Step::Fresh;
            start(item)
        }
    }
}

/// The item's conflict was answered.
pub(super) fn decided(item: Item, conflict: &Conflict, rule: ConflictRule) -> Next {
    let identity = item.identity;
    meet(item, Found { kind: Kind::File, facts: conflict.target, identity }, true, rule, true)
}

/// This turned out to be at the item's target, where the item may not replace it.
pub(super) fn in_the_way(item: Item, found: Option<Found>) -> Next {
    if item.beside.is_some() {
        return self::found(item, found, false);
    }
    match reconsidered(item) {
        Next::Again(item) => self::found(item, found, false),
        next => next,
    }
}

/// What the item was to replace is something else by now: it is decided anew, but not for ever.
fn reconsidered(mut item: Item) -> Next {
    item.step = Step::Look(None);
    item.reconsidered = item.reconsidered.saturating_add(1);
    if item.reconsidered <= MOST_RECONSIDERED {
        return Next::Again(item);
    }
    let error = Refusal::new(Code::Changed, "what is at the target changes again and again").into();
    Next::Done(item, Outcome::Failed(Failure { error, retryable: true }))
}

/// `asked`: a person saw what was found and said so.
fn meet(mut item: Item, found: Found, differs: bool, rule: ConflictRule, asked: bool) -> Next {
    let is_file = found.kind == Kind::File;
    if item.beside.is_some() {
        let maybe_equal = is_file && !differs && !item.task.is_stream() && item.facts.size == found.facts.size;
        if !maybe_equal {
            return beside(item);
        }
        item.step = Step::Compare(found.facts);
        return Next::Again(item);
    }
    if found.kind == Kind::Folder {
        return fail(item, Refusal::new(Code::IsDirectory, "a folder of that name is in the way"));
    }
    if found.kind == Kind::Other && !matches!(rule, ConflictRule::Skip | ConflictRule::KeepBoth) {
        let refusal = Refusal::new(Code::BadPath, "a device, FIFO or socket is there, and those are never replaced");
        return fail(item, refusal);
    }
    let differs = differs || !is_file || item.task.is_stream();
    let negotiates = is_file && item.negotiates();
    let verdict = judge(rule, &item.facts, &found.facts, differs, negotiates);
    let may_be_equal = !differs && item.facts.size == found.facts.size;
    // What is there may be what this very job sent, or did before it was begun again: then it is not
    // left out, it has arrived.
    let compares = match verdict {
        Verdict::Skip(_) => may_be_equal && (item.unanswered || item.task.options.again),
        Verdict::Unchanged => item.unanswered || item.task.options.again || item.removes_source(),
        _ => false,
    };
    match if compares { Verdict::Compare } else { verdict } {
        Verdict::Compare => {
            item.step = Step::Compare(found.facts);
            Next::Again(item)
        }
        Verdict::Unchanged => {
            let size = item.facts.size;
            Next::Done(item, Outcome::Unchanged { size })
        }
        // Who said that whatever is there goes means what is there then.
        Verdict::Replace if asked || rule == ConflictRule::Newer => replace_seen(item, found.facts),
        Verdict::Replace => {
            item.step = Step::Replace(None);
            start(item)
        }
        Verdict::KeepBoth => beside(item),
        Verdict::Ask if item.task.options.dry_run => start(Item { step: Step::Replace(None), ..item }),
        // Only a version names what is asked about so that the server can tell.
        Verdict::Ask if item.is_upload() && item.version.is_none() && !matches!(item.step, Step::Look(_)) => {
            item.step = Step::Look(None);
            Next::Again(item)
        }
        Verdict::Ask => {
            let conflict = Conflict { path: item.path.clone(), source: item.facts, target: found.facts };
            item.step = Step::Look(None);
            Next::Ask(item, conflict)
        }
        Verdict::Fail => fail(item, Refusal::new(Code::Exists, "another file of that name is there")),
        Verdict::Skip(why) => Next::Done(item, Outcome::Skipped(why)),
    }
}

/// The item goes in place of what was seen, and of nothing newer.
fn replace_seen(mut item: Item, seen: FileFacts) -> Next {
    if item.is_upload() && item.version.is_none() && !item.task.options.dry_run {
        // Only a version names what was seen so that the server can tell.
        item.step = Step::Look(Some(seen));
        return Next::Again(item);
    }
    item.step = Step::Replace(Some(seen));
    start(item)
}

/// The item's step is a transfer: it is done, or in a dry run told.
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

/// The contents are equal: what the rule would replace gets the source's attributes all the same.
fn same(mut item: Item) -> Next {
    let rule = item.task.rule(&item.path);
    if !rule.replaces() || !item.task.options.keep_attributes || item.task.options.dry_run {
        return equal(item);
    }
    item.step = Step::Attributes;
    Next::Again(item)
}

/// The contents are equal: they were compared.
pub(super) fn equal(item: Item) -> Next {
    let size = item.facts.size;
    Next::Done(item, Outcome::Equal { size })
}

/// The target, whose content is equal, has the source's time and permission bits; unless it is another file by now.
pub(super) fn attributes_set(item: Item, set: bool) -> Next {
    if set { equal(item) } else { reconsidered(item) }
}

/// The contents were compared.
pub(super) fn compared(item: Item, local: Option<Digest>, remote: Digest) -> Next {
    let Step::Compare(target) = item.step else { return Next::Again(item) };
    let found = Found { kind: Kind::File, facts: target, identity: item.identity };
    match local {
        Some(root) if root == remote && (item.unanswered || item.removes_source()) => {
            let size = item.facts.size;
            let sent = match item.unanswered {
                true if size <= BLOCK_SIZE => size,
                _ => item.travelled,
            };
            confirmed(item, Done { root, size, transferred: 0, reused: size, grown: None }.with_earlier(sent))
        }
        Some(root) if root == remote => same(item),
        Some(_) => self::found(item, Some(found), true),
        None => self::found(item, None, true),
    }
}

/// The folder is there.
pub(super) fn folder_made(mut item: Item) -> Next {
    let carries = item.task.options.keep_attributes && item.mode != NO_MODE;
    if matches!(item.step, Step::Folder) && item.is_upload() && carries {
        item.step = Step::FolderMode;
        return Next::Again(item);
    }
    Next::Done(item, Outcome::Folder)
}

/// The folder has its date, or is not there to have one.
pub(super) fn folder_dated(item: Item) -> Next {
    Next::Done(item, Outcome::Folder)
}

/// Whether an item that is through has left something at the server that is of no more use.
pub(super) fn leaves_part(item: &Item, outcome: &Outcome) -> bool {
    let unwanted = matches!(outcome, Outcome::Skipped(Skip::Exists | Skip::NotNewer) | Outcome::Equal { .. });
    unwanted && item.begun && item.is_upload() && !item.task.is_stream() && item.beside.is_none()
}

/// What was transferred of a given-up item is gone; nobody waits to hear of it.
pub(super) fn discarded(item: Item) -> Next {
    Next::Done(item, Outcome::Skipped(Skip::Cancelled))
}

/// The item goes on under the next name beside the taken one.
pub(super) fn beside(mut item: Item) -> Next {
    let (base, mut number) = match item.beside.take() {
        Some(boxed) => (boxed.0, boxed.1.saturating_add(1)),
        None => match target_name(&item) {
            Some(name) => (name, 2),
            None => return fail(item, Refusal::new(Code::Exists, "there is no name beside it")),
        },
    };
    let path = loop {
        let named = keep_both_name(&base, number).filter(|_| number <= MOST_BESIDE);
        let path = named.and_then(|name| match item.is_upload() {
            true => item.path.with_remote_name(&name).ok(),
            false => local_name(&name).ok().map(|name| item.path.with_local_name(name)),
        });
        let Some(path) = path else {
            return fail(item, Refusal::new(Code::Exists, "all names beside it are taken"));
        };
        // Another file of this job may be on its way to that name, or wait for its turn.
        if item.task.reserve(&path) {
            break path;
        }
        number += 1;
    };
    item.path = path;
    item.beside = Some(Box::new((base, number)));
    // Looking at this side costs nothing, asking the server a round trip.
    item.step = if item.is_upload() || item.task.options.dry_run { Step::Fresh } else { Step::Look(None) };
    start(item)
}

/// The item goes where the scan says, unless an earlier one of its job took that name to be
/// kept beside another.
pub(super) fn reserved(item: Item, go_on: impl FnOnce(Item) -> Next) -> Next {
    let may_clash = matches!(item.task.options.conflict, ConflictRule::Ask | ConflictRule::KeepBoth)
        && target_name(&item).is_some_and(|name| is_keep_both_name(&name));
    if may_clash && !item.task.reserve(&item.path) { beside(item) } else { go_on(item) }
}

fn target_name(item: &Item) -> Option<Name> {
    if item.is_upload() {
        item.path.remote().name()
    } else {
        super::local::name::remote_name(item.path.local_name()).ok()
    }
}

/// A file is at its target: whole and durable.
pub(super) fn arrived(mut item: Item, done: Done) -> Next {
    // What was written out cannot be read again.
    if item.task.options.verify && (item.is_upload() || !item.task.is_stream()) {
        item.step = Step::Confirm(done);
        return Next::Again(item);
    }
    confirmed(item, done)
}

/// A file that is at its target was read there again, or need not be.
pub(super) fn confirmed(mut item: Item, done: Done) -> Next {
    if item.removes_source() {
        item.step = Step::RemoveSource(done);
        return Next::Again(item);
    }
    verified(item, done)
}

/// Nothing is left to do for a file that is at its target.
pub(super) fn verified(item: Item, done: Done) -> Next {
    Next::Done(item, done.verified())
}

/// The server refused the item's step.
pub(super) fn refused(mut item: Item, refusal: Refusal, patience: Patience) -> Next {
    if refusal.code == Code::Exists && matches!(item.step, Step::Fresh) {
        item.step = Step::Look(None);
        return Next::Again(item);
    }
    if refusal.code == Code::Changed && item.is_upload() && matches!(item.step, Step::Replace(Some(_))) {
        item.version = None;
        return reconsidered(item);
    }
    failed(item, refusal.into(), patience)
}

/// The item's step failed. What may pass is tried again while there is patience.
pub(super) fn failed(mut item: Item, error: ClientError, patience: Patience) -> Next {
    if item.task.is_cancelled() {
        return if matches!(item.step, Step::Discard) { discarded(item) } else { Next::Again(item) };
    }
    if matches!(item.step, Step::RemoveSource(_)) && matches!(error, ClientError::SourceChanged) {
        // What is there now was never read. A retry looks at both sides anew.
        (item.step, item.version) = (Step::Look(None), None);
        return Next::Done(item, Outcome::Failed(Failure { error, retryable: true }));
    }
    // A stream that was read from, or written to, cannot be begun again.
    let retryable = error.is_transient() && (item.stream.is_some() || !item.task.is_stream());
    if matches!(item.step, Step::Confirm(_)) && matches!(error, ClientError::Mismatch { .. }) {
        item.step = Step::Replace(None);
    }
    if retryable && item.tries.again(&error, patience) {
        return Next::Again(item);
    }
    Next::Done(item, Outcome::Failed(Failure { error, retryable }))
}

fn fail(item: Item, refusal: Refusal) -> Next {
    failed(item, refusal.into(), Patience::NONE)
}
