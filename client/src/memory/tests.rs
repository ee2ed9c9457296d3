//! The faults and missing abilities of a site in memory.

use std::sync::Arc;

use ferry_shared::{entry::Mtime, limits::BLOCK_LEN, name::Name};
use tokio::sync::mpsc;

use super::*;
use crate::{
    conformance::scene::{DATE, IN_PLACE, LIKE_A_BUCKET, LIKE_SFTP, Noted, Scene, content, large, surroundings},
    site::{Answer, Dates, Get, LeftOut, Op, Over, Page, Replace, Request, Resume, Walk},
};

fn scene(site: &Memory) -> Scene {
    Scene::new(Box::new(site.clone()), RemotePath::home().into(), Box::new(()))
}

async fn stat(session: &mut dyn Session, path: &str) -> Result<(), ClientError> {
    session.stat(&Memory::at(path, Reach::Follow)).await.map(drop)
}

#[tokio::test]
async fn a_cut_lasts_until_it_is_healed_and_breaks_earlier_sessions() {
    let site = Memory::new(Abilities::ALL);
    site.tree(|tree| tree.write("x", "1"));
    let around = surroundings();
    let mut session = site.open(&around).await.unwrap();
    site.cut_after(2);
    for _ in 0..2 {
        stat(&mut *session, "x").await.unwrap();
    }
    for _ in 0..2 {
        let error = stat(&mut *session, "x").await.unwrap_err();
        assert!(error.is_transient() && error.obstacle() == Obstacle::Unreachable && !session.is_usable());
    }
    assert!(site.open(&around).await.unwrap_err().is_transient());
    site.heal();
    assert!(!session.is_usable() && stat(&mut *session, "x").await.is_err());
    stat(&mut *site.open(&around).await.unwrap(), "x").await.unwrap();
}

#[tokio::test]
async fn a_break_affects_only_open_sessions() {
    let site = Memory::new(Abilities::ALL);
    site.tree(|tree| tree.write("x", "1"));
    let around = surroundings();
    let (mut one, mut other) = (site.open(&around).await.unwrap(), site.open(&around).await.unwrap());
    site.break_after(1);
    stat(&mut *one, "x").await.unwrap();
    assert!(stat(&mut *one, "x").await.is_err());
    assert!(!one.is_usable() && !other.is_usable() && stat(&mut *other, "x").await.is_err());
    stat(&mut *site.open(&around).await.unwrap(), "x").await.unwrap();
}

#[tokio::test]
async fn after_a_crash_no_call_returns() {
    let site = Memory::new(Abilities::ALL);
    site.tree(|tree| tree.write("x", "1"));
    let around = surroundings();
    let mut session = site.open(&around).await.unwrap();
    site.crash_after(0);
    tokio::select! {
        _ = stat(&mut *session, "x") => panic!("the call returned"),
        () = site.crashed() => {}
    }
    assert!(!session.is_usable());
    site.heal();
    stat(&mut *site.open(&around).await.unwrap(), "x").await.unwrap();
}

#[tokio::test]
async fn unanswered_requests_stay_unanswered_after_a_break() {
    let site = Memory::new(Abilities::ALL);
    site.tree(|tree| tree.write("x", "1"));
    let mut session = site.open(&surroundings()).await.unwrap();
    let (requests, incoming) = mpsc::channel(8);
    let (outgoing, mut answers) = mpsc::channel(8);
    for id in 0..8 {
        let at = Memory::at("x", Reach::Contained);
        requests.try_send(Request { id, op: Op::Stat { at }, watch: None }).unwrap();
    }
    site.break_after(6);
    assert!(session.batch(incoming, outgoing).await.is_err());
    let mut answered = Vec::new();
    while let Some(Answer { id, .. }) = answers.recv().await {
        answered.push(id);
    }
    // In reverse order: callers must not rely on the order.
    assert_eq!(answered, [3, 2, 1, 0]);
}

