//! Walks with links, unreadable folders and unusable names.

use std::{fs, path::Path, sync::Arc};

use super::*;
use crate::site::{Reach, Root};

async fn walk(path: &Path, follow: bool, enters: fn(&RemotePath) -> bool) -> Vec<Page> {
    let (pages, mut taken) = mpsc::channel(1);
    let at = Location::new(&Root::new(path.into()), RemotePath::home(), Reach::Follow);
    let stop = Stop::never();
    let walking = tokio::task::spawn_blocking(move || {
        run(&at, Walk { follow, digests: false, enters: Arc::new(enters) }, None, pages, stop).unwrap();
    });
    let mut found = Vec::new();
    while let Some(page) = taken.recv().await {
        found.push(page);
    }
    walking.await.unwrap();
    found
}

/// The pages as text.
fn shown(pages: &[Page]) -> Vec<String> {
    let text = |path: &RemotePath| String::from_utf8_lossy(path.as_bytes()).into_owned();
    let path = |page: &Page, name: &Name| text(&page.under.join(name).unwrap());
    let mut shown: Vec<String> = Vec::new();
    for page in pages {
        shown.extend(page.entries.iter().map(|entry| format!("{} {:?}", path(page, &entry.name), entry.kind)));
        shown.extend(page.left_out.iter().map(|left_out| match left_out {
            LeftOut::Failed(name, error) => format!("{} failed {:?}", path(page, name), error.obstacle()),
            LeftOut::LinkLoop(name) => format!("{} loop", path(page, name)),
            LeftOut::LinkToFolder(name) => format!("{} to a folder", path(page, name)),
            LeftOut::UnusableName(name) => format!("{name} unusable"),
        }));
        shown.extend(page.unreadable.iter().map(|(path, _)| format!("{} unreadable", text(path))));
    }
    shown.sort();
    shown
}

#[cfg(unix)]
fn tree() -> tempfile::TempDir {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let path = |below: &str| dir.path().join(below);
    fs::create_dir_all(path("a/b")).unwrap();
    fs::write(path("a/x"), "123").unwrap();
    symlink("..", path("a/b/up")).unwrap();
    symlink("x", path("a/y")).unwrap();
    symlink("gone", path("a/z")).unwrap();
    symlink("a/b", path("aside")).unwrap();
    dir
}

#[cfg(unix)]
#[tokio::test]
async fn links_that_are_not_followed_are_reported_as_links() {
    let found = shown(&walk(tree().path(), false, |_| true).await);
    let expected =
        ["a Folder", "a/b Folder", "a/b/up Symlink", "a/x File", "a/y Symlink", "a/z Symlink", "aside Symlink"];
    assert_eq!(found, expected);
}

#[cfg(unix)]
#[tokio::test]
async fn followed_links_are_reported_as_their_targets_and_loops_end() {
    let found = shown(&walk(tree().path(), true, |_| true).await);
    let expected = [
        "a Folder",
        "a/b Folder",
        "a/b/up loop",
        "a/x File",
        "a/y File",
        "a/z failed NotFound",
        "aside Folder",
        "aside/up Folder",
        "aside/up/b loop",
        "aside/up/x File",
        "aside/up/y File",
        "aside/up/z failed NotFound",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_folder_that_is_not_entered_is_reported_without_its_content() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::create_dir(dir.path().join("c")).unwrap();
    let pages = walk(dir.path(), false, |path| path.as_bytes() != b"a").await;
    assert_eq!(shown(&pages), ["a Folder", "c Folder"]);
    assert_eq!(pages.len(), 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn unusable_names_and_paths_that_are_too_deep_are_left_out() {
    use ferry_shared::limits::DEPTH_MAX;
    let dir = tempfile::tempdir().unwrap();
    let deep = ["d"; DEPTH_MAX + 1].join("/");
    fs::create_dir_all(dir.path().join(&deep)).unwrap();
    let pages = walk(dir.path(), false, |_| true).await;
    let left_out: Vec<_> = pages.iter().flat_map(|page| &page.left_out).collect();
    assert!(matches!(left_out[..], [LeftOut::UnusableName(_)]), "{left_out:?}");
    assert_eq!(pages.len(), DEPTH_MAX + 1);
}

#[tokio::test]
async fn pages_are_limited_and_a_folder_comes_before_its_content() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..3 {
        fs::create_dir_all(dir.path().join(format!("f{number}/g"))).unwrap();
    }
    for number in 0..2 * PAGE {
        fs::write(dir.path().join(format!("x{number}")), "").unwrap();
    }
    let pages = walk(dir.path(), false, |_| true).await;
    assert!(pages.iter().all(|page| page.entries.len() <= PAGE));
    let order: Vec<_> = pages.iter().map(|page| page.under.clone()).collect();
    for (place, under) in order.iter().enumerate() {
        let parent = under.parent().unwrap_or_default();
        assert!(order[..=place].contains(&parent));
    }
    // Depth first: the content of a folder follows it.
    let first = order.iter().position(|under| under.depth() == 1).unwrap();
    assert_eq!(order[first + 1].parent().as_ref(), Some(&order[first]));
}

#[tokio::test]
async fn a_folder_that_is_gone_by_now_is_reported_as_unreadable() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("gone")).unwrap();
    fs::create_dir(dir.path().join("there")).unwrap();
    let (pages, mut taken) = mpsc::channel(8);
    let walk = Walk { follow: false, digests: false, enters: Arc::new(|_| true) };
    let folder = |name: &str| {
        let under = RemotePath::from_wire(name.as_bytes()).unwrap();
        Open { path: dir.path().join(name), under, ancestors: None }
    };
    let folders = vec![folder("there"), folder("gone")];
    fs::remove_dir(dir.path().join("gone")).unwrap();
    let walker = Walker { walk, remembered: None, pages, stop: Stop::never(), folders };
    assert!(tokio::task::spawn_blocking(move || walker.run().is_ok()).await.unwrap());
    assert_eq!(shown(&[taken.recv().await.unwrap()]), ["gone unreadable"]);
    assert!(taken.recv().await.unwrap().unreadable.is_empty());
}
