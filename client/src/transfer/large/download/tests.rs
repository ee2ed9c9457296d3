//! The order of flushes and names of a large download.

use ferry_shared::{name::Name, path::RemotePath};

use super::*;
use crate::transfer::{
    job::{JobId, JobOptions, Work},
    local::{
        flush::{self, Done},
        folder::Folder,
    },
    path::FolderPair,
};

/// A finished part for `x` in `folder`, and what is to be done with it.
fn finished(folder: &std::path::Path) -> (Plan, Arc<Part>, Written) {
    let work = Work::Download { from: RemotePath::default(), to: folder.to_owned() };
    let task = Task::new(JobId(1), &work, JobOptions::default());
    let root = Arc::new(Folder::open(folder).unwrap());
    task.landing.set((Arc::clone(&root), 0)).unwrap();
    let pair = FolderPair {
        local: Some(folder.to_owned()),
        remote: RemotePath::default(),
        above: 0,
        named: true,
        follows: true,
    };
    let path = ItemPath::new(Arc::new(pair), "x".into(), &Name::new(*b"x").unwrap()).unwrap();
    let part = Part::open(&root, "x".as_ref(), Earlier::Keep, true).unwrap();
    blocks::write_all_at(&part.file, b"content", 0).unwrap();
    let written = Written { root: Digest::of(b"content"), size: 7, transferred: 7, reused: 0 };
    (Plan { task: Arc::new(task), path, over: Over::Nothing, resume: true }, Arc::new(part), written)
}

fn finish(plan: &Plan, part: Arc<Part>, written: Written) -> After {
    let stop = CancellationToken::new();
    plan.finish(part, written, Digest::of(b"content"), Mtime(1, 0), 0o644, &stop).unwrap()
}

#[test]
fn a_large_download_is_durable_before_its_name_and_the_name_before_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, part, written) = finished(dir.path());
    assert!(flush::take_seen().is_empty());
    assert!(matches!(finish(&plan, part, written), After::Arrived(_)));
    assert_eq!(flush::take_seen(), [Done::File, Done::Name, Done::Folder]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_names_of_folders_that_were_made_are_durable_too() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, part, written) = finished(dir.path());
    plan.task.made_folders.store(true, Relaxed);
    assert!(matches!(finish(&plan, part, written), After::Arrived(_)));
    assert_eq!(flush::take_seen(), [Done::File, Done::Name, Done::FileSystem]);
}

#[test]
fn what_is_in_the_way_is_told_and_gets_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, part, written) = finished(dir.path());
    std::fs::write(dir.path().join("x"), "other").unwrap();
    assert!(matches!(finish(&plan, part, written), After::Found(Some(_))));
    assert_eq!(flush::take_seen(), [Done::File]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no part is left");
}