#[tokio::test]
async fn another_user_changes_a_file_exactly_when_planned() {
    let site = Memory::new(Abilities::ALL);
    let old = large(1);
    site.tree(|tree| tree.write("x", old.clone()));
    let mut session = site.open(&surroundings()).await.unwrap();
    let mut read = async |growing| {
        let (pieces, mut taken) = mpsc::channel(16);
        let (_, held) = mpsc::channel(1);
        let at = Memory::at("x", Reach::Follow);
        let expected = crate::site::FileFacts { size: 0, mtime: DATE };
        let end = session
            .get(Get { at, expected, growing, opened_first: true, basis: None }, held, pieces, Noted::new())
            .await;
        while taken.recv().await.is_some() {}
        end
    };
    for growing in [false, true] {
        site.change_after(3, |tree| tree.append("x", b"more"));
        let end = read(growing).await.unwrap();
        assert_eq!(end.grown.unwrap().proven, !growing);
        assert!(end.version.is_none());
    }
    site.change_after(3, |tree| {
        let mut content = tree.read("x").unwrap();
        content[0] ^= 1;
        tree.write("x", content);
    });
    assert!(matches!(read(false).await, Err(ClientError::SourceChanged)));
    site.change_after(3, |tree| tree.remove_all("x"));
    assert!(matches!(read(false).await, Err(ClientError::SourceChanged)));
}

/// Whether no file, and whether an incomplete file, is visible under the name while a file replaces another, over
/// crashes at each operation.
async fn seen_while_replacing(abilities: Abilities, streamed: bool) -> (bool, bool) {
    let (mut none, mut half) = (false, false);
    for cut in 0.. {
        let site = Memory::new(abilities);
        site.tree(|tree| tree.write("root/x", "old"));
        let scene = scene(&site);
        let new = large(1);
        site.crash_after(cut);
        let put = scene.put("x", Over::Anything);
        let storing = async {
            match streamed {
                true => scene.stream(put, &new, usize::MAX, Noted::new()).await.result,
                false => scene.store(put, b"new").await,
            }
        };
        tokio::select! {
            stored = storing => {
                stored.unwrap();
                let expected = if streamed { new } else { b"new".to_vec() };
                assert!(site.files()["root/x"] == expected && site.half_written().is_empty());
                return (none, half);
            }
            () = site.crashed() => {}
        }
        none |= site.files().is_empty();
        half |= !site.half_written().is_empty();
    }
    unreachable!()
}

#[tokio::test]
async fn a_file_is_replaced_as_the_abilities_say() {
    for streamed in [false, true] {
        assert_eq!(seen_while_replacing(Abilities::ALL, streamed).await, (false, false));
        assert_eq!(seen_while_replacing(LIKE_SFTP, streamed).await, (true, false));
        assert_eq!(seen_while_replacing(IN_PLACE, streamed).await, (false, true));
    }
}

#[tokio::test]
async fn abilities_that_are_missing_are_missing() {
    let site = Memory::new(LIKE_A_BUCKET);
    let scene = scene(&site);
    scene.do_it(Op::MakeFolder { at: scene.at("empty"), private: false }).await;
    scene.write("a/x", b"1").await;
    assert!(site.folders().is_empty() && scene.look("empty").await.is_none());
    scene.do_it(Op::Remove { at: scene.at("a/x"), only: None }).await;
    assert!(scene.look("a").await.is_none(), "a folder is there while something is in it");
    let name = Name::new(*b"\xff").unwrap();
    let at = Location::new(&Memory::root("a"), RemotePath::home().join(&name).unwrap(), Reach::Contained);
    let put = crate::site::Put { at, ..scene.put("x", Over::Nothing) };
    let refused = scene.refused(Op::Put { put, content: Box::new(content(b"")) }).await;
    assert_eq!(refused, Obstacle::BadPath);
    // A site that cannot resume an upload by its blocks keeps no part.
    let interrupted = scene.stream(scene.put("big", Over::Nothing), &large(1), 2, Noted::new()).await;
    assert!(interrupted.result.is_err());
    assert_eq!(site.tree(|tree| tree.part("root/big")), None);
}

#[tokio::test]
async fn an_interrupted_file_leaves_its_part() {
    let site = Memory::new(Abilities::ALL);
    let scene = scene(&site);
    let interrupted = scene.stream(scene.put("big", Over::Nothing), &large(1), 2, Noted::new()).await;
    assert!(interrupted.result.is_err());
    assert_eq!(site.tree(|tree| tree.part("root/big")), Some(2 * BLOCK_LEN));
}

