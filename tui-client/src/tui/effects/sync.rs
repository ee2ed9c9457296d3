//! Comparisons and syncs: each has a task with its listings, which lives until its ticket is dropped.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ferry_client::{
    ClientError,
    reconnect::Patience,
    sync::{Deletion, Ends, Options, Plan, Select, Sync, SyncError},
    transfer::{Engine, Job, JobOptions, LinkRule},
};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};

use super::reply::Reply;
use crate::tui::{
    effect::SyncEffect,
    event::{Answer, Event},
    state::{
        dialog::Steps,
        problem::Problem,
        ticket::Ticket,
        transfers::{Deleted, Key},
        trees::Planned,
    },
};

/// Steps that wait for a task; the screen asks for one at a time.
const STEPS: usize = 8;
/// How often the figures of a step are sent.
const FIGURES: Duration = Duration::from_millis(100);

/// The means of a task.
pub(super) struct Means {
    pub(super) engine: Arc<Engine>,
    pub(super) ends: Ends,
    pub(super) links: LinkRule,
    pub(super) patience: Patience,
    pub(super) options: JobOptions,
    pub(super) events: mpsc::Sender<Event>,
}

/// The tasks.
#[derive(Debug, Default)]
pub(super) struct Syncs(HashMap<Ticket, mpsc::Sender<SyncEffect>>);

impl Syncs {
    /// Starts the task of a comparison. It ends when its ticket is dropped.
    pub(super) fn begin(&mut self, ticket: Ticket, means: Means, checksum: bool) -> AbortHandle {
        let (sender, steps) = mpsc::channel(STEPS);
        self.0.retain(|_, task| !task.is_closed());
        self.0.insert(ticket, sender);
        let reply = Reply::new(means.events.clone(), ticket);
        tokio::spawn(async move {
            if let Err(error) = run(means, checksum, steps, &reply).await {
                reply.send(Answer::Failed(problem(error))).await;
            }
        })
        .abort_handle()
    }

    /// Asks the task of a ticket for a step.
    pub(super) fn ask(&self, ticket: Ticket, step: SyncEffect) {
        if let Some(task) = self.0.get(&ticket) {
            // A task that ended has reported why.
            let _ = task.try_send(step);
        }
    }
}

fn problem(error: SyncError) -> Problem {
    match error {
        SyncError::End(error) => Problem::from(&error),
        SyncError::Pattern(error) => Problem::new(error.to_string()),
    }
}

/// Compares, and then does the steps that are asked for.
async fn run(
    means: Means,
    checksum: bool,
    mut steps: mpsc::Receiver<SyncEffect>,
    reply: &Reply,
) -> Result<(), SyncError> {
    let ends = means.ends.clone();
    let options = Options { delete: true, checksum, links: means.links, backup: false };
    let surroundings = means.engine.surroundings().clone();
    let patience = means.patience;
    // Whether one tree is in the other is looked up on the disk.
    let new = tokio::task::spawn_blocking(move || Sync::new(ends, options, &surroundings, patience));
    let mut sync = new.await.map_err(|_| ClientError::Cancelled)??;
    let mut select = Select::default();
    listed(&mut sync, &mut select, reply).await?;
    again(&mut sync, &select, (checksum, false), reply).await?;
    while let Some(step) = steps.recv().await {
        match step {
            SyncEffect::Compare(..) => {}
            SyncEffect::Again(checksum, see) => {
                // The listings stay, whatever fails.
                if let Err(error) = again(&mut sync, &select, (checksum, see), reply).await {
                    let _ = sync.set_checksum(false);
                    reply.send(Answer::Failed(problem(error))).await;
                }
            }
            SyncEffect::Copy(key, plan) => {
                start(&means, key, sync.job(&plan.copies, means.options.clone())).await;
            }
            SyncEffect::Rest(key, plan) => {
                start(&means, key, sync.blocked_job(&plan.blocked, means.options.clone())).await;
            }
            SyncEffect::Delete(key, plan) => delete(&mut sync, &means, key, &plan).await,
        }
    }
    Ok(())
}

/// Lists both trees, and tells how far that is.
async fn listed(sync: &mut Sync, select: &mut Select, reply: &Reply) -> Result<(), SyncError> {
    let counters = Arc::clone(sync.counters());
    let figures = || Steps { listed: counters.listed(), answered: (0, 0) };
    telling(sync.list(select), figures, &reply.events, |steps| comparing(reply, steps)).await
}

/// Compares the trees as they were listed.
async fn again(
    sync: &mut Sync,
    select: &Select,
    (checksum, see): (bool, bool),
    reply: &Reply,
) -> Result<(), SyncError> {
    sync.set_checksum(checksum)?;
    let counters = Arc::clone(sync.counters());
    let figures = || Steps { listed: counters.listed(), answered: counters.answered() };
    let work = async {
        let mut plan = sync.compare(select).await?;
        if see {
            sync.see(&mut plan).await?;
        }
        Ok::<Plan, SyncError>(plan)
    };
    let plan = telling(work, figures, &reply.events, |steps| comparing(reply, steps)).await?;
    reply.send(Answer::Compared(Planned(Arc::new(plan)))).await;
    Ok(())
}

/// Gives a job to the engine.
async fn start(means: &Means, key: Key, job: Job) {
    // Room for the event first: nothing that the engine says about the job may come before it.
    if let Ok(room) = means.events.reserve().await {
        room.send(Event::Started(key, means.engine.add(job)));
    }
}

/// Carries out the deletions of a plan.
async fn delete(sync: &mut Sync, means: &Means, key: Key, plan: &Plan) {
    let mut done = Deleted { deleted: 0, kept: Vec::new(), stopped: None };
    let counters = Arc::clone(sync.counters());
    let note = |deletion: &Deletion, result: Result<(), ClientError>| match result {
        Ok(()) => done.deleted += 1,
        Err(error) => done.kept.push((deletion.path.clone(), Problem::from(&error))),
    };
    let event = |answered| Event::Deleting(key, answered);
    let ended = telling(sync.delete(&plan.deletions, note), || counters.answered(), &means.events, event).await;
    done.stopped = ended.err().map(|error| Problem::from(&error));
    let _ = means.events.send(Event::Deleted(key, done)).await;
}

fn comparing(reply: &Reply, steps: Steps) -> Event {
    Event::Answer(reply.ticket, Answer::Comparing(steps))
}

/// Waits for some work, and sends its figures when they have changed.
async fn telling<T, F: PartialEq + Copy>(
    work: impl Future<Output = T>,
    figures: impl Fn() -> F,
    events: &mpsc::Sender<Event>,
    event: impl Fn(F) -> Event,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval(FIGURES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            _ = ticks.tick() => {
                let now = figures();
                if told.replace(now) != Some(now) {
                    // The receiver is gone only when the program ends.
                    let _ = events.send(event(now)).await;
                }
            }
        }
    }
}
