//! Walks a tree in memory.

use ferry_shared::path::RemotePath;
use tokio::sync::mpsc;

use super::{
    tree::{Node, Tree, What, told},
    way::Way,
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{LeftOut, Location, Page, Reach, Walk},
};

/// The number of entries per page; small, so that tests see several pages.
const PAGE: usize = 3;

/// A folder to read.
struct Open {
    /// The path with links resolved.
    path: RemotePath,
    under: RemotePath,
    /// The paths of the folder and its ancestors, with links resolved.
    way: Vec<RemotePath>,
}

pub(super) async fn run(way: &Way, at: &Location, walk: &Walk, pages: &mpsc::Sender<Page>) -> Result<(), ClientError> {
    way.begin().await?;
    let top = Location::new(at.root(), at.below().clone(), Reach::Follow);
    let path = way.tree(|tree| {
        let path = tree.resolve(&top)?;
        match tree.look(&path) {
            Some(Node { what: What::Folder, .. }) => Ok(path),
            Some(_) => Err(told(Obstacle::NotFolder, &path)),
            None => Err(told(Obstacle::NotFound, &path)),
        }
    })?;
    let mut folders = vec![Open { way: vec![path.clone()], path, under: RemotePath::home() }];
    while let Some(folder) = folders.pop() {
        let (pages_of_folder, mut next) = way.tree(|tree| read_folder(tree, &folder, walk));
        next.reverse();
        folders.extend(next);
        for page in pages_of_folder {
            way.step().await?;
            if pages.send(page).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Returns the pages of a folder and the subfolders to enter.
fn read_folder(tree: &Tree, folder: &Open, walk: &Walk) -> (Vec<Page>, Vec<Open>) {
    let page = || Page { under: folder.under.clone(), ..Page::default() };
    let (mut pages, mut filling, mut next) = (Vec::new(), page(), Vec::new());
    for (name, node) in tree.children(&folder.path) {
        if filling.entries.len() + filling.left_out.len() >= PAGE {
            pages.push(std::mem::replace(&mut filling, page()));
        }
        let (Ok(mut path), Ok(under)) = (folder.path.join(&name), folder.under.join(&name)) else { continue };
        let mut found = node;
        if walk.follow && matches!(found.what, What::Link(_)) {
            match tree.follow(&path).and_then(|to| match tree.look(&to) {
                Some(node) => Ok((to, node)),
                None => Err(told(Obstacle::NotFound, &to)),
            }) {
                Ok((to, node)) => (path, found) = (to, node),
                Err(error) => {
                    filling.left_out.push(LeftOut::Failed(name, error));
                    continue;
                }
            }
        }
        if matches!(found.what, What::Folder) && (walk.enters)(&under) {
            if folder.way.contains(&path) {
                filling.left_out.push(LeftOut::LinkLoop(name));
                continue;
            }
            let way = folder.way.iter().cloned().chain([path.clone()]).collect();
            next.push(Open { path, under, way });
        }
        filling.entries.push(tree.entry(name, &found));
    }
    pages.push(filling);
    (pages, next)
}
