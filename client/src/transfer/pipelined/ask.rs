//! The request that carries out an item's step.

use super::{Side, stage::Stage};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    reconnect::Patience,
    site::{Content, Location, OnlyIf, Op, Put},
    transfer::{
        item::{Done, Item, Step},
        keep,
        transitions::{self, Next},
    },
};

/// How an item continues.
pub(super) enum Asked {
    /// With a request.
    Request {
        /// The item.
        item: Item,
        /// The side that it is sent to.
        side: Side,
        /// The request.
        op: Op,
        /// The purpose of the answer.
        stage: Stage,
    },
    /// Without a request.
    Next(Next),
}

/// The request for an item's step.
pub(super) fn step(item: Item) -> Asked {
    if item.task.is_cancelled() && !matches!(item.step, Step::Discard) {
        return Asked::Next(Next::Again(item));
    }
    let (Some(source), Some(target)) = (item.path.source(), item.path.target()) else { return not_for_streams(item) };
    match item.step {
        Step::Fresh | Step::Replace(_) => {
            let op = Op::Get { at: source, size: item.facts.size, growing: item.task.options.growing };
            asked(item, Side::Source, op, Stage::Get)
        }
        Step::Folder => {
            let op = Op::MakeFolder { at: target, private: item.task.carries_modes() };
            asked(item, Side::Target, op, Stage::Folder)
        }
        Step::FolderMode => {
            let op = Op::SetAttributes { at: target, mtime: None, mode: Some(item.mode), seen: None };
            asked(item, Side::Target, op, Stage::Folder)
        }
        Step::FolderDate => {
            let op = Op::SetAttributes { at: target, mtime: Some(item.facts.mtime), mode: None, seen: None };
            asked(item, Side::Target, op, Stage::FolderDate)
        }
        Step::Link => asked(item, Side::Source, Op::ReadLink { at: source }, Stage::ReadLink),
        Step::Stat(_) => asked(item, Side::Target, Op::Stat { at: target }, Stage::Target),
        Step::Compare(_) => compare(item, source, target),
        Step::Confirm(done) => asked(item, Side::Target, Op::Hash { at: target }, Stage::Confirm(done)),
        Step::Attributes(_) => attributes(item, target),
        Step::RemoveSource(done) => remove(item, source, done),
        Step::Discard => asked(item, Side::Target, Op::Discard { at: target }, Stage::Discard),
    }
}

/// The request for a step of a stream job, which has no location at one end. Its content is never pipelined.
fn not_for_streams(item: Item) -> Asked {
    match item.step {
        Step::Confirm(done) => match item.path.target() {
            Some(target) => asked(item, Side::Target, Op::Hash { at: target }, Stage::Confirm(done)),
            None => Asked::Next(transitions::confirmed(item, done)),
        },
        Step::Stat(_) => match item.path.target() {
            Some(target) => asked(item, Side::Target, Op::Stat { at: target }, Stage::Target),
            None => unsupported(item),
        },
        Step::Discard => match item.path.target() {
            Some(target) => asked(item, Side::Target, Op::Discard { at: target }, Stage::Discard),
            None => Asked::Next(transitions::discarded(item)),
        },
        _ => unsupported(item),
    }
}

fn unsupported(item: Item) -> Asked {
    let error = ClientError::obstructed(Obstacle::Unsupported, "a stream cannot do this");
    Asked::Next(transitions::failed(item, error, Patience::NONE))
}

pub(super) fn asked(item: Item, side: Side, op: Op, stage: Stage) -> Asked {
    Asked::Request { item, side, op, stage }
}

/// Compares the contents: first hashes the target, which may no longer exist, then the source.
fn compare(item: Item, source: Location, target: Location) -> Asked {
    let unseen = item.removes_source() && item.source_version.is_none() && item.task.from.abilities.only_if_unchanged;
    if unseen && !item.task.from.abilities.near {
        // An equal source will be removed, so its version must be known before the comparison.
        return asked(item, Side::Source, Op::Stat { at: source }, Stage::Source);
    }
    asked(item, Side::Target, Op::Hash { at: target }, Stage::TargetDigest)
}

