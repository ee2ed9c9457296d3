//! Runs effects on the disk, the server and the engine; answers come back as events.
//!
//! Nothing here blocks the drawing. Calls to the disk have threads of their own, those to the
//! server have tasks; a cancelled request stops at its next step.

mod connection;
mod local;
mod outside;
mod preview;
mod programs;
mod queue;
mod remote;
mod reply;
mod saved;
mod sync;
mod watch;

use std::{collections::HashMap, path::PathBuf};

use ferry_client::{
    ClientError, SiteKey, SitePath,
    connect::Target,
    transfer::{Progress, Settings},
    trust::Fingerprint,
};
use tokio::{sync::mpsc, task::AbortHandle};
use tokio_util::sync::CancellationToken;

use self::{connection::ConnectionKeeper, queue::Queue, reply::Reply, saved::Keeper, sync::Syncs, watch::Watched};
use super::{
    effect::{Effect, SyncEffect},
    event::Event,
    state::{place::Place, preview::Wanted, saved::Saved, ticket::Ticket},
};
use crate::{args::Links, home::Home};

pub(crate) use outside::{Outside, run as run_outside};
pub(crate) use programs::{remove_all_copies, remove_left_copies};

/// Reads the user's sites and bookmarks, and lists the errors in their files.
pub(crate) fn load_saved(home: &Home) -> (Saved, Vec<String>) {
    saved::load(&home.sites(), &saved::bookmarks(home), &saved::recent(home))
}

/// The capacity of the channel of events; a sender waits while it is full.
pub(crate) const EVENTS: usize = 1024;

/// How servers are connected to and files are moved.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The only key to accept, whatever the server.
    pub(crate) server_key: Option<Fingerprint>,
    /// Accept keys that are not known yet.
    pub(crate) accept_new: bool,
    /// The seal file for sites that name none of their own.
    pub(crate) seal: Option<PathBuf>,
    /// The rule for symbolic links inside a folder; it overrides a site's.
    pub(crate) links: Option<Links>,
    /// The settings of the engine.
    pub(crate) settings: Settings,
    /// Resume from the data of an earlier attempt.
    pub(crate) resume: bool,
    /// Read each written file again, and compare.
    pub(crate) verify: bool,
}

/// A request that can be cancelled.
#[derive(Debug)]
enum Asked {
    Task(AbortHandle),
    Thread(CancellationToken),
}

impl Asked {
    fn is_over(&self) -> bool {
        match self {
            Self::Task(task) => task.is_finished(),
            Self::Thread(stop) => stop.is_cancelled(),
        }
    }

    fn call_off(self) {
        match self {
            Self::Task(task) => task.abort(),
            Self::Thread(stop) => stop.cancel(),
        }
    }
}

/// Runs effects.
#[derive(Debug)]
pub(crate) struct Effects {
    events: mpsc::Sender<Event>,
    asked: HashMap<Ticket, Asked>,
    connection: ConnectionKeeper,
    queue: Queue,
    syncs: Syncs,
    saved: Keeper,
    watched: Watched,
    turn: preview::Turn,
}

impl Effects {
    /// Starts, and reads the journal, the sites and the bookmarks. Must be called in a runtime.
    pub(crate) fn new(events: mpsc::Sender<Event>, home: &Home, options: Options) -> Self {
        let saved = Keeper::new(events.clone(), home);
        Self {
            asked: HashMap::new(),
            connection: ConnectionKeeper::new(events.clone(), home, &options, saved.clone()),
            queue: Queue::new(events.clone(), home, options),
            syncs: Syncs::default(),
            saved,
            watched: Watched::new(events.clone()),
            turn: preview::Turn::default(),
            events,
        }
    }

