//! Many short requests over one connection: a thread reads files and writes requests
//! without waiting, answers are matched in order, and another thread puts what arrives on disk.

mod answer;
mod disk;
mod feed;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use ferry_shared::{digest::Digest, pool::Buffer};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use self::{answer::Answers, feed::Feeder};
use super::{
    core::{Core, Shared},
    flow::{self, Next},
    item::{Done, Item},
    link::Link,
    window::Window,
    worker::Ended,
};
use crate::{connection::FrameWriter, error::ClientError};

/// Full buffers between the thread that reads files and the connection.
const BUFFERS_AHEAD: usize = 2;

/// Requests, encoded.
#[derive(Debug)]
struct Requests {
    frames: Buffer,
    asked: Vec<Asked>,
}

/// A request whose answer is still to come.
#[derive(Debug)]
struct Asked {
    /// Whose; a ping is nobody's.
    item: Option<Item>,
    answer: Expected,
    /// What it takes of the window.
    bytes: u64,
}

impl Asked {
    /// The item, whose answer will not come.
    fn unanswered(self) -> Option<Item> {
        let mut item = self.item?;
        item.unanswered |= matches!(self.answer, Expected::Stored(_));
        Some(item)
    }
}

/// What a request is answered with, unless it is refused.
#[derive(Debug)]
enum Expected {
    /// `Stored`, with this root.
    Stored(Done),
    /// `Opened`, a block, `Sent`.
    Content,
    /// `Entry`.
    Entry,
    /// `Entry`: of a download's source, which is to be compared.
    Source,
    /// `Hashed`, to be compared with the local content, which may be gone.
    Compared(Option<Digest>),
    /// `Hashed`, to be compared with what was sent.
    Confirmed(Done),
    /// `Done`: the folder is there.
    Folder,
    /// `Done`: the folder has its date.
    FolderDate,
    /// `Done`: the target has the source's attributes.
    Attributes,
    /// `Removed`: the source is gone.
    SourceRemoved(Done),
    /// `Done`: the staged part is gone.
    Discarded,
    /// `Pong`.
    Alive,
}

/// The requests that are under way, in order.
#[derive(Debug, Default)]
struct Pending {
    asked: Mutex<VecDeque<Asked>>,
    fed: AtomicBool,
    changed: Notify,
}

impl Pending {
    /// Whether the server can answer the oldest one at once: it need not read a large file, or
    /// flush, for that.
    fn is_due(&self) -> bool {
        let prompt = |asked: &Asked| {
            matches!(asked.answer, Expected::Content | Expected::Entry | Expected::Source | Expected::Alive)
        };
        self.asked.lock().front().is_some_and(prompt)
    }

    fn is_finished(&self) -> bool {
        self.fed.load(Relaxed) && self.asked.lock().is_empty()
    }

    /// No more requests will come.
    fn end(&self) {
        self.fed.store(true, Relaxed);
        self.changed.notify_one();
    }

    /// Waits until no more requests will come and all are answered.
    async fn finished(&self) {
        while !self.is_finished() {
            self.changed.notified().await;
        }
    }
}

/// Does quick items, first `batch` and then what the queue has, until it has no more.
pub(super) async fn run(core: &Shared, mut link: Link, batch: Vec<Item>) -> Ended {
    let window = Arc::new(Window::default());
    let pending = Pending::default();
    let (requests, mut to_send) = mpsc::channel(BUFFERS_AHEAD);
    let feeder = Feeder::new(Arc::clone(core), Arc::clone(&window), requests);
    let feeder = core.blocking(move || feeder.run(batch));

    let mut answers = Answers::new(core, &pending, &window);
    let result = {
        let sent = link.writer.meter();
        let sending = send(core, &mut link.writer, &mut to_send, &pending);
        let reading = answers.read(&mut link.reader, &sent);
        tokio::select! {
            biased;
            () = core.stop.cancelled() => Err(ClientError::Cancelled),
            result = async { tokio::try_join!(sending, reading) } => result.map(drop),
        }
    };
    window.close();
    to_send.close();
    let mut unanswered: Vec<Item> = pending.asked.lock().drain(..).filter_map(Asked::unanswered).collect();
    while let Some(requests) = to_send.recv().await {
        unanswered.extend(requests.asked.into_iter().filter_map(Asked::unanswered));
    }
    let hiccup = answers.finish().await;
    let unasked = feeder.await.unwrap_or_default();
    core.queue.quick_ended();
    if core.stop.is_cancelled() {
        return Ended::default();
    }
    let error = result.err();
    give_back(core, unanswered, unasked, error.as_ref()).await;
    Ended { link: error.is_none().then_some(link), hiccup: error.or(hiccup) }
}

/// Sends what the feeder encodes.
async fn send(
    core: &Core,
    writer: &mut FrameWriter,
    requests: &mut mpsc::Receiver<Requests>,
    pending: &Pending,
) -> Result<(), ClientError> {
    while let Some(Requests { frames, asked }) = requests.recv().await {
        pending.asked.lock().extend(asked);
        pending.changed.notify_one();
        core.send(writer, &frames, |_| {}).await?;
        if requests.is_empty() {
            writer.flush().await?;
        }
    }
    writer.flush().await?;
    pending.end();
    Ok(())
}

/// Items whose connection broke go back to the queue. Only the one that was being
/// answered has failed; the others merely stood behind it.
async fn give_back(core: &Core, unanswered: Vec<Item>, unasked: Vec<Item>, error: Option<&ClientError>) {
    for item in unasked.into_iter().rev() {
        core.apply(Next::Again(item)).await;
    }
    let mut unanswered = unanswered.into_iter();
    let first = unanswered.next();
    for item in unanswered.rev() {
        core.apply(Next::Again(item)).await;
    }
    if let (Some(item), Some(error)) = (first, error) {
        core.apply(flow::failed(item, error.clone(), core.patience)).await;
    }
}