/// Hashes the source, to compare it with the target's digest.
pub(super) fn compare_source(item: Item, target: ferry_shared::digest::Digest) -> Asked {
    match item.path.source() {
        Some(at) => asked(item, Side::Source, Op::Hash { at }, Stage::SourceDigest(target)),
        None => unsupported(item),
    }
}

fn attributes(item: Item, at: Location) -> Asked {
    let op = Op::SetAttributes {
        at,
        mtime: Some(item.facts.mtime),
        mode: item.mode_to_set(),
        seen: item.target_version.clone(),
    };
    asked(item, Side::Target, op, Stage::Attributes)
}

/// Removes the source if it still has the stored content.
fn remove(item: Item, at: Location, done: Done) -> Asked {
    if !done.proof.allows_removal() {
        let error = ClientError::obstructed(
            Obstacle::Unsupported,
            "it arrived, but this site cannot prove its content; the source stays (--verify reads the copy back)",
        );
        return Asked::Next(transitions::failed(item, error, Patience::NONE));
    }
    let (from, to) = (&item.task.from.abilities, &item.task.to.abilities);
    if from.near == to.near
        && let Some(at) = item.path.target()
    {
        // Two paths, or two addresses, may lead to one file, and removing one would remove the other.
        return asked(item, Side::Target, Op::Stat { at }, Stage::IsAnother(done));
    }
    remove_other(item, at, done)
}

/// Removes a source that is known to be another file than the target.
pub(super) fn remove_other(item: Item, at: Location, done: Done) -> Asked {
    if !item.task.from.abilities.only_if_unchanged {
        // The site cannot remove conditionally: stat the source right before.
        return asked(item, Side::Source, Op::Stat { at }, Stage::BeforeRemoval(done));
    }
    remove_now(item, at, done)
}

/// Removes the source.
pub(super) fn remove_now(item: Item, at: Location, done: Done) -> Asked {
    // A version that was read while the file grew proves nothing.
    let version = item.source_version.clone().filter(|_| done.grown.is_none());
    let op = Op::Remove { at, only: Some(OnlyIf { version, root: Some(done.root), size: done.size }) };
    asked(item, Side::Source, op, Stage::RemoveSource(done))
}

/// Makes the link whose text was read from the source.
pub(super) fn link(item: Item, text: Vec<u8>) -> Asked {
    let trusted = item.task.from.abilities.near;
    let (Some(at), true) = (item.path.target(), !item.task.is_cancelled()) else {
        return Asked::Next(Next::Again(item));
    };
    if let Err(error) = keep::check_text(&text, at.below().depth(), trusted) {
        return Asked::Next(transitions::failed(item, error, Patience::NONE));
    }
    let replace = keep::replaces_links(item.task.rule(&item.path));
    asked(item, Side::Target, Op::MakeLink { at, text, replace }, Stage::MakeLink)
}

/// Writes the content of a small file, which was read from the source, to its target.
pub(super) fn put(mut item: Item, content: Box<Content>) -> Asked {
    if item.task.is_cancelled() {
        return Asked::Next(Next::Again(item));
    }
    let Some(at) = item.path.target() else { return unsupported(item) };
    if item.task.to.abilities.near {
        // The bytes have crossed the network; only the local write is left.
        match &item.active {
            Some(active) => active.arrived(item.facts.size),
            None => item.count(item.facts.size),
        }
    } else {
        // From here on the site itself accounts for the room.
        item.growth = None;
    }
    let (root, size) = (content.root, item.facts.size);
    let proof = if item.task.to.abilities.digest { crate::site::Proof::Digest } else { crate::site::Proof::Size };
    let done = Done { root, size, transferred: size, reused: 0, grown: content.grown, proof };
    let put: Put = item.put(at);
    asked(item, Side::Target, Op::Put { put, content }, Stage::Put(done))
}
