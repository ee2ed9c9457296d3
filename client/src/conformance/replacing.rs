//! Existing files are replaced only as requested.

use super::scene::{Noted, Scene, large};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Op, Over},
};

/// Stores a file over an existing one, at once if it is small and otherwise as a stream.
async fn put(scene: &Scene, over: Over, content: &[u8]) -> Result<(), ClientError> {
    let put = scene.put("x", over);
    match content.len() {
        0..100 => scene.store(put, content).await.map(drop),
        _ => scene.stream(put, content, usize::MAX, Noted::new()).await.result.map(drop),
    }
}

fn contents() -> [Vec<u8>; 2] {
    [b"new".to_vec(), large(7)]
}

pub(super) async fn nothing_is_replaced_unasked(scene: &Scene) {
    scene.write("x", b"old").await;
    for new in contents() {
        assert_eq!(put(scene, Over::Nothing, &new).await.unwrap_err().obstacle(), Obstacle::Exists);
        assert_eq!(scene.read("x").await.unwrap().1, b"old");
    }
}

pub(super) async fn a_folder_is_never_replaced_by_a_file(scene: &Scene) {
    scene.write("x/y", b"old").await;
    for new in contents() {
        assert_eq!(put(scene, Over::Anything, &new).await.unwrap_err().obstacle(), Obstacle::Exists);
        assert_eq!(scene.read("x/y").await.unwrap().1, b"old");
    }
}

pub(super) async fn any_file_is_replaced_on_demand(scene: &Scene) {
    for new in contents() {
        put(scene, Over::Anything, &new).await.unwrap();
        assert_eq!(scene.read("x").await.unwrap().1, new);
        put(scene, Over::Anything, b"again").await.unwrap();
        assert_eq!(scene.read("x").await.unwrap().1, b"again");
    }
}

pub(super) async fn only_the_file_that_was_seen_is_replaced(scene: &Scene) {
    for new in contents() {
        scene.write("x", b"old").await;
        let seen = scene.look("x").await.unwrap().version;
        assert_eq!(seen.is_some(), scene.abilities().only_if_unchanged);
        put(scene, Over::This(seen.clone()), &new).await.unwrap();
        assert_eq!(scene.read("x").await.unwrap().1, new);
        if scene.abilities().only_if_unchanged {
            assert_eq!(put(scene, Over::This(seen), b"other").await.unwrap_err().obstacle(), Obstacle::Changed);
            assert_eq!(scene.read("x").await.unwrap().1, new);
        }
        scene.do_it(Op::Remove { at: scene.at("x"), only: None }).await;
    }
}
