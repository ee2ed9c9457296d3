//! Folders: created, walked, prepared as a target, removed.

use std::{collections::BTreeMap, sync::Arc};

use ferry_shared::{entry::Kind, path::RemotePath};
use tokio::sync::mpsc;

use super::scene::{Noted, Scene, large};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Folders, Location, Make, Op, Over, Page, Resume, Session, TargetKind, Walk},
};

fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

fn is_real(scene: &Scene) -> bool {
    scene.abilities().folders == Folders::Real
}

pub(super) async fn folders_are_made_with_those_above_them_and_may_be_there(scene: &Scene) {
    for _ in 0..2 {
        scene.do_it(Op::MakeFolder { at: scene.at("a/b/c"), private: true }).await;
    }
    for folder in ["", "a", "a/b", "a/b/c"] {
        let kind = scene.look(folder).await.map(|found| found.kind);
        assert_eq!(kind, is_real(scene).then_some(Kind::Folder), "{folder}");
    }
    scene.write("a/b/c/x", b"").await;
    assert_eq!(scene.look("a/b").await.map(|found| found.kind), Some(Kind::Folder));
}

pub(super) async fn a_file_is_no_folder(scene: &Scene) {
    scene.write("x", b"file").await;
    if is_real(scene) {
        let made = Op::MakeFolder { at: scene.at("x"), private: false };
        assert_eq!(scene.refused(made).await, Obstacle::NotFolder);
    }
    let put = scene.store(scene.put("x/y", Over::Nothing), b"").await;
    assert_eq!(put.unwrap_err().obstacle(), Obstacle::NotFolder);
    let prepared = scene.session().await.prepare(&scene.at("x"), TargetKind::Folder, Make::WithParents, false).await;
    assert_eq!(prepared.unwrap_err().obstacle(), Obstacle::NotFolder);
    assert_eq!(scene.read("x").await.unwrap().1, b"file");
}

pub(super) async fn only_empty_folders_are_removed(scene: &Scene) {
    scene.write("a/x", b"").await;
    for at in [scene.at("a"), scene.source("a")] {
        assert_eq!(scene.refused(Op::Remove { at, only: None }).await, Obstacle::NotEmpty);
    }
    scene.do_it(Op::Remove { at: scene.at("a/x"), only: None }).await;
    if is_real(scene) {
        scene.do_it(Op::Remove { at: scene.at("a"), only: None }).await;
        scene.do_it(Op::MakeFolder { at: scene.at("b"), private: false }).await;
        scene.do_it(Op::Remove { at: scene.source("b"), only: None }).await;
    }
    assert!(scene.look("a").await.is_none() && scene.look("b").await.is_none());
}

async fn walk(scene: &Scene, below: &str, enters: fn(&RemotePath) -> bool) -> (Result<(), ClientError>, Vec<Page>) {
    let (pages, mut taken) = mpsc::channel(1);
    let at = scene.source(below);
    let mut session = scene.session().await;
    let walking = session.walk(&at, Walk { follow: false, digests: false, enters: Arc::new(enters) }, pages);
    let taking = async {
        let mut pages = Vec::new();
        while let Some(page) = taken.recv().await {
            pages.push(page);
        }
        pages
    };
    tokio::join!(walking, taking)
}

pub(super) async fn a_walk_reports_everything_and_each_folder_before_its_content(scene: &Scene) {
    let mut expected: BTreeMap<RemotePath, Kind> = BTreeMap::new();
    for number in 0..9 {
        let file = format!("a/{}/{number}", number % 2);
        scene.write(&file, b"").await;
        expected.insert(path(&file), Kind::File);
    }
    for folder in ["a", "a/0", "a/1"] {
        expected.insert(path(folder), Kind::Folder);
    }
    let (walked, pages) = walk(scene, "", |_| true).await;
    walked.unwrap();
    let mut told = BTreeMap::new();
    for page in pages {
        assert!(
            page.under.is_home() || told.contains_key(&page.under),
            "{:?} precedes the entry of its folder",
            page.under
        );
        assert!(page.left_out.is_empty() && page.unreadable.is_empty());
        for entry in page.entries {
            assert!(told.insert(page.under.join(&entry.name).unwrap(), entry.kind).is_none(), "reported twice");
        }
    }
    assert_eq!(told, expected);
    let (walked, pages) = walk(scene, "a", |folder| *folder != path("0")).await;
    walked.unwrap();
    // A site may read the folder all the same.
    let told: Vec<_> = pages.iter().map(|page| page.under.clone()).collect();
    assert!(told.contains(&path("1")) && told.contains(&path("")));
    assert_eq!(walk(scene, "gone", |_| true).await.0.unwrap_err().obstacle(), Obstacle::NotFound);
    if is_real(scene) {
        scene.do_it(Op::MakeFolder { at: scene.at("empty"), private: false }).await;
        let (_, pages) = walk(scene, "empty", |_| true).await;
        assert_eq!(pages.len(), 1, "every folder has a page");
    }
}

