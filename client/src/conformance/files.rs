//! Small files: stored, read, compared, removed.

use ferry_shared::{
    digest::Digest,
    entry::{Kind, Mtime},
};

use super::scene::{DATE, Scene, content, large};
use crate::{
    obstacle::Obstacle,
    site::{Dates, Done, OnlyIf, Op, Over},
};

pub(super) async fn a_small_file_is_stored_and_read_back(scene: &Scene) {
    let stored = scene.store(scene.put("a/x", Over::Nothing), b"content").await.unwrap();
    assert_eq!((stored.size, stored.root), (7, scene.abilities().digest.then(|| Digest::of(b"content"))));
    let found = scene.look("a/x").await.unwrap();
    assert_eq!((found.kind, found.facts.size), (Kind::File, 7));
    assert_eq!(found.mode, if scene.abilities().mode_bits { 0o640 } else { 0 });
    match scene.abilities().mtime {
        Dates::Exact => assert_eq!(found.facts.mtime, DATE),
        Dates::Seconds => assert_eq!(found.facts.mtime, Mtime(DATE.0, 0)),
        Dates::None => assert_ne!(found.facts.mtime, DATE),
    }
    let get = Op::Get { at: scene.source("a/x"), size: 7, growing: false };
    let Ok(Done::Content(read)) = scene.ask(get).await else { panic!() };
    assert_eq!((&read.bytes[..], read.root, read.opened.size), (&b"content"[..], Digest::of(b"content"), Some(7)));
    assert_eq!(read.opened.mtime, found.facts.mtime);
}

pub(super) async fn an_empty_file_is_stored_and_read_back(scene: &Scene) {
    let stored = scene.store(scene.put("x", Over::Nothing), b"").await.unwrap();
    assert_eq!(stored.size, 0);
    let get = Op::Get { at: scene.source("x"), size: 0, growing: false };
    let Ok(Done::Content(read)) = scene.ask(get).await else { panic!() };
    assert_eq!((read.bytes.len(), read.root), (0, Digest::of(b"")));
    assert_eq!(scene.read("x").await.unwrap().1, b"");
}

pub(super) async fn many_small_files_are_all_answered(scene: &Scene) {
    let name = |number: usize| format!("{}/{number}", number % 3);
    let put = |number: usize| Op::Put {
        put: scene.put(&name(number), Over::Nothing),
        content: Box::new(content(name(number).as_bytes())),
    };
    let answers = scene.ask_all((0..150).map(put).collect()).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Done::Stored(_)))), "{answers:?}");
    for number in [0, 77, 149] {
        assert_eq!(scene.read(&name(number)).await.unwrap().1, name(number).as_bytes());
    }
}

pub(super) async fn content_that_is_not_what_was_declared_is_never_stored(scene: &Scene) {
    let mut content = content(b"content");
    content.root = Digest::of(b"other");
    let put = Op::Put { put: scene.put("x", Over::Nothing), content: Box::new(content) };
    assert_eq!(scene.refused(put).await, Obstacle::Mismatch);
    assert!(scene.look("x").await.is_none());
}

pub(super) async fn attributes_are_set_and_only_of_the_file_that_was_seen(scene: &Scene) {
    scene.write("x", b"1").await;
    let seen = scene.look("x").await.unwrap().version;
    let set = |seconds, mode, seen| Op::SetAttributes {
        at: scene.at("x"),
        mtime: Some(Mtime(seconds, 0)),
        mode: Some(mode),
        seen,
    };
    scene.do_it(set(5, 0o600, seen.clone())).await;
    let found = scene.look("x").await.unwrap();
    let abilities = scene.abilities();
    assert_eq!(found.mode, if abilities.mode_bits { 0o600 } else { 0 });
    assert_eq!(found.facts.mtime == Mtime(5, 0), abilities.mtime != Dates::None);
    scene.write("x", b"2").await;
    if abilities.only_if_unchanged {
        assert_eq!(scene.refused(set(6, 0o600, seen)).await, Obstacle::Changed);
        assert_ne!(scene.look("x").await.unwrap().facts.mtime, Mtime(6, 0));
    }
    scene.do_it(set(7, 0o644, None)).await;
    assert_eq!(scene.read("x").await.unwrap().1, b"2");
}

