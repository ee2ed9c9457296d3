//! A file of many blocks, or a stream: it has a connection to itself until it is through.

mod download;
mod sink;
mod upload;

use std::sync::Arc;

use ferry_shared::refusal::Refusal;

use super::{
    active::Active,
    core::{Core, Shared},
    event::Event,
    flow::{self, Next},
    item::{Done, Item},
    link::Link,
    local::folder::Found,
    worker::Ended,
};
use crate::error::ClientError;

/// How a transfer went whose connection is still in step.
#[derive(Debug)]
enum After {
    /// The file is at its target: whole and durable.
    Arrived(Done),
    /// The server refused it.
    Refused(Refusal),
    /// It failed here.
    Failed(ClientError),
    /// This turned out to be at the target, where it may not be replaced.
    Found(Option<Found>),
    /// It has no more than one block by now.
    Shrunk,
}

/// Transfers a file. Whatever happens, all threads it took have ended when this returns.
pub(super) async fn run(core: &Shared, mut link: Link, mut item: Item, active: Arc<Active>) -> Ended {
    if !std::mem::replace(&mut item.told, true) {
        let size = (!item.task.is_stream()).then_some(item.facts.size);
        core.emit(Event::ItemStarted { job: item.task.id, item: item.id, path: item.path.clone(), size }).await;
    }
    let result = match (item.is_upload(), item.stream.is_some()) {
        (true, _) => upload::run(core, &mut link, &mut item, &active).await,
        (false, false) => download::run(core, &mut link, &mut item, &active).await,
        (false, true) => sink::run(core, &mut link, &mut item, &active).await,
    };
    if core.stop.is_cancelled() {
        return Ended::default();
    }
    let (link, error) = match &result {
        Ok(_) => (Some(link), None),
        Err(error) => (None, Some(error.clone())),
    };
    let stopped = active.why_stopped().is_some();
    let mut hiccup = error.filter(|error| error.is_transient() && !stopped);
    if !matches!(result, Ok(After::Arrived(_))) {
        item.travelled = item.travelled.saturating_add(active.travelled());
        item.tries.reached(active.done());
        item.unanswered |= result.is_err() && item.is_upload() && item.begun;
    }
    let next = match result {
        Ok(After::Arrived(done)) => {
            let done = done.with_earlier(item.travelled);
            // Of a stream only now is it known how much there was.
            core.queue.settle_size(&active, &mut item, done.size);
            flow::arrived(item, done)
        }
        // Where it goes from here is for the queue to say, which knows the last word.
        _ if stopped => Next::Again(item),
        Ok(After::Refused(refusal)) => {
            hiccup = Some(ClientError::from(refusal.clone())).filter(ClientError::is_transient);
            flow::refused(item, refusal, core.patience)
        }
        Ok(After::Found(found)) => flow::in_the_way(item, found),
        Ok(After::Shrunk) => Next::Again(item),
        Ok(After::Failed(error)) | Err(error) => flow::failed(item, error, core.patience),
    };
    if matches!(next, Next::Done(..)) {
        core.queue.large_ended(&active);
    }
    core.apply(next).await;
    Ended { link, hiccup }
}

/// Does `work` unless the engine, or this file, is stopped meanwhile.
async fn unless_stopped<T>(
    core: &Core,
    active: &Active,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::select! {
        biased;
        () = core.stop.cancelled() => Err(ClientError::Cancelled),
        () = active.stop.cancelled() => Err(ClientError::Cancelled),
        result = work => result,
    }
}
