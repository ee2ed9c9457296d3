//! Symbolic links as such, at sites that have them.

use super::scene::Scene;
use crate::{
    obstacle::Obstacle,
    site::{Done, Op, Over, Reach},
};

fn make(scene: &Scene, below: &str, text: &str, replace: bool) -> Op {
    Op::MakeLink { at: scene.at(below), text: text.into(), replace }
}

pub(super) async fn a_link_is_made_read_and_replaced_only_by_a_link(scene: &Scene) {
    scene.write("a/file", b"content").await;
    if !scene.abilities().links {
        assert_eq!(scene.refused(make(scene, "a/x", "file", false)).await, Obstacle::Unsupported);
        return;
    }
    let tried = scene.ask(make(scene, "tried", "file", false)).await;
    if tried.is_err_and(|error| error.obstacle() == Obstacle::Unsupported) {
        // An SFTP server without links says so only when it is asked.
        return;
    }
    let read = async |below: &str| {
        let source = scene.source(below);
        let no_follow = crate::site::Location::new(source.root(), source.below().clone(), Reach::NoFollow);
        let mut texts = Vec::new();
        for at in [scene.at(below), source, no_follow] {
            let Ok(Done::Link(text)) = scene.ask(Op::ReadLink { at }).await else { panic!("{below} is not a link") };
            texts.push(String::from_utf8(text).unwrap());
        }
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        texts.remove(0)
    };
    // A text is not interpreted.
    for (below, text) in [("a/x", "file"), ("y", "../.././nowhere//"), ("z", "/absolute")] {
        scene.do_it(make(scene, below, text, false)).await;
        assert_eq!(read(below).await, text);
        // An equal link satisfies the request.
        scene.do_it(make(scene, below, text, false)).await;
    }
    assert_eq!(scene.refused(make(scene, "a/x", "other", false)).await, Obstacle::Exists);
    assert_eq!(read("a/x").await, "file");
    scene.do_it(make(scene, "a/x", "other", true)).await;
    assert_eq!(read("a/x").await, "other");
    for there in ["a/file", "a"] {
        assert_eq!(scene.refused(make(scene, there, "other", true)).await, Obstacle::Exists);
    }
    assert_eq!(scene.read("a/file").await.unwrap().1, b"content");
    scene.ask(Op::ReadLink { at: scene.at("a/file") }).await.unwrap_err();
    assert_eq!(scene.refused(Op::ReadLink { at: scene.at("gone") }).await, Obstacle::NotFound);
    scene.ask(make(scene, "missing/x", "other", true)).await.unwrap_err();
}

pub(super) async fn nothing_is_written_through_a_link_below_a_target(scene: &Scene) {
    if !scene.abilities().links {
        return;
    }
    scene.write("a/file", b"content").await;
    let tried = scene.ask(make(scene, "to-folder", "a", false)).await;
    if tried.is_err_and(|error| error.obstacle() == Obstacle::Unsupported) {
        return;
    }
    scene.do_it(make(scene, "to-file", "a/file", false)).await;
    scene.store(scene.put("to-folder/new", Over::Anything), b"other").await.unwrap_err();
    scene.ask(make(scene, "to-folder/link", "x", false)).await.unwrap_err();
    scene.ask(Op::MakeFolder { at: scene.at("to-folder/sub"), private: false }).await.unwrap_err();
    if scene.abilities().digest {
        // A file takes the place of a link. A site like SFTP writes through a link that was there before.
        scene.store(scene.put("to-file", Over::Anything), b"other").await.unwrap();
        assert_eq!(scene.read("a/file").await.unwrap().1, b"content");
    }
    for below in ["a/new", "a/link", "a/sub"] {
        assert!(scene.look(below).await.is_none(), "{below}");
    }
}