pub(super) async fn a_walk_ends_when_the_receiver_is_dropped(scene: &Scene) {
    for number in 0..9 {
        scene.write(&format!("{number}/x"), b"").await;
    }
    let (pages, taken) = mpsc::channel(1);
    drop(taken);
    let mut session = scene.session().await;
    session
        .walk(&scene.source(""), Walk { follow: false, digests: false, enters: Arc::new(|_| true) }, pages)
        .await
        .unwrap();
    assert!(session.is_usable());
}

async fn is_there(session: &mut dyn Session, at: &Location) -> bool {
    session.stat(at).await.is_ok()
}

pub(super) async fn a_target_is_prepared_as_it_is_asked_for(scene: &Scene) {
    let mut session = scene.session().await;
    let (deep, flat) = (scene.own_root("p/q/target"), scene.own_root("target"));
    for target in [TargetKind::File, TargetKind::Folder] {
        let prepared = session.prepare(&deep, target, Make::Nothing, false).await.unwrap();
        assert!(!prepared.there);
    }
    if is_real(scene) {
        let refused = session.prepare(&deep, TargetKind::Folder, Make::Itself, false).await.unwrap_err();
        assert_eq!(refused.obstacle(), Obstacle::NotFound);
    }
    assert!(!session.prepare(&flat, TargetKind::File, Make::Itself, false).await.unwrap().there);
    assert!(!is_there(&mut *session, &flat).await, "nothing is created at the target of a file");
    for (at, make) in [(flat, Make::Itself), (deep, Make::WithParents)] {
        let prepared = session.prepare(&at, TargetKind::Folder, make, false).await.unwrap();
        assert!(!prepared.there && prepared.existing.is_complete());
        assert_eq!(is_there(&mut *session, &at).await, is_real(scene));
        let again = session.prepare(&at, TargetKind::Folder, make, false).await.unwrap();
        assert_eq!(again.there, is_real(scene));
    }
}

pub(super) async fn the_content_of_a_target_is_found(scene: &Scene) {
    scene.write("a/x", b"old").await;
    scene.write("a/b/y", b"older").await;
    let mut session = scene.session().await;
    let mut prepared = session.prepare(&scene.at(""), TargetKind::Folder, Make::Itself, false).await.unwrap();
    assert!(prepared.there);
    let scene_version = scene.look("a/x").await.unwrap();
    let looked = tokio::task::spawn_blocking(move || {
        let mut look =
            |below| prepared.existing.look(&path(below)).unwrap().map(|found| (found.kind, found.facts.size));
        assert_eq!(look("a"), Some((Kind::Folder, 0)));
        assert_eq!(look("a/x"), Some((Kind::File, 3)));
        assert_eq!(look("a/b/y"), Some((Kind::File, 5)));
        assert_eq!((look("a/z"), look("gone/x"), look("gone/y/z"), look("x")), (None, None, None, None));
        assert!(
            prepared.existing.look(&path("a/x/below")).is_err()
                || prepared.existing.look(&path("a/x/below")).unwrap().is_none()
        );
        let found = prepared.existing.look(&path("a/x")).unwrap().unwrap();
        assert_eq!(found.version.is_some(), scene_version.version.is_some());
        prepared
    });
    let mut prepared = looked.await.unwrap();
    // The part of an unfinished upload needs no further space.
    let content = large(3);
    let begun = scene.stream(scene.put("a/big", Over::Nothing), &content, 2, Noted::new()).await;
    assert!(begun.result.is_err());
    let begun = tokio::task::spawn_blocking(move || prepared.existing.begun(&path("a/big"))).await.unwrap();
    if scene.abilities().resume == Resume::Blocks {
        assert!(begun > 0);
    }
    let found = session.prepare(&scene.own_root("root/a/x"), TargetKind::File, Make::Itself, false).await.unwrap();
    assert!(found.there);
    let mut existing = found.existing;
    let found = tokio::task::spawn_blocking(move || existing.look(&RemotePath::home())).await.unwrap();
    assert_eq!(found.unwrap().unwrap().facts.size, 3);
}

pub(super) async fn missing_folders_are_made_only_on_demand(scene: &Scene) {
    let put = crate::site::Put { parents: false, ..scene.put("a/b/x", Over::Nothing) };
    if is_real(scene) {
        let small = scene.store(put.clone(), b"").await;
        assert_eq!(small.unwrap_err().obstacle(), Obstacle::NotFound);
        let streamed = scene.stream(put, &large(1), usize::MAX, Noted::new()).await;
        assert_eq!(streamed.result.unwrap_err().obstacle(), Obstacle::NotFound);
        assert!(scene.look("").await.is_none());
    }
    scene.stream(scene.put("a/b/x", Over::Nothing), &large(1), usize::MAX, Noted::new()).await.result.unwrap();
    assert!(scene.look("a/b/x").await.is_some());
}
