//! A file of many blocks, or a stream: it has a connection to itself until it is through.

mod download;
mod sink;
mod upload;

use std::sync::Arc;

use ferry_shared::refusal::Refusal;

use super::{
    active::{Active, Why},
    core::{Core, Shared},
    event::{Event, ItemState, Outcome, Skip},
    flow::{self, Next},
    item::{Done, Item, Step},
    link::Link,
    local::folder::Found,
    queue::Hold,
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
    /// This turned out to be at the target.
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
    core.queue.large_ended(&active);
    if core.stop.is_cancelled() {
        return Ended::default();
    }
    let (link, error) = match &result {
        Ok(_) => (Some(link), None),
        Err(error) => (None, Some(error.clone())),
    };
    if let (Err(_), Some(why)) = (&result, active.why_stopped()) {
        stopped(core, item, why).await;
        return Ended { link, hiccup: None };
    }
    let mut hiccup = error.filter(ClientError::is_transient);
    let next = match result {
        Ok(After::Arrived(done)) => arrived(item, done),
        Ok(After::Refused(refusal)) => {
            hiccup = Some(ClientError::from(refusal.clone())).filter(ClientError::is_transient);
            flow::refused(item, refusal, core.retries)
        }
        Ok(After::Found(_)) if item.beside.is_some() => flow::beside(item),
        Ok(After::Found(found)) => flow::found(item, found, false),
        Ok(After::Shrunk) => Next::Again(item),
        Ok(After::Failed(error)) | Err(error) => flow::failed(item, error, core.retries),
    };
    core.apply(next).await;
    Ended { link, hiccup }
}

fn arrived(mut item: Item, done: Done) -> Next {
    if item.task.is_stream() {
        // Only now is it known how much there was.
        item.task.tally.add_bytes(done.size.saturating_sub(item.facts.size));
    }
    item.facts.size = done.size;
    flow::arrived(item, done)
}

/// Somebody outside stopped the transfer.
async fn stopped(core: &Core, item: Item, why: Why) {
    match why {
        Why::Requeue => core.apply(Next::Again(item)).await,
        Why::Pause => {
            let id = item.id;
            core.queue.hold(item, Hold::Paused);
            core.emit(Event::ItemState { item: id, state: ItemState::Paused }).await;
        }
        Why::Cancel { keep_part } => {
            let outcome = Outcome::Skipped(Skip::Cancelled);
            if keep_part || item.task.is_stream() {
                return core.apply(Next::Done(item, outcome)).await;
            }
            item.task.tally.file_done(item.weight(), &outcome);
            let (job, id, path) = (item.task.id, item.id, item.path.clone());
            core.emit(Event::ItemDone { job, item: id, path, outcome }).await;
            core.apply(Next::Again(Item { step: Step::Discard, ..item })).await;
        }
    }
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
