//! The end of a move: removes the emptied source folders.

use tokio::sync::mpsc;

use super::{engine_state::Shared, path::ItemPath, queue::Cleanup, task::End};
use crate::{
    error::ClientError,
    site::{Op, Request},
};

/// Requests sent together.
const TOGETHER: usize = 256;

/// Removes the empty folders of a piece's source.
pub(super) async fn run(core: Shared, cleanup: Cleanup) {
    let Cleanup { task, piece, folders } = cleanup;
    if let Some(pool) = End::pool(&task.from)
        && let Ok(mut open) = core.session_in_turn(pool).await
    {
        // A folder that cannot be removed stays, which is harmless.
        for folders in folders.chunks(TOGETHER) {
            if remove(&mut open.session, folders).await.is_err() {
                break;
            }
        }
        pool.put(open);
    }
    core.queue.cleaned(task.id, piece);
}

async fn remove(session: &mut Box<dyn crate::site::Session>, folders: &[ItemPath]) -> Result<(), ClientError> {
    let (requests, received) = mpsc::channel(TOGETHER);
    let (answers, mut answered) = mpsc::channel(TOGETHER);
    for (id, folder) in (0..).zip(folders) {
        // Sending cannot fail: the channel is open and has room for all requests.
        if let Some(at) = folder.source() {
            let _ = requests.try_send(Request { id, op: Op::Remove { at, only: None }, watch: None });
        }
    }
    drop(requests);
    let batch = session.batch(received, answers);
    // A folder that is not empty stays: something in it was not moved.
    let listening = async { while answered.recv().await.is_some() {} };
    tokio::join!(batch, listening).0
}
