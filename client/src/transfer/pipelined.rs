//! Pipelines many short steps over one pair of sessions: sends requests without waiting for answers, and each answer
//! decides its item's next step. A small file is read from the source and then written to the target.

mod answer;
mod ask;
mod stage;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::mpsc;

use self::stage::Stage;
use super::{
    active::Active,
    engine_state::Shared,
    event::ItemState,
    item::Item,
    pair::{Ended, Sessions},
    sessions::Open,
    task::Task,
    transitions::{self, Next},
    watch::ActiveWatch,
};
use crate::{
    error::ClientError,
    site::{Answer, Op, Request, Watch},
};

/// The most unanswered requests at a time.
const MOST_REQUESTS: usize = 512;
/// The most bytes of files in unanswered requests.
const MOST_BYTES: u64 = 16 << 20;

/// The progress of smaller files is not observed.
const OBSERVED: u64 = 64 << 10;

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

/// An unanswered request.
#[derive(Debug)]
struct Flight {
    item: Item,
    side: Side,
    stage: Stage,
    /// Its share of [`MOST_BYTES`].
    bytes: u64,
}

/// The channels to and from one session's batch.
#[derive(Debug)]
struct Lane {
    requests: Option<mpsc::Sender<Request>>,
    answers: mpsc::Receiver<Answer>,
    /// The session sends no more answers.
    ended: bool,
}

/// Drives the items on one pair of sessions.
struct Driver<'a> {
    core: &'a Shared,
    task: &'a Arc<Task>,
    items: VecDeque<Item>,
    flights: HashMap<u64, Flight>,
    bytes: u64,
    next_id: u64,
    /// The last transient error.
    hiccup: Option<ClientError>,
    /// The queue had no more items for this pair of sites.
    exhausted: bool,
    /// A session has ended: nothing more is begun.
    closed: bool,
}

/// Carries out quick steps: first those of `batch`, then those from the queue, until the queue has no more.
pub(super) async fn run(core: &Shared, mut sessions: Sessions, task: &Arc<Task>, batch: Vec<Item>) -> Ended {
    let mut driver = Driver {
        core,
        task,
        items: batch.into(),
        flights: HashMap::new(),
        bytes: 0,
        next_id: 0,
        hiccup: None,
        exhausted: false,
        closed: false,
    };
    let (source_lane, source_ends) = lane();
    let (target_lane, target_ends) = lane();
    let broken = {
        let Sessions { source, target } = &mut sessions;
        let work = async {
            let (source, target) = (serve(source.as_mut(), source_ends), serve(target.as_mut(), target_ends));
            tokio::join!(source, target, driver.drive(source_lane, target_lane))
        };
        tokio::select! {
            biased;
            () = core.stop().cancelled() => [None, None],
            (source, target, ()) = work => [source.err(), target.err()],
        }
    };
    sessions.settle().await;
    core.queue.quick_ended(task);
    if core.stop().is_cancelled() {
        return Ended::default();
    }
    let Driver { items, flights, hiccup, .. } = driver;
    let [source, target] = broken;
    give_back(core, items, flights, [source.as_ref(), target.as_ref()]).await;
    Ended { sessions, hiccup: source.or(target).or(hiccup) }
}

/// The session's ends of its lane.
type Ends = (mpsc::Receiver<Request>, mpsc::Sender<Answer>);

/// Lets a session answer requests. A stream has no session and gets no requests.
async fn serve(open: Option<&mut Open>, (requests, answers): Ends) -> Result<(), ClientError> {
    match open {
        Some(open) => open.session.batch(requests, answers).await,
        None => Ok(()),
    }
}

fn lane() -> (Lane, Ends) {
    // The channels can hold all unanswered requests, so that sending never waits.
    let (requests, received) = mpsc::channel(MOST_REQUESTS);
    let (answered, answers) = mpsc::channel(MOST_REQUESTS);
    (Lane { requests: Some(requests), answers, ended: false }, (received, answered))
}

