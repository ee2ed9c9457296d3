//! Queries, walks with links, and the preparation of targets.

use std::sync::Arc;

use ferry_client::{
    ClientError, Obstacle,
    site::{LeftOut, Location, Make, Page, Reach, Root, Session, TargetKind, Walk},
};
use ferry_shared::{
    digest::Digest,
    entry::{Entry, Kind, Mtime},
    frame::Frame,
    message::{
        Reply, Request,
        reply::{self, Usage},
        request::BlockRange,
    },
    name::Name,
    path::RemotePath,
    refusal::Code,
};
use tokio::sync::mpsc;

use super::{at, is_refused, opens, path, session, version};
use crate::{
    fake::{Fake, Peer},
    transfer::memory_server::Server,
};

fn entry(name: &str, kind: Kind) -> Entry {
    Entry { name: Name::try_from(name).unwrap(), kind, size: 0, mtime: Mtime(1, 1), mode: 0o777 }
}

fn page(under: &str, entries: Vec<Entry>, more: bool) -> Reply {
    let unreadable = if more { vec![path("shut")] } else { Vec::new() };
    Reply::Entries(reply::Page { under: path(under), entries, unreadable, digests: Vec::new(), more })
}

/// Answers the query for the target of a link.
async fn target(peer: &mut Peer, link: &str, answer: Result<u64, Code>) -> Option<()> {
    let nothing = Some(BlockRange { first: 0, count: 0 });
    assert_eq!(peer.request().await?, Request::Get { path: path(link), blocks: nothing });
    assert!(matches!(peer.frame().await?, Frame::Have { digests, .. } if digests.is_empty()));
    match answer {
        Ok(size) => {
            peer.send(opens(size, "7")).await;
            peer.send(Reply::Sent { root: None, version: version("7") }).await;
        }
        Err(code) => peer.refuse(code).await,
    }
    Some(())
}

async fn walk(session: &mut dyn Session, below: &str, follow: bool) -> (Result<(), ClientError>, Vec<Page>) {
    let (pages, mut told) = mpsc::channel(1);
    let taking = async {
        let mut found = Vec::new();
        while let Some(page) = told.recv().await {
            found.push(page);
        }
        found
    };
    let walk = Walk { follow, digests: false, enters: Arc::new(|_: &RemotePath| true) };
    let at = at(below);
    tokio::join!(session.walk(&at, walk, pages), taking)
}

#[tokio::test]
async fn links_are_listed_as_their_targets_or_as_links() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        for follow in [true, false] {
            assert_eq!(peer.request().await?, Request::Walk { path: path("t"), digests: false });
            let links = ["file", "folder", "gone"].map(|name| entry(name, Kind::Symlink));
            let entries = [vec![entry("plain", Kind::File)], links.to_vec()].concat();
            peer.send(page("", entries, true)).await;
            peer.send(page("sub", vec![entry("deep", Kind::Symlink)], false)).await;
            if follow {
                target(&mut peer, "t/file", Ok(5)).await?;
                target(&mut peer, "t/folder", Err(Code::IsDirectory)).await?;
                target(&mut peer, "t/gone", Err(Code::NotFound)).await?;
                target(&mut peer, "t/sub/deep", Ok(6)).await?;
            }
        }
        peer.answer(Reply::Usage(Usage::default())).await?;
        peer.frame().await.map(|_| ())
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let kinds = |page: &Page| page.entries.iter().map(|entry| entry.kind).collect::<Vec<_>>();
    let (result, pages) = walk(&mut *session, "t", true).await;
    result.unwrap();
    let [top, sub, linked, deep]: [Page; 4] = pages.try_into().unwrap();
    assert_eq!((kinds(&top), kinds(&sub)), (vec![Kind::File], Vec::new()));
    assert!(
        matches!(&top.unreadable[..], [(folder, error)] if *folder == path("shut") && error.obstacle() == Obstacle::Fault)
    );
    let [file] = &linked.entries[..] else { panic!("{linked:?}") };
    assert_eq!((file.name.as_bytes(), file.kind, file.size), (&b"file"[..], Kind::File, 5));
    assert_eq!((file.mtime, file.mode), (Mtime(3, 4), 0o640));
    assert!(matches!(&linked.left_out[..],
        [LeftOut::LinkToFolder(folder), LeftOut::Failed(gone, ClientError::Refused(_))]
            if folder.as_bytes() == b"folder" && gone.as_bytes() == b"gone"));
    assert_eq!((&deep.under, deep.entries[0].size), (&path("sub"), 6));
    let (result, pages) = walk(&mut *session, "t", false).await;
    result.unwrap();
    assert_eq!(pages.len(), 2);
    assert_eq!(kinds(&pages[0]), [Kind::File, Kind::Symlink, Kind::Symlink, Kind::Symlink]);
    session.room(&at(""), true).await.unwrap();
}

