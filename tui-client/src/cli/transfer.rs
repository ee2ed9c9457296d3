//! The common part of `get` and `put`: runs the engine, reports its events, asks questions, and stops cleanly.

mod json_object;
mod prompts;
mod report;

use std::{future::pending, sync::Arc, time::Duration};

use ferry_client::{
    Ferry, Local, Site,
    reconnect::Patience,
    server::{self, Connector},
    site::{Abilities, Surroundings},
    transfer::{ConflictRule, Engine, Event, Job, JobOptions, LinkRule, Scope, Settings, may_keep_links},
};
use ferry_shared::message::Notice;
use tokio::{
    sync::{broadcast, mpsc},
    time::{self, MissedTickBehavior},
};

use self::prompts::{Answer, Prompts};
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
pub(super) use report::Report;
pub(super) use report::link as tell_link;

/// The interval between updates of the progress bar.
const TICK: Duration = Duration::from_millis(100);

/// The direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the server.
    Get,
    /// To the server.
    Put,
    /// From any site to any other.
    Copy,
    /// From any site to any other, with deletions.
    Sync,
}

/// The options of jobs according to the command line.
///
/// # Errors
/// [`Failure::Filter`], or [`Failure::Usage`] if questions are requested without a terminal.
pub(super) fn options(context: &Context, place: &Place) -> Result<JobOptions, Failure> {
    let options = options_with(context, place.links)?;
    // Links cannot be kept in one direction either.
    check_links(options.links, &Local::ABILITIES, &server::abilities(&place.target), false)?;
    Ok(options)
}