pub(super) async fn a_digest_is_that_of_the_content_or_is_not_offered(scene: &Scene) {
    scene.write("x", b"content").await;
    let hash = |at| scene.ask(Op::Hash { at });
    if !scene.abilities().digest {
        assert_eq!(hash(scene.at("x")).await.unwrap_err().obstacle(), Obstacle::Unsupported);
        return;
    }
    for at in [scene.at("x"), scene.source("x")] {
        let Ok(Done::Hashed { root, .. }) = hash(at).await else { panic!() };
        assert_eq!(root, Digest::of(b"content"));
    }
}

pub(super) async fn missing_entries_are_reported_as_missing(scene: &Scene) {
    scene.write("there", b"").await;
    let mut ops = vec![
        Op::Stat { at: scene.at("x") },
        Op::Stat { at: scene.source("a/x") },
        Op::Get { at: scene.source("x"), size: 1, growing: false },
        Op::Remove { at: scene.at("x"), only: None },
        Op::Remove { at: scene.source("x"), only: None },
        Op::SetAttributes { at: scene.at("x"), mtime: None, mode: None, seen: None },
    ];
    if scene.abilities().digest {
        ops.push(Op::Hash { at: scene.at("a/x") });
    }
    for (number, answer) in scene.ask_all(ops).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap_err().obstacle(), Obstacle::NotFound, "{number}");
    }
    let mut session = scene.session().await;
    assert_eq!(session.stat(&scene.source("x")).await.unwrap_err().obstacle(), Obstacle::NotFound);
    assert_eq!(session.stat(&scene.source("there")).await.unwrap().kind, Kind::File);
    assert!(session.is_usable());
}

pub(super) async fn a_file_of_more_than_a_block_is_reported_as_large(scene: &Scene) {
    let content = large(1);
    let streamed = scene.stream(scene.put("x", Over::Nothing), &content, usize::MAX, super::scene::Noted::new()).await;
    streamed.result.unwrap();
    let get = Op::Get { at: scene.source("x"), size: 1, growing: false };
    let Ok(Done::Large(opened)) = scene.ask(get).await else { panic!() };
    assert_eq!(opened.size, Some(content.len() as u64));
}

pub(super) async fn removal_obeys_its_condition(scene: &Scene) {
    let only = |version, text: &[u8]| Some(OnlyIf { version, root: Some(Digest::of(text)), size: text.len() as u64 });
    for source in [false, true] {
        let at = || if source { scene.source("x") } else { scene.at("x") };
        scene.write("x", b"old").await;
        let seen = scene.look("x").await.unwrap().version;
        scene.write("x", b"new").await;
        if scene.abilities().only_if_unchanged {
            let removed = scene.refused(Op::Remove { at: at(), only: only(seen.clone(), b"old") }).await;
            assert_eq!(removed, Obstacle::Changed);
            assert_eq!(scene.read("x").await.unwrap().1, b"new");
        }
        if scene.abilities().only_if_unchanged {
            // Without a digest, only the version counts.
            let by_version = |version| Some(OnlyIf { version, root: None, size: 3 });
            let removed = scene.refused(Op::Remove { at: scene.at("x"), only: by_version(seen.clone()) }).await;
            assert_eq!(removed, Obstacle::Changed);
            let now = scene.look("x").await.unwrap().version;
            scene.do_it(Op::Remove { at: scene.at("x"), only: by_version(now) }).await;
            assert!(scene.look("x").await.is_none());
            scene.write("x", b"new").await;
        }
        // A different state with the same content satisfies the condition too.
        scene.do_it(Op::Remove { at: at(), only: only(seen, b"new") }).await;
        assert!(scene.look("x").await.is_none());
        scene.write("x", b"new").await;
        scene.do_it(Op::Remove { at: at(), only: None }).await;
        assert!(scene.look("x").await.is_none());
    }
}
