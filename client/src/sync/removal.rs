//! Removes entries of the target, each only in the version that the plan saw.

use std::collections::BTreeMap;

use ferry_shared::entry::Kind;

use super::{
    end::End,
    plan::{Cause, Deletion, Plan, Problem},
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Done, FileFacts, Found, OnlyIf, Op},
};

/// Notes the versions of the entries that a plan removes. Entries that are not those that were listed stay.
pub(super) async fn see(to: &mut End, plan: &mut Plan) -> Result<(), ClientError> {
    let planned = std::mem::take(&mut plan.deletions);
    let answers = {
        let stats = |end: &End| planned.iter().map(|deletion| Op::Stat { at: end.at(&deletion.path) }).collect();
        to.ask(stats).await?
    };
    let mut changed = Vec::new();
    for (mut deletion, answer) in planned.into_iter().zip(answers) {
        match answer {
            Ok(Done::Found(found)) if is_listed(&deletion, &found) => {
                deletion.seen = found.version.filter(|_| deletion.entry.kind != Kind::Folder);
                plan.deletions.push(deletion);
            }
            // It is gone already.
            Err(error) if error.obstacle() == Obstacle::NotFound => {}
            Err(error) => plan.problems.push(Problem { path: deletion.path, cause: Cause::Target(error) }),
            Ok(_) => changed.push(deletion.path),
        }
    }
    for path in changed {
        // The folders above it cannot be removed, either, and what it blocks cannot be copied.
        plan.keep(&path);
        plan.problems.push(Problem { path, cause: Cause::Changed });
    }
    Ok(())
}

/// Whether an entry is as it was listed. The date of a folder changes with its contents.
fn is_listed(deletion: &Deletion, found: &Found) -> bool {
    let entry = &deletion.entry;
    let same = found.facts == FileFacts { size: entry.size, mtime: entry.mtime };
    found.kind == entry.kind && (same || entry.kind == Kind::Folder)
}

/// Removes the entries, contents before their folders.
pub(super) async fn remove(
    to: &mut End,
    deletions: &[Deletion],
    done: &mut impl FnMut(&Deletion, Result<(), ClientError>),
) -> Result<(), ClientError> {
    let mut depths: BTreeMap<usize, Vec<&Deletion>> = BTreeMap::new();
    for deletion in deletions {
        // All other entries can be removed together; a folder only after those in it.
        let depth = if deletion.entry.kind == Kind::Folder { deletion.path.depth() } else { usize::MAX };
        depths.entry(depth).or_default().push(deletion);
    }
    for group in depths.into_values().rev() {
        together(to, &group, done).await?;
    }
    Ok(())
}

async fn together(
    to: &mut End,
    group: &[&Deletion],
    done: &mut impl FnMut(&Deletion, Result<(), ClientError>),
) -> Result<(), ClientError> {
    // The site cannot compare versions of these: look right before the removal.
    let (blind, seen): (Vec<&Deletion>, Vec<&Deletion>) =
        group.iter().copied().partition(|deletion| deletion.seen.is_none());
    let answers = to.ask(|end| blind.iter().map(|deletion| Op::Stat { at: end.at(&deletion.path) }).collect()).await?;
    let mut due = seen;
    for (deletion, answer) in blind.into_iter().zip(answers) {
        match answer {
            Ok(Done::Found(found)) if is_listed(deletion, &found) => due.push(deletion),
            Ok(_) => done(deletion, Err(ClientError::SourceChanged)),
            Err(error) if error.obstacle() == Obstacle::NotFound => done(deletion, Ok(())),
            Err(error) => done(deletion, Err(error)),
        }
    }
    let answers = to.ask(|end| due.iter().map(|deletion| removal(end, deletion)).collect()).await?;
    for (deletion, answer) in due.into_iter().zip(answers) {
        match answer {
            // Repeated after an outage, it may have been removed by the first attempt.
            Err(error) if error.obstacle() == Obstacle::NotFound => done(deletion, Ok(())),
            answer => done(deletion, answer.map(drop)),
        }
    }
    Ok(())
}

fn removal(end: &End, deletion: &Deletion) -> Op {
    let only = |version| OnlyIf { version: Some(version), root: None, size: deletion.entry.size };
    Op::Remove { at: end.at(&deletion.path), only: deletion.seen.clone().map(only) }
}