#[tokio::test]
async fn a_walk_ends_without_an_error_when_the_receiver_is_dropped() {
    let server = Server::start().await;
    (0..50).for_each(|number| server.state().put(&format!("{number}/x"), b"x"));
    let mut session = session(server.connector()).await;
    let (pages, mut told) = mpsc::channel(1);
    let walk = Walk { follow: true, digests: false, enters: Arc::new(|_: &RemotePath| true) };
    let one = async {
        told.recv().await.unwrap();
        drop(told);
    };
    let at = at("");
    let (result, ()) = tokio::join!(session.walk(&at, walk, pages), one);
    result.unwrap();
    assert!(!session.is_usable(), "the rest of the answer is still to come");
}

#[tokio::test]
async fn a_named_link_is_followed() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        for answer in [Ok(5), Err(Code::IsDirectory), Err(Code::BadPath)] {
            peer.answer(Reply::Entry { entry: entry("x", Kind::Symlink), version: None }).await?;
            target(&mut peer, "x", answer).await?;
        }
        peer.answer(Reply::Entry { entry: entry("x", Kind::Symlink), version: None }).await?;
        peer.frame().await.map(|_| ())
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let file = session.stat(&at("x")).await.unwrap();
    assert_eq!((file.kind, file.facts.size, file.facts.mtime, file.mode), (Kind::File, 5, Mtime(3, 4), 0o640));
    assert!(file.version.is_some());
    assert_eq!(session.stat(&at("x")).await.unwrap().kind, Kind::Folder);
    assert!(is_refused(&session.stat(&at("x")).await, Code::BadPath));
    let itself = Location::new(&Root::new(RemotePath::home().into()), path("x"), Reach::NoFollow);
    assert_eq!(session.stat(&itself).await.unwrap().kind, Kind::Symlink);
    assert_eq!(session.stat(&at("")).await.unwrap().kind, Kind::Folder, "the home");
    assert!(session.is_usable());
}

#[tokio::test]
async fn a_target_is_created_and_its_content_is_listed() {
    let server = Server::start().await;
    server.state().put("there/a/b", b"1234");
    let mut session = session(server.connector()).await;
    let folder = TargetKind::Folder;
    let mut there = session.prepare(&at("there"), folder, Make::Itself, false).await.unwrap();
    assert!(there.there && there.existing.is_complete());
    let found = there.existing.look(&path("a/b")).unwrap().unwrap();
    assert_eq!((found.kind, found.facts.size), (Kind::File, 4));
    assert_eq!(there.existing.look(&path("a")).unwrap().unwrap().kind, Kind::Folder);
    assert!(there.existing.look(&path("there/a/b")).unwrap().is_none());
    assert!(!session.prepare(&at("new"), folder, Make::Itself, false).await.unwrap().there);
    assert!(is_refused(&session.prepare(&at("far/off"), folder, Make::Itself, false).await, Code::NotFound));
    assert!(!session.prepare(&at("far/off"), folder, Make::WithParents, false).await.unwrap().there);
    let asked = server.state().requests.len();
    let mut file = session.prepare(&at("x/file"), TargetKind::File, Make::WithParents, false).await.unwrap();
    assert!(!file.existing.is_complete() && file.existing.look(&path("")).unwrap().is_none());
    let state = server.state();
    assert_eq!(state.requests.len(), asked, "nothing is queried for a file");
    assert!(state.folders.contains(&b"new"[..]) && state.folders.contains(&b"far/off"[..]));
    assert!(!state.folders.contains(&b"x"[..]));
}

#[tokio::test]
async fn a_target_that_is_only_queried_may_be_missing() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        for code in [Code::NotFound, Code::NotDirectory] {
            assert!(matches!(peer.request().await?, Request::Walk { .. }));
            peer.refuse(code).await;
        }
        peer.frame().await.map(|_| ())
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let missing = session.prepare(&at("x"), TargetKind::Folder, Make::Nothing, false).await.unwrap();
    assert!(!missing.there && missing.existing.is_complete());
    assert!(is_refused(&session.prepare(&at("x"), TargetKind::Folder, Make::Nothing, false).await, Code::NotDirectory));
}

#[tokio::test]
async fn an_answer_of_the_wrong_kind_ends_the_session() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.answer(Reply::Hashed {
            algorithm: ferry_shared::message::request::Algorithm::Blake3,
            digest: Digest::of(b"").to_string(),
        })
        .await?;
        peer.frame().await.map(|_| ())
    })
    .await;
    let mut session = session(fake.trusting()).await;
    assert!(matches!(session.stat(&at("x")).await, Err(ClientError::Protocol(_))) && !session.is_usable());
}