    /// Runs an effect, or returns one that needs the terminal.
    pub(crate) fn run(&mut self, effect: Effect) -> Option<Outside> {
        match effect {
            Effect::Drop(ticket) => {
                if let Some(asked) = self.asked.remove(&ticket) {
                    asked.call_off();
                }
            }
            Effect::List(ticket, place) => self.ask(ticket, place, local::list, remote::list),
            Effect::Count(ticket, place, paths, purpose) => {
                let there = paths.clone();
                let local = move |path, stop, reply| local::count(path, &paths, purpose, &stop, &reply);
                self.ask(ticket, place, local, move |ask, path| remote::count(ask, path, there, purpose));
            }
            Effect::Read(ticket, place, block) => {
                let local = move |path, _, reply| local::read(path, block, &reply);
                self.ask(ticket, place, local, move |ask, path| remote::read(ask, path, block));
            }
            Effect::Preview(ticket, asked) => self.preview(ticket, *asked),
            Effect::Digest(ticket, place) => self.ask(ticket, place, local::digest, remote::digest),
            Effect::MakeLink(ticket, place, text) => {
                let there = text.clone();
                let local = move |path, _, reply| local::make_link(path, &text, &reply);
                self.ask(ticket, place, local, move |ask, path| remote::make_link(ask, path, there));
            }
            Effect::SetMode(ticket, place, paths, change, below) => {
                let (there, its) = (paths.clone(), change.clone());
                let local = move |path, stop, reply| local::set_modes(path, &paths, (&change, below), &stop, &reply);
                self.ask(ticket, place, local, move |ask, path| remote::set_modes(ask, path, there, (its, below)));
            }
            Effect::Search(ticket, place, sought) => {
                let there = sought.clone();
                let local = move |path, stop, reply| local::search(path, &sought, &stop, &reply);
                self.ask(ticket, place, local, move |ask, path| remote::search(ask, path, there));
            }
            Effect::MakeFolder(ticket, place) => self.ask(ticket, place, local::make_folder, remote::make_folder),
            Effect::Remove(ticket, place, what) => {
                let there = what.clone();
                let local = move |path, stop, reply| local::remove(path, &what, &stop, &reply);
                self.ask(ticket, place, local, move |ask, path| remote::remove(ask, path, there));
            }
            Effect::Write(ticket, place, text) => {
                self.ask_disk(ticket, move |_, reply| local::write(&place, &text, &reply));
            }
            Effect::Rename(ticket, steps) => self.rename(ticket, steps),
            Effect::CopyThere(ticket, steps) => {
                if let Some(server) = steps.first().and_then(|(from, _)| from.target()).cloned() {
                    self.ask_server(ticket, &server, move |ask| remote::copy(ask, steps));
                }
            }
            Effect::Version(ticket, place) => {
                if let (Some(server), Some(path)) = (place.target(), place.path.remote().cloned()) {
                    self.ask_server(ticket, server, move |ask| remote::version(ask, path));
                }
            }
            Effect::Uploads(ticket, server) => self.ask_server(ticket, &server, remote::uploads),
            Effect::Free(side, path) => local::free(self.events.clone(), side, path),
            Effect::Watch(side, folder) => self.watched.watch(side, folder),
            Effect::RemoveCopy(path) => local::remove_copy(path),
            Effect::Connection(effect) => self.connection.run(effect),
            Effect::Transfer(effect) => self.queue.run(effect, &self.connection),
            Effect::Sync(ticket, effect) => self.sync(ticket, effect),
            Effect::SaveSite(old, site) => self.saved.save_site(old, site),
            Effect::RemoveSite(name) => self.saved.remove_site(name),
            Effect::NotePast(past) => self.saved.note_past(past),
            Effect::ReadHistory(ticket) => self.saved.read_history(Reply::new(self.events.clone(), ticket)),
            Effect::ClearHistory => self.saved.clear_history(),
            Effect::SaveRecent(recent) => self.saved.save_recent(recent),
            Effect::SaveBookmarks(bookmarks) => self.saved.save_bookmarks(bookmarks),
            Effect::EditText(ticket, text) => return Some(Outside::EditText(ticket, text)),
            Effect::EditFile(ticket, path) => return Some(Outside::EditFile(ticket, path)),
            Effect::Shell(folder) => return Some(Outside::Shell(folder)),
            Effect::Run(run) if run.waits => return Some(Outside::Program(run)),
            Effect::Run(run) => programs::start(self.events.clone(), *run),
            Effect::RemoveCopies(folder) => programs::remove_copies(folder),
            Effect::Clipboard(bytes) => return Some(Outside::Clipboard(bytes)),
            Effect::Suspend => return Some(Outside::Suspend),
            Effect::Redraw => return Some(Outside::Redraw),
            Effect::Quit => return Some(Outside::Quit),
        }
        None
    }