/// The same between any two sites, with `links` as the default for symbolic links.
///
/// # Errors
/// Those of [`options`].
pub(super) fn options_with(context: &Context, links: Option<Links>) -> Result<JobOptions, Failure> {
    let global = &context.global;
    let links = global.links.or(links);
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

/// Refuses to keep links where that is not possible; `moves` if sources are removed.
///
/// # Errors
/// [`Failure::Usage`].
pub(super) fn check_links(links: LinkRule, from: &Abilities, to: &Abilities, moves: bool) -> Result<(), Failure> {
    match links {
        LinkRule::Keep => may_keep_links(from, to, moves).map_err(|error| Failure::Usage(error.to_string())),
        LinkRule::LeaveOut | LinkRule::Skip | LinkRule::Follow => Ok(()),
    }
}

/// The rule for existing targets.
///
/// # Errors
/// [`Failure::Usage`] if questions are requested without a terminal.
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

/// A server as a site.
#[derive(Debug, Clone)]
pub(super) struct Served {
    /// The site.
    pub(super) site: Arc<dyn Site>,
    connector: Connector,
    /// The same, if it is a ferry server, which sends notices.
    ferry: Option<Arc<Ferry>>,
}

/// The server behind `connector`, as a site.
pub(super) fn server(connector: &Connector) -> Served {
    let (site, ferry): (Arc<dyn Site>, _) = match connector {
        Connector::Ferry(connector) => {
            let ferry = Arc::new(Ferry::new(connector.clone()));
            (Arc::clone(&ferry) as _, Some(ferry))
        }
        other => (other.site(), None),
    };
    Served { site, connector: connector.clone(), ferry }
}

/// The next event.
enum Next {
    Notice(Notice),
    Event(Option<Event>),
    Answer(Answer),
    Tick,
    Signal(Signal),
}

/// Runs a job between `servers`.
///
/// # Errors
/// [`Failure::Output`]. Other failures are reported and included in the exit code.
pub(super) async fn run(
    context: &mut Context,
    signals: &mut Signals,
    servers: &[Served],
    way: Way,
    job: Job,
) -> Result<Exit, Failure> {
    tokio::select! {
        () = hold(context, servers) => {}
        signal = signals.next() => return Ok(signal.exit()),
    }
    let mut transfers = Transfers::start(context, servers, way)?;
    transfers.run(context, signals, job).await?;
    transfers.finish(context).await
}

/// In a batch, keeps the sessions of `servers` open for its next lines.
pub(super) async fn hold(context: &Context, servers: &[Served]) {
    for server in servers {
        context.hold(&server.connector).await;
    }
}

/// An engine that runs jobs one after the other, and the report of all of them.
pub(super) struct Transfers {
    engine: Engine,
    events: mpsc::Receiver<Event>,
    notices: Notices,
    prompts: Prompts,
    bar: Bar,
    /// The report.
    pub(super) report: Report,
    stopped: Option<Signal>,
}

impl Transfers {
    /// Starts an engine for jobs between `servers`.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(super) fn start(context: &Context, servers: &[Served], way: Way) -> Result<Self, Failure> {
        if context.output.json || context.global.dry_run {
            context.output.check()?;
            context.output.outlive_reader();
        }
        let notices = Notices::of(servers);
        let (engine, events) = Engine::remembering(settings(&context.global), context.home.digests());
        let bar = Bar::new(context.global.bar.progress, &context.output, way == Way::Put);
        let report = Report::new(way, context.global.dry_run);
        Ok(Self { engine, events, notices, prompts: Prompts::default(), bar, report, stopped: None })
    }

    /// The resources of the engine, for sessions beside it.
    pub(super) fn surroundings(&self) -> &Surroundings {
        self.engine.surroundings()
    }

    /// Records that a signal stopped the command.
    pub(super) fn stop(&mut self, signal: Signal) {
        self.stopped = Some(signal);
    }

    /// The signal that stopped the command.
    pub(super) fn stopped(&self) -> Option<Signal> {
        self.stopped
    }

    /// Whether a signal, or the person's answer, stopped the command.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Runs a job to its end, or until it is stopped.
    ///
    /// # Errors
    /// [`Failure::Output`]. Other failures are reported.
    pub(super) async fn run(&mut self, context: &mut Context, signals: &mut Signals, job: Job) -> Result<(), Failure> {
        let Self { engine, events, notices, prompts, bar, report, stopped } = self;
        report.begin(engine.add(job));
        let mut ticks = time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        *stopped = loop {
            if report.is_done() {
                break None;
            }
            match next(events, notices, prompts, &mut ticks, bar.is_shown(), signals).await {
                Next::Event(None) => break None,
                Next::Notice(notice) => report::notice(&notice, context),
                Next::Event(Some(event)) => handle(event, engine, prompts, report, context)?,
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
        Ok(())
    }

    /// Stops the engine without a report, after a failure.
    pub(super) async fn shutdown(mut self) {
        self.bar.finish();
        self.engine.shutdown().await;
    }

    /// Stops the engine and reports the end of all jobs.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(super) async fn finish(self, context: &mut Context) -> Result<Exit, Failure> {
        let Self { engine, mut bar, report, stopped, .. } = self;
        bar.finish();
        engine.shutdown().await;
        report.finish(stopped, context)
    }
}

/// The notices of the servers.
struct Notices(Vec<broadcast::Receiver<Notice>>);

impl Notices {
    fn of(servers: &[Served]) -> Self {
        Self(servers.iter().filter_map(|server| Some(server.ferry.as_ref()?.notices())).collect())
    }

    /// The next notice of any server; never resolves if no server is left.
    async fn next(&mut self) -> Notice {
        match &mut self.0[..] {
            [] => pending().await,
            [one] => heard(one).await,
            [one, other, ..] => tokio::select! {
                notice = heard(one) => notice,
                notice = heard(other) => notice,
            },
        }
    }
}

/// The next notice of one server.
async fn heard(server: &mut broadcast::Receiver<Notice>) -> Notice {
    loop {
        match server.recv().await {
            Ok(notice) => return notice,
            // Missed notices are older than the following ones.
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => pending().await,
        }
    }
}

async fn next(
    events: &mut mpsc::Receiver<Event>,
    notices: &mut Notices,
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
        notice = notices.next() => Next::Notice(notice),
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
        Event::PieceFailed { error, .. } => report.piece_failed(&error, context)?,
        Event::JobCounted { .. }
        | Event::ItemStarted { .. }
        | Event::ItemState { .. }
        | Event::PieceDone { .. }
        | Event::Idle => {}
    }
    Ok(())
}