impl Driver<'_> {
    async fn drive(&mut self, mut source: Lane, mut target: Lane) {
        loop {
            while !self.closed && !source.ended && !target.ended && self.has_room() {
                let Some(item) = self.next_item() else { break };
                self.begin(item, &source, &target).await;
            }
            if self.flights.is_empty() || source.ended && target.ended {
                return;
            }
            let (side, answer) = tokio::select! {
                biased;
                answer = target.answers.recv(), if !target.ended => (Side::Target, answer),
                answer = source.answers.recv(), if !source.ended => (Side::Source, answer),
            };
            let lane = if side == Side::Source { &mut source } else { &mut target };
            match answer {
                Some(answer) => self.answered(answer, &source, &target).await,
                None => {
                    lane.ended = true;
                    // The other session finishes its requests; nothing new is begun.
                    let side_of = |flight: &Flight| flight.side != side;
                    if !self.flights.values().any(side_of) {
                        return;
                    }
                    let other = if side == Side::Source { &mut target } else { &mut source };
                    other.requests = None;
                }
            }
        }
    }

    /// Whether one more request may be unanswered. A single one always may, whatever its size.
    fn has_room(&self) -> bool {
        self.flights.is_empty() || self.flights.len() < MOST_REQUESTS && self.bytes < MOST_BYTES
    }

    fn next_item(&mut self) -> Option<Item> {
        if self.items.is_empty() && !self.exhausted {
            match self.core.queue.more_quick(self.task) {
                Some(more) => self.items = more.into(),
                None => self.exhausted = true,
            }
        }
        self.items.pop_front()
    }

    /// Begins an item's step.
    async fn begin(&mut self, item: Item, source: &Lane, target: &Lane) {
        match ask::step(item) {
            ask::Asked::Request { item, side, op, stage } => self.ask(item, side, op, stage, source, target).await,
            ask::Asked::Next(next) => self.core.apply(next).await,
        }
    }

    /// The observer of a file that crosses the network with `op`, if it is large enough for its bytes to be of interest.
    fn watch(&self, item: &mut Item, op: &Op) -> Option<Arc<dyn Watch>> {
        let (from, to) = (&item.task.from.abilities, &item.task.to.abilities);
        let state = match op {
            Op::Get { .. } if to.near && !from.near => ItemState::Receiving,
            Op::Put { .. } if !to.near => ItemState::Sending,
            _ => return None,
        };
        if item.facts.size < OBSERVED {
            return None;
        }
        let active = Arc::new(Active::quick(item, state));
        self.core.queue.quick_begun(&active);
        item.active = Some(Arc::clone(&active));
        Some(ActiveWatch::shared(self.core, &active, None))
    }

    async fn ask(&mut self, mut item: Item, side: Side, op: Op, stage: Stage, source: &Lane, target: &Lane) {
        let lane = if side == Side::Source { source } else { target };
        let id = self.next_id;
        self.next_id += 1;
        let bytes = if matches!(op, Op::Get { .. } | Op::Put { .. }) { item.facts.size } else { 0 };
        let watch = self.watch(&mut item, &op);
        let request = Request { id, op, watch };
        let sent = lane.requests.as_ref().is_some_and(|requests| requests.try_send(request).is_ok());
        if !sent {
            // The session has ended, so the request was not sent. Without this the item would be begun again and again,
            // because the end is noticed only when the answers are awaited.
            self.closed = true;
            return self.core.apply(Next::Again(item)).await;
        }
        self.bytes += bytes;
        self.flights.insert(id, Flight { item, side, stage, bytes });
    }

    async fn answered(&mut self, answer: Answer, source: &Lane, target: &Lane) {
        let Some(Flight { item, stage, bytes, .. }) = self.flights.remove(&answer.id) else { return };
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Err(error) = &answer.result
            && error.is_transient()
            && !matches!(error, ClientError::SourceChanged | ClientError::Mismatch { .. })
        {
            self.hiccup = Some(error.clone());
        }
        match answer::take(self.core, item, stage, answer.result) {
            ask::Asked::Request { item, side, op, stage } => self.ask(item, side, op, stage, source, target).await,
            ask::Asked::Next(next) => self.core.apply(next).await,
        }
    }
}

/// Returns the items of broken sessions to the queue. Only the oldest request of a session counts as failed; the others
/// were waiting behind it.
async fn give_back(
    core: &Shared,
    items: VecDeque<Item>,
    flights: HashMap<u64, Flight>,
    broken: [Option<&ClientError>; 2],
) {
    for item in items.into_iter().rev() {
        core.apply(Next::Again(item)).await;
    }
    let mut flights: Vec<(u64, Flight)> = flights.into_iter().collect();
    flights.sort_unstable_by_key(|(id, _)| *id);
    let failed = [Side::Source, Side::Target]
        .map(|side| flights.iter().find(|(_, flight)| flight.side == side).map(|(id, _)| *id));
    for (id, Flight { mut item, side, stage, .. }) in flights.into_iter().rev() {
        item.unanswered |= matches!(stage, Stage::Put(_)) && !item.task.to.abilities.near;
        let at = usize::from(side == Side::Target);
        match broken[at].filter(|_| failed[at] == Some(id)) {
            Some(error) => core.apply(transitions::failed(item, error.clone(), core.patience)).await,
            None => core.apply(Next::Again(item)).await,
        }
    }
}