#[tokio::test]
async fn a_full_site_takes_no_more() {
    let site = Memory::new(Abilities { mtime: Dates::Exact, ..Abilities::ALL });
    let scene = scene(&site);
    scene.write("x", b"12345").await;
    site.tree(|tree| tree.limit(Some(8)));
    let room = scene.session().await.room(&scene.at(""), true).await.unwrap().unwrap();
    assert_eq!(room.free, 3);
    let full = scene.store(scene.put("y", Over::Nothing), b"1234").await.unwrap_err();
    assert!(full.is_no_room());
    scene.write("x", b"12345678").await;
}

#[tokio::test]
async fn links_are_walked_through_where_they_are_followed_and_loops_end() {
    let site = Memory::new(Abilities::ALL);
    site.tree(|tree| {
        tree.write("top/a/x", "1");
        tree.link("top/a/up", "top");
        tree.link("top/file", "top/a/x");
        tree.link("top/gone", "nowhere");
        tree.set("top/a/x", Mtime(5, 5), 0o600);
    });
    let mut session = site.open(&surroundings()).await.unwrap();
    let mut walk = async |follow| {
        let (pages, mut taken) = mpsc::channel(64);
        let walk = Walk { follow, digests: false, enters: Arc::new(|_| true) };
        session.walk(&Memory::at("top", Reach::Follow), walk, pages).await.unwrap();
        let mut found: Vec<Page> = Vec::new();
        while let Some(page) = taken.recv().await {
            found.push(page);
        }
        found
    };
    let left_out = |pages: &[Page]| pages.iter().map(|page| page.left_out.len()).sum::<usize>();
    assert_eq!(left_out(&walk(false).await), 0);
    let found = walk(true).await;
    let all: Vec<_> = found.iter().flat_map(|page| &page.left_out).collect();
    assert!(matches!(all[..], [LeftOut::Failed(..), LeftOut::LinkLoop(_)]), "{all:?}");
    let file = found[0].entries.iter().find(|entry| entry.name.as_bytes() == b"file").unwrap();
    assert_eq!((file.size, file.mtime, file.mode), (1, Mtime(5, 5), 0o600));
    assert!(stat(&mut *session, "top/a/up/a/x").await.is_ok());
    // Links are not followed on the path to a target.
    let at = Location::new(&Memory::root("top"), remote("a/up/x"), Reach::Contained);
    let refused = site.tree(|tree| tree.resolve(&at).map(drop)).unwrap_err();
    assert_eq!(refused.obstacle(), Obstacle::NotFolder);
}

#[tokio::test]
async fn a_site_that_needs_the_size_first_waits_for_it() {
    let abilities = Abilities { size_first: true, resume: Resume::Blocks, replace: Replace::Atomic, ..Abilities::ALL };
    let site = Memory::new(abilities);
    let scene = scene(&site);
    let (pieces, taken) = mpsc::channel(1);
    let (told, mut held) = mpsc::channel(1);
    let mut session = scene.session().await;
    let putting = session.put(scene.put("x", Over::Nothing), taken, told, Noted::new());
    tokio::pin!(putting);
    tokio::select! {
        biased;
        _ = &mut putting => panic!("no piece was sent"),
        _ = held.recv() => panic!("the size is not known"),
        () = std::future::ready(()) => {}
    }
    drop(pieces);
    assert!(putting.await.is_err());
    assert!(site.operations() > 0);
}

#[tokio::test]
async fn no_two_sites_have_the_same_versions() {
    let mut versions = Vec::new();
    for name in ["one", "other"] {
        let site = Memory::named(name, Abilities::ALL);
        site.tree(|tree| tree.write("x", "1"));
        let mut session = site.open(&surroundings()).await.unwrap();
        versions.push(session.stat(&Memory::at("x", Reach::Follow)).await.unwrap().version.unwrap());
    }
    assert!(!versions[0].is_same(&versions[1]) && versions[0].is_same(&versions[0].clone()));
}
