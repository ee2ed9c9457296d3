//! Answers pipelined requests. Waiting requests are answered in reverse order, because callers must not rely on the
//! order.

use ferry_shared::{digest::Digest, limits::BLOCK_SIZE};
use tokio::sync::mpsc;

use super::{
    put,
    tree::{Tree, What, told},
    way::{Way, look},
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Answer, BlockBytes, Content, Done, Folders, Grown, Location, OnlyIf, Op, Reach, Request},
};

/// The number of requests answered together.
const TOGETHER: usize = 4;

pub(super) async fn run(
    way: &Way,
    mut requests: mpsc::Receiver<Request>,
    answers: &mpsc::Sender<Answer>,
) -> Result<(), ClientError> {
    while let Some(request) = requests.recv().await {
        let mut together = vec![request];
        while together.len() < TOGETHER
            && let Ok(request) = requests.try_recv()
        {
            together.push(request);
        }
        let mut answered = Vec::new();
        for Request { id, op, .. } in together {
            let result = answer(way, op).await;
            if way.is_broken() {
                return Err(ClientError::closed());
            }
            answered.push(Answer { id, result });
        }
        for answer in answered.into_iter().rev() {
            if answers.send(answer).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn answer(way: &Way, op: Op) -> Result<Done, ClientError> {
    way.begin().await?;
    match op {
        Op::Stat { at } => way.tree(|tree| look(tree, &at)).map(Done::Found),
        Op::MakeFolder { at, .. } => way.tree(|tree| {
            let path = tree.resolve(&at)?;
            if tree.abilities().folders == Folders::Real {
                tree.make_folder_at(&path, true)?;
            }
            Ok(Done::Done)
        }),
        Op::SetAttributes { at, mtime, mode, seen } => way.tree(|tree| {
            let path = tree.resolve(&at)?;
            let node = tree.look(&path).ok_or_else(|| told(Obstacle::NotFound, &path))?;
            if seen.is_some() && !tree.is_seen(&node, seen.as_ref()) {
                return Err(told(Obstacle::Changed, &path));
            }
            tree.set_attributes(&path, mtime, mode);
            Ok(Done::Done)
        }),
        Op::Hash { at } => way.tree(|tree| {
            if !tree.abilities().digest {
                return Err(ClientError::obstructed(Obstacle::Unsupported, "this site offers no digests"));
            }
            let (_, node) = tree.file(&at)?;
            let root = node.content().map_or_else(|| Digest::of(b""), |content| Digest::of(content));
            Ok(Done::Hashed { root, opened: Some(tree.opened(&node)) })
        }),
        Op::Remove { at, only } => way.tree(|tree| remove(tree, &at, only.as_ref())),
        Op::ReadLink { at } => way.tree(|tree| read_link(tree, &at)).map(Done::Link),
        Op::MakeLink { at, text, replace } => way.tree(|tree| make_link(tree, &at, text, replace)),
        Op::Discard { at } => way.tree(|tree| {
            let path = tree.resolve(&at)?;
            tree.parts.remove(&path);
            Ok(Done::Done)
        }),
        Op::Get { at, growing, .. } => get(way, &at, growing).await,
        Op::Put { put, content } => put::small(way, &put, &content).await.map(Done::Stored),
    }
}

fn read_link(tree: &Tree, at: &Location) -> Result<Vec<u8>, ClientError> {
    let reach = if at.reach() == Reach::Contained { Reach::Contained } else { Reach::NoFollow };
    let path = tree.resolve(&Location::new(at.root(), at.below().clone(), reach))?;
    match tree.look(&path).map(|node| node.what) {
        Some(What::Link(text)) => Ok(text),
        Some(_) => Err(told(Obstacle::BadPath, &path)),
        None => Err(told(Obstacle::NotFound, &path)),
    }
}

fn make_link(tree: &mut Tree, at: &Location, text: Vec<u8>, replace: bool) -> Result<Done, ClientError> {
    let path = tree.resolve(at)?;
    if !tree.abilities().links {
        return Err(told(Obstacle::Unsupported, &path));
    }
    tree.check_parent(&path.parent().unwrap_or_default(), false)?;
    match tree.look(&path).map(|node| node.what) {
        Some(What::Link(there)) if there == text => return Ok(Done::Done),
        Some(What::Link(_)) if replace => {}
        Some(_) => return Err(told(Obstacle::Exists, &path)),
        None => {}
    }
    tree.insert(path, What::Link(text), None, None, false);
    Ok(Done::Done)
}

fn remove(tree: &mut Tree, at: &Location, only: Option<&OnlyIf>) -> Result<Done, ClientError> {
    let path = tree.resolve(at)?;
    let node = tree.look(&path).ok_or_else(|| told(Obstacle::NotFound, &path))?;
    if let Some(only) = only {
        // A site without versions may compare digests; a site with neither ignores the condition.
        let proven = only.version.is_some() && tree.is_seen(&node, only.version.as_ref());
        let equal = node.content().is_some_and(|content| Some(Digest::of(content)) == only.root);
        let checks = tree.abilities().only_if_unchanged;
        if checks && !proven && !equal {
            return Err(told(Obstacle::Changed, &path));
        }
    }
    if matches!(node.what, What::Folder) && !tree.children(&path).is_empty() {
        return Err(told(Obstacle::NotEmpty, &path));
    }
    tree.take(&path);
    Ok(Done::Done)
}

async fn get(way: &Way, at: &Location, growing: bool) -> Result<Done, ClientError> {
    let (opened, content, path) = way.tree(|tree| {
        let (path, node) = tree.file(at)?;
        let content = node.content().cloned().unwrap_or_default();
        Ok::<_, ClientError>((tree.opened(&node), content, path))
    })?;
    if content.len() as u64 > BLOCK_SIZE {
        return Ok(Done::Large(opened));
    }
    let root = Digest::of(&content);
    way.step().await?;
    let grown = way.tree(|tree| settle(tree, &path, content.len(), root, growing))?;
    let bytes = BlockBytes::Shared(content.to_vec().into());
    Ok(Done::Content(Box::new(Content { opened, bytes, root, grown })))
}

/// Verifies that the content read from a file existed at one point in time, as the local site does.
pub(super) fn settle(
    tree: &Tree,
    path: &ferry_shared::path::RemotePath,
    size: usize,
    root: Digest,
    growing: bool,
) -> Result<Option<Grown>, ClientError> {
    let node = tree.look(path);
    let now = node.as_ref().and_then(|node| node.content());
    let Some(beginning) = now.and_then(|now| now.get(..size)) else { return Err(ClientError::SourceChanged) };
    let grown = now.is_some_and(|now| now.len() > size);
    let proven = !(grown && growing);
    if proven && Digest::of(beginning) != root {
        return Err(ClientError::SourceChanged);
    }
    Ok(grown.then_some(Grown { at: std::time::SystemTime::UNIX_EPOCH, proven }))
}
