//! Answers short requests, many at a time.

use std::sync::Arc;

use ferry_shared::{entry::Kind, name::Escaped, pool::BufferPool, refusal::Code};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    calls::{self, Calls},
    fault, get,
    parts::Parts,
    put, symlink,
};
use crate::{
    error::ClientError,
    site::{Answer, Done, Location, OnlyIf, Op, Reach, Request, Watch},
};

/// The number of requests that are carried out at a time.
const AT_ONCE: usize = 48;
/// The permission bits of a folder that others must not enter yet.
const PRIVATE: u32 = 0o700;

/// Answers requests until there are no more.
///
/// # Errors
/// The reason why the conversation ended.
pub(super) async fn run(
    calls: &Calls,
    pool: &BufferPool,
    parts: &Parts,
    mut requests: mpsc::Receiver<Request>,
    answers: mpsc::Sender<Answer>,
) -> Result<(), ClientError> {
    let shared = Arc::new((calls.clone(), pool.clone(), parts.clone()));
    let mut running = JoinSet::new();
    let mut more = true;
    // Folders are removed one after the other: an outer one follows those in it.
    let mut last: Option<oneshot::Receiver<()>> = None;
    while more || !running.is_empty() {
        tokio::select! {
            biased;
            Some(done) = running.join_next() => {
                let answer: Answer = done.map_err(|_| ClientError::Cancelled)?;
                if calls.link.is_closed() && !matches!(answer.result, Ok(_) | Err(ClientError::Refused(_))) {
                    return Err(calls.link.closed().await);
                }
                if answers.send(answer).await.is_err() {
                    return Ok(());
                }
            }
            request = requests.recv(), if more && running.len() < AT_ONCE => match request {
                Some(Request { id, op, watch }) => {
                    let shared = Arc::clone(&shared);
                    let turn = matches!(op, Op::Remove { only: None, .. }).then(|| Turn::after(&mut last));
                    running.spawn(async move {
                        let _turn = match turn {
                            Some(turn) => Some(turn.come().await),
                            None => None,
                        };
                        let (calls, pool, parts) = &*shared;
                        Answer { id, result: answer(calls, pool, parts, op, watch.as_deref()).await }
                    });
                }
                None => more = false,
            },
        }
    }
    Ok(())
}

/// A place in a row of requests that are carried out one after the other.
struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _over: oneshot::Sender<()>,
}

impl Turn {
    /// A place behind the `last` one, which it becomes.
    fn after(last: &mut Option<oneshot::Receiver<()>>) -> Self {
        let (over, next) = oneshot::channel();
        Self { before: last.replace(next), _over: over }
    }

    /// Waits until the one before is over; this one is over when it is dropped.
    async fn come(mut self) -> Self {
        if let Some(before) = self.before.take() {
            // Nothing is sent: the sender is dropped.
            let _ = before.await;
        }
        self
    }
}

async fn answer(
    calls: &Calls,
    pool: &BufferPool,
    parts: &Parts,
    op: Op,
    watch: Option<&dyn Watch>,
) -> Result<Done, ClientError> {
    match op {
        Op::Stat { at } => stat(calls, &at).await.map(Done::Found),
        Op::MakeFolder { at, private } => {
            let path = calls.place(&at).await?;
            // A link in its place is not entered.
            if at.reach() == Reach::Contained
                && !at.below().is_home()
                && let Some(found) = calls.look_if_there(path.clone()).await?
                && calls::kind(&found) == Kind::Symlink
            {
                return Err(super::place::not_folder(&path));
            }
            calls.make(&path, true, private.then_some(PRIVATE)).await?;
            Ok(Done::Done)
        }
        Op::SetAttributes { at, mtime, mode, .. } => {
            let path = calls.place(&at).await?;
            let found = calls.follow(path.clone()).await;
            if let Err(error) = found {
                return Err(calls.why_missing(&path, error).await);
            }
            let mut attributes = mtime.map(calls::dated).unwrap_or_default();
            attributes.permissions = mode;
            calls.set(path, attributes).await?;
            Ok(Done::Done)
        }
        Op::Hash { .. } => Err(fault::unsupported("compute digests")),
        Op::Remove { at, only } => {
            let path = calls.place(&at).await?;
            let found = match calls.look(path.clone()).await {
                Ok(found) => found,
                Err(error) => return Err(calls.why_missing(&path, error).await),
            };
            if let Some(OnlyIf { size, .. }) = only
                && calls::kind(&found) == Kind::File
                && found.size != Some(size)
            {
                return Err(fault::refused(Code::Changed, format!("{} has changed", Escaped(&path))));
            }
            calls.remove(&path, calls::kind(&found)).await?;
            Ok(Done::Done)
        }
        Op::Discard { at } => {
            let path = calls.place(&at).await?;
            let parts = parts.clone();
            if let Some(part) = put::on_disk(move || parts.forget(&path)).await? {
                match calls.remove_file(part).await {
                    Err(error) if !fault::is(&error, Code::NotFound) => return Err(error),
                    _ => {}
                }
            }
            Ok(Done::Done)
        }
        Op::ReadLink { at } => symlink::read(calls, &at).await,
        Op::MakeLink { at, text, replace } => symlink::make(calls, &at, text, replace).await,
        Op::Get { at, growing, .. } => get::small(calls, pool, &at, growing, watch).await,
        Op::Put { put, content } => put::small(calls, &put, *content, watch).await.map(Done::Stored),
    }
}

/// The file or folder at a location.
///
/// # Errors
/// It is not there, or the server's refusal.
pub(super) async fn stat(calls: &Calls, at: &Location) -> Result<crate::site::Found, ClientError> {
    let path = calls.place(at).await?;
    let found = match at.reach() {
        Reach::Follow => calls.follow(path.clone()).await,
        Reach::NoFollow | Reach::Contained => calls.look(path.clone()).await,
    };
    match found {
        Ok(found) => Ok(calls::found(&found)),
        Err(error) => Err(calls.why_missing(&path, error).await),
    }
}