    /// How far the engine is, if there is one.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.queue.progress()
    }

    /// Ends: the engine stops in order, the journal is written, the connections are closed.
    pub(crate) async fn end(mut self) {
        self.connection.leave_all();
        self.queue.end().await;
    }

    fn sync(&mut self, ticket: Ticket, effect: SyncEffect) {
        let SyncEffect::Compare(trees, checksum) = effect else { return self.syncs.ask(ticket, effect) };
        match self.queue.means(&trees, &self.connection) {
            Some(means) => {
                let task = self.syncs.begin(ticket, means, checksum);
                self.note(ticket, Asked::Task(task));
            }
            None => {
                let reply = Reply::new(self.events.clone(), ticket);
                tokio::spawn(async move { reply.failed(&ClientError::Cancelled).await });
            }
        }
    }

    fn preview(&mut self, ticket: Ticket, asked: Wanted) {
        let place = asked.subject.place.clone();
        match (place.site, place.path) {
            (SiteKey::Server(server), SitePath::Remote(path)) => {
                let turn = self.turn.clone();
                self.ask_server(ticket, &server, move |ask| preview::of_remote(ask, path, asked, turn));
            }
            (_, SitePath::Local(path)) => {
                let turn = self.turn.clone();
                self.ask_disk(ticket, move |stop, reply| preview::of_local(&asked, &path, &turn, &stop, &reply));
            }
            (SiteKey::Local, SitePath::Remote(_)) => {}
        }
    }

    fn rename(&mut self, ticket: Ticket, steps: Vec<(Place, Place)>) {
        match steps.first().and_then(|(from, _)| from.target()).cloned() {
            Some(server) => self.ask_server(ticket, &server, move |ask| remote::rename(ask, steps)),
            None => self.ask_disk(ticket, move |_, reply| local::rename(&steps, &reply)),
        }
    }

    /// Asks the site of a place.
    fn ask<L, R, F>(&mut self, ticket: Ticket, place: Place, local: L, remote: R)
    where
        L: FnOnce(PathBuf, CancellationToken, Reply) + Send + 'static,
        R: FnOnce(remote::Ask, ferry_shared::path::RemotePath) -> F + Send + 'static,
        F: Future<Output = Result<(), ClientError>> + Send + 'static,
    {
        match (place.site, place.path) {
            (SiteKey::Server(server), SitePath::Remote(path)) => {
                self.ask_server(ticket, &server, move |ask| remote(ask, path));
            }
            (_, SitePath::Local(path)) => self.ask_disk(ticket, move |stop, reply| local(path, stop, reply)),
            // This computer has no such paths.
            (SiteKey::Local, SitePath::Remote(_)) => {}
        }
    }

    fn ask_disk(&mut self, ticket: Ticket, work: impl FnOnce(CancellationToken, Reply) + Send + 'static) {
        let stop = CancellationToken::new();
        let reply = Reply::new(self.events.clone(), ticket);
        let guard = stop.clone().drop_guard();
        let theirs = stop.child_token();
        // A thread that hangs on a dead disk blocks no other.
        tokio::task::spawn_blocking(move || {
            work(theirs, reply);
            drop(guard);
        });
        self.note(ticket, Asked::Thread(stop));
    }

    fn ask_server<R, F>(&mut self, ticket: Ticket, server: &Target, work: R)
    where
        R: FnOnce(remote::Ask) -> F + Send + 'static,
        F: Future<Output = Result<(), ClientError>> + Send + 'static,
    {
        let reply = Reply::new(self.events.clone(), ticket);
        let Some(ask) = self.connection.ask(server, reply.clone()) else {
            tokio::spawn(async move { reply.failed(&ClientError::Cancelled).await });
            return;
        };
        let task = tokio::spawn(async move {
            if let Err(error) = work(ask).await {
                reply.failed(&error).await;
            }
        });
        self.note(ticket, Asked::Task(task.abort_handle()));
    }

    fn note(&mut self, ticket: Ticket, asked: Asked) {
        self.asked.retain(|_, asked| !asked.is_over());
        self.asked.insert(ticket, asked);
    }
}
