//! Turns an answer into its item's next step.

use super::{
    ask::{self, Asked},
    stage::Stage,
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    reconnect::Patience,
    site::{Done as Answered, Found, Opened},
    transfer::{
        conflict::FileFacts,
        engine_state::EngineState,
        event::Outcome,
        item::{self, Item},
        transitions::{self, Next},
    },
};

/// The next request or decision for an item after an answer.
pub(super) fn take(core: &EngineState, item: Item, stage: Stage, result: Result<Answered, ClientError>) -> Asked {
    match result {
        Ok(answered) => accepted(core, item, stage, answered),
        Err(error) => Asked::Next(refused(item, &stage, error, core.patience)),
    }
}

fn refused(item: Item, stage: &Stage, error: ClientError, patience: Patience) -> Next {
    match (stage, error.obstacle()) {
        // The target no longer exists, so nothing is in the way.
        (Stage::Target | Stage::TargetDigest | Stage::Attributes, Obstacle::NotFound) => {
            transitions::found(item, None, false)
        }
        (Stage::Attributes, Obstacle::Changed) => transitions::reconsidered(item),
        // The folder was not created, because filters left it empty; or it belongs to somebody else.
        (Stage::FolderDate, Obstacle::NotFound | Obstacle::Denied | Obstacle::NotFolder) => {
            transitions::folder_dated(item)
        }
        // A source that no longer exists need not be removed.
        (Stage::RemoveSource(done) | Stage::BeforeRemoval(done), Obstacle::NotFound) => {
            transitions::verified(item, *done)
        }
        (Stage::RemoveSource(_), Obstacle::Changed) => transitions::failed(item, ClientError::SourceChanged, patience),
        (Stage::MakeLink, Obstacle::Exists) => transitions::link_obstructed(item),
        (Stage::Discard, Obstacle::NotFound) => transitions::discarded(item),
        (Stage::Put(_), _) => transitions::refused(item, error, patience),
        _ => transitions::failed(item, error, patience),
    }
}

fn accepted(core: &EngineState, mut item: Item, stage: Stage, answered: Answered) -> Asked {
    let patience = core.patience;
    let next = match (stage, answered) {
        (Stage::Get, Answered::Content(content)) => {
            item.set_source(&content.opened);
            return ask::put(item, content);
        }
        (Stage::Get, Answered::Large(opened)) => {
            // The source has grown, so it is streamed as a large file next.
            item.set_source(&opened);
            Next::Again(item)
        }
        (Stage::Put(done), Answered::Stored(stored)) => {
            let found = stored.root.unwrap_or(done.root);
            match found == done.root && stored.size == done.size {
                true => transitions::arrived(item, done),
                false => transitions::failed(item, ClientError::Mismatch { expected: done.root, found }, patience),
            }
        }
        (Stage::Target, Answered::Found(found)) => transitions::found(item, Some(found), false),
        (Stage::Source, Answered::Found(Found { version: Some(version), .. })) => {
            item.source_version = Some(version);
            return ask::step(item);
        }
        // The source is no longer a file.
        (Stage::Source, Answered::Found(_)) => transitions::failed(item, ClientError::SourceChanged, Patience::NONE),
        (Stage::TargetDigest, Answered::Hashed { root, opened }) => {
            // This is the file that was hashed; it may differ from the one that was seen before.
            if let Some(Opened { size: Some(size), mtime, mode, version }) = opened {
                item.step = item::Step::Compare(FileFacts { size, mtime });
                (item.target_version, item.target_mode) = (version, Some(mode));
            }
            return ask::compare_source(item, root);
        }
        (Stage::SourceDigest(target), Answered::Hashed { root, opened }) => {
            if let Some(opened) = opened {
                item.set_source(&opened);
            }
            transitions::compared(item, root, target)
        }
        (Stage::Confirm(done), Answered::Hashed { root, .. }) => match root == done.root {
            true => transitions::confirmed(item, done),
            false => transitions::failed(item, ClientError::Mismatch { expected: done.root, found: root }, patience),
        },
        (Stage::IsAnother(done), Answered::Found(found)) => {
            let versions = item.source_version.as_ref().zip(found.version.as_ref());
            match item.path.source() {
                Some(at) if !versions.is_some_and(|(source, target)| source.is_same(target)) => {
                    return ask::remove_other(item, at, done);
                }
                _ => {
                    let message = "source and target are the same file; nothing was removed";
                    transitions::failed(item, ClientError::obstructed(Obstacle::Exists, message), Patience::NONE)
                }
            }
        }
        (Stage::BeforeRemoval(done), Answered::Found(found)) => match (item.path.source(), found.facts == item.facts) {
            (Some(at), true) => return ask::remove_now(item, at, done),
            _ => transitions::failed(item, ClientError::SourceChanged, patience),
        },
        (Stage::ReadLink, Answered::Link(text)) => return ask::link(item, text),
        (Stage::MakeLink, Answered::Done) => Next::Done(item, Outcome::Link),
        (Stage::Folder, Answered::Done) => transitions::folder_made(item),
        (Stage::FolderDate, Answered::Done) => transitions::folder_dated(item),
        (Stage::Attributes, Answered::Done) => transitions::attributes_set(item),
        (Stage::RemoveSource(done), Answered::Done) => transitions::verified(item, done),
        (Stage::Discard, Answered::Done) => transitions::discarded(item),
        (stage, answered) => {
            let error = ClientError::Protocol(format!("{answered:?} does not answer {stage:?}"));
            transitions::failed(item, error, Patience::NONE)
        }
    };
    Asked::Next(next)
}
