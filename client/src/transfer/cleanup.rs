//! The end of a move: source folders that are empty by now are removed.

use std::{path::PathBuf, sync::Arc};

use ferry_shared::{
    frame,
    link::LinkError,
    message::{Reply, Request},
    path::RemotePath,
};

use super::{
    core::Shared,
    link::{Incoming, Link, out_of_step},
    task::{SourceFolder, Task},
};
use crate::error::ClientError;

/// Requests sent together.
const TOGETHER: usize = 256;

/// Removes a job's source folders where nothing is left in them.
pub(super) async fn run(core: Shared, task: Arc<Task>) {
    let (mut local, mut remote) = (Vec::new(), Vec::new());
    for folder in task.take_folders() {
        match folder {
            SourceFolder::Local(path) => local.push(path),
            SourceFolder::Remote(path) => remote.push(path),
        }
    }
    let removing = core.blocking(move || remove_local(&local));
    if !remote.is_empty()
        && let Ok(mut link) = core.link_in_turn().await
    {
        // What cannot be removed stays, which harms nobody.
        if remove_remote(&core, &mut link, &remote).await.is_ok() {
            core.links.put(link);
        }
    }
    drop(removing.await);
    core.queue.cleaned(task.id);
}

fn remove_local(folders: &[PathBuf]) {
    // One that is not empty stays: something in it was not moved.
    folders.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
}

async fn remove_remote(core: &Shared, link: &mut Link, folders: &[RemotePath]) -> Result<(), ClientError> {
    for folders in folders.chunks(TOGETHER) {
        let mut frames = core.pool.take();
        for path in folders.iter().filter(|path| !path.is_home()) {
            let request = Request::Remove { path: path.clone(), recursive: false, version: None };
            frame::put_message(&mut frames, &request).map_err(LinkError::from)?;
        }
        core.send(&mut link.writer, &frames, |_| {}).await?;
        link.writer.flush().await?;
        for _ in folders.iter().filter(|path| !path.is_home()) {
            match core.incoming(&mut link.reader).await? {
                Incoming::Reply(Reply::Removed { .. } | Reply::Refused(_)) => {}
                other => return Err(out_of_step(&other)),
            }
        }
    }
    Ok(())
}
