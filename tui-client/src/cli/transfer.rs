//! The common part of `get` and `put`: runs the engine, reports its events, asks, and stops cleanly.

mod json_object;
mod prompts;
mod report;

use std::{future::pending, time::Duration};

use ferry_client::{
    Connector,
    reconnect::Patience,
    transfer::{ConflictRule, Engine, Event, Job, JobOptions, Scope, Settings},
};
use tokio::{
    sync::mpsc,
    time::{self, MissedTickBehavior},
};

use self::{
    prompts::{Answer, Prompts},
    report::Report,
};
use crate::{
    args::{Global, Links},
    context::Context,
    exit::Exit,
    failure::Failure,
    interrupt::{Signal, Signals},
    progress::Bar,
    sites::Place,
    terminal,
};
pub(super) use prompts::ask_about;
pub(super) use report::link as tell_link;

/// How often the bar is brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// In which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the server.
    Get,
    /// To the server.
    Put,
}

/// How the command line wants jobs to be done.
///
/// # Errors
/// [`Failure::Filter`], or [`Failure::Usage`] when asking is wanted and nobody is there.
pub(super) fn options(context: &Context, place: &Place) -> Result<JobOptions, Failure> {
    let global = &context.global;
    let links = global.links.or(place.links);
    Ok(JobOptions {
        conflict: rule(context)?,
        links: Links::rule(links),
        resume: !global.engine.no_resume,
        verify: global.engine.verify,
        dry_run: global.dry_run,
        filter: global.filters.filter()?,
        ..JobOptions::default()
    })
}

/// The rule for targets that exist already.
///
/// # Errors
/// [`Failure::Usage`] when asking is wanted and nobody is there.
pub(super) fn rule(context: &Context) -> Result<ConflictRule, Failure> {
    let attended = terminal::is_attended();
    match context.global.on_conflict.map(ConflictRule::from) {
        Some(ConflictRule::Ask) if !attended => Err(Failure::Usage("--on-conflict ask needs a terminal".to_owned())),
        Some(rule) => Ok(rule),
        None if attended => Ok(ConflictRule::Ask),
        None => Ok(ConflictRule::Fail),
    }
}

fn settings(global: &Global) -> Settings {
    let Patience { time: retry_for, retries } = global.patience.of_transfer();
    Settings {
        transfers: global.engine.transfers,
        bandwidth: global.engine.bwlimit.map(|limit| limit.0).unwrap_or_default(),
        retry_for,
        retries,
        ..Settings::default()
    }
}

/// The next event.
enum Next {
    Event(Option<Event>),
    Answer(Answer),
    Tick,
    Signal(Signal),
}

/// Does the jobs.
///
/// # Errors
/// [`Failure::Output`]; what fails of the jobs is told and counted in the exit code.
pub(super) async fn run(
    context: &mut Context,
    signals: &mut Signals,
    connector: Connector,
    way: Way,
    jobs: Vec<Job>,
) -> Result<Exit, Failure> {
    if context.output.json || context.global.dry_run {
        context.output.check()?;
        context.output.outlive_reader();
    }
    let (engine, mut events) = Engine::start(connector, settings(&context.global));
    let mut report = Report::new(way, context.global.dry_run);
    for job in jobs {
        report.begin(engine.add(job));
    }
    let mut bar = Bar::new(context.global.bar.progress, &context.output, way == Way::Put);
    let mut prompts = Prompts::default();
    let mut ticks = time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let stopped = loop {
        if report.is_done() {
            break None;
        }
        match next(&mut events, &mut prompts, &mut ticks, bar.is_shown(), signals).await {
            Next::Event(None) => break None,
            Next::Event(Some(event)) => handle(event, &engine, &mut prompts, &mut report, context)?,
            Next::Answer(Answer::Stop) => break Some(Signal::Interrupt),
            Next::Answer(Answer::Decided(item, decision)) => engine.answer(item, decision, Scope::This),
            Next::Answer(Answer::Always(items, decision)) => {
                items.into_iter().for_each(|item| engine.answer(item, decision, Scope::All));
            }
            Next::Tick => bar.draw(&engine.progress(), &context.output),
            Next::Signal(signal) => break Some(signal),
        }
        if prompts.has_next() {
            bar.hide();
            prompts.ask_next();
        } else if !prompts.is_open() {
            bar.unhide();
        }
    };
    bar.finish();
    engine.shutdown().await;
    report.finish(stopped, context)
}

async fn next(
    events: &mut mpsc::Receiver<Event>,
    prompts: &mut Prompts,
    ticks: &mut time::Interval,
    draws: bool,
    signals: &mut Signals,
) -> Next {
    let tick = async {
        match draws {
            true => drop(ticks.tick().await),
            false => pending().await,
        }
    };
    tokio::select! {
        event = events.recv() => Next::Event(event),
        answer = prompts.answered() => Next::Answer(answer),
        () = tick => Next::Tick,
        signal = signals.next() => Next::Signal(signal),
    }
}

fn handle(
    event: Event,
    engine: &Engine,
    prompts: &mut Prompts,
    report: &mut Report,
    context: &mut Context,
) -> Result<(), Failure> {
    match event {
        Event::Asks { item, conflict, .. } => {
            if let Some(decision) = prompts.add(item, conflict) {
                engine.answer(item, decision, Scope::All);
            }
        }
        Event::ItemDone { item, path, outcome, .. } => {
            prompts.forget(item);
            report.item(&path, &outcome, context)?;
        }
        Event::JobDone { job, summary } => report.job(job, &summary, context)?,
        Event::Link(link) => report::link(&link, context),
        Event::Notice(notice) => report::notice(&notice, context),
        Event::JobCounted { .. } | Event::ItemStarted { .. } | Event::ItemState { .. } | Event::Idle => {}
    }
    Ok(())
}
