//! Plans the deletions: everything below an entry that only the target has, unless something in it has to stay.

use std::collections::BTreeSet;

use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
};

use super::{
    Cause, Deletion, Plan, Rules,
    compare::{Gone, of_target, placeholder},
};
use crate::sync::{listing::Listing, select::Select};

/// Adds the deletions to the plan.
pub(super) fn run(plan: &mut Plan, to: &Listing, select: &Select, rules: &Rules, gone: Vec<Gone>) {
    if !rules.delete {
        return;
    }
    let mut blockers = Vec::new();
    for Gone { path, entry, blocks } in gone {
        if blocks {
            blockers.push(path.clone());
        }
        tree(plan, to, select, path, entry);
    }
    // Contents before their folders: a folder's path is a prefix of the paths in it.
    plan.deletions.sort_by(|a, b| b.path.cmp(&a.path));
    let deleted: BTreeSet<&RemotePath> = plan.deletions.iter().map(|deletion| &deletion.path).collect();
    let (staying, _): (Vec<_>, Vec<_>) = blockers.into_iter().partition(|path| !deleted.contains(path));
    for path in staying {
        // Removing a part of it would not help.
        plan.deletions.retain(|deletion| !deletion.path.starts_with(&path));
        plan.blocked.retain(|blocked, _| !blocked.starts_with(&path));
        plan.problem(&path, Cause::InTheWay);
    }
}

/// Plans the deletion of an entry with everything below it.
fn tree(plan: &mut Plan, to: &Listing, select: &Select, path: RemotePath, entry: Entry) {
    if entry.kind != Kind::Folder {
        if select.takes(&path, &entry) {
            plan.deletions.push(Deletion { path, entry, seen: None });
        }
        return;
    }
    // The folders of the tree, each before those in it, and those of them that stay.
    let (mut folders, mut next) = (vec![(path.clone(), entry)], 0);
    let mut staying = BTreeSet::new();
    while let Some((path, entry)) = folders.get(next).cloned() {
        next += 1;
        if !select.enters(&path) {
            staying.insert(path);
            continue;
        }
        if !select.takes(&path, &entry) {
            staying.insert(path.clone());
        }
        let (folder, hole) = to.folder(&path);
        if let Some(hole) = hole {
            plan.problem(&path, of_target(hole));
            staying.insert(path);
            continue;
        }
        let Some(folder) = folder else { continue };
        for (name, entry) in &folder.entries {
            match path.join(name) {
                Ok(below) if entry.kind == Kind::Folder => folders.push((below, entry.clone())),
                Ok(below) if select.takes(&below, entry) => {
                    plan.deletions.push(Deletion { path: below, entry: entry.clone(), seen: None });
                }
                Ok(_) | Err(_) => drop(staying.insert(path.clone())),
            }
        }
        for (name, odd) in &folder.odd {
            staying.insert(path.clone());
            if let (Ok(below), super::super::listing::Odd::Failed(error)) = (path.join(name), odd)
                && select.takes(&below, &placeholder(name))
            {
                plan.problem(&below, Cause::Target(error.clone()));
            }
        }
    }
    for (path, entry) in folders.into_iter().rev() {
        if !staying.contains(&path) {
            plan.deletions.push(Deletion { path, entry, seen: None });
        } else if let Some(above) = path.parent() {
            staying.insert(above);
        }
    }
}
