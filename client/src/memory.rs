//! A site in memory, for tests. Its abilities can be switched off, and faults and concurrent changes can be planned for
//! a chosen operation. Nothing in it depends on time or threads.

mod batch;
mod existing;
mod get;
mod put;
mod session;
#[cfg(test)]
mod tests;
mod tree;
mod walk;
mod way;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use ferry_shared::path::RemotePath;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) use self::tree::{Node, Tree, What};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Abilities, Location, Outcome, Reach, Root, Session, Site, Surroundings},
};

/// A site in memory. Clones are the same site.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Shared>);

struct Shared {
    name: String,
    abilities: Abilities,
    state: Mutex<State>,
}

/// A change by another user.
type Change = Box<dyn FnOnce(&mut Tree) + Send>;

struct State {
    tree: Tree,
    /// The number of operations so far: requests, pages, blocks, and the steps of publishing a file.
    operations: u64,
    changes: BTreeMap<u64, Vec<Change>>,
    fault: Option<(u64, Fault)>,
    /// The number of breaks. A session is broken if it was opened before the last one.
    breaks: u64,
    crashed: CancellationToken,
}

/// More operations than any test needs. The site does not answer after that, so that a job which retries forever hangs
/// and fails.
const MOST_OPERATIONS: u64 = 100_000;

/// A fault at a chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// All calls fail from then on, and no session can be opened.
    Cut,
    /// The open sessions break; new ones can be opened.
    Break,
    /// No call returns any more.
    Crash,
    /// This number of requests are refused, as by a busy site.
    Refuse(u64),
}

impl Memory {
    /// Creates an empty site.
    pub(crate) fn new(abilities: Abilities) -> Self {
        Self::named("memory", abilities)
    }

    /// Creates an empty site with a name.
    pub(crate) fn named(name: &str, abilities: Abilities) -> Self {
        let state = State {
            tree: Tree::new(abilities),
            operations: 0,
            changes: BTreeMap::new(),
            fault: None,
            breaks: 0,
            crashed: CancellationToken::new(),
        };
        Self(Arc::new(Shared { name: name.to_owned(), abilities, state: Mutex::new(state) }))
    }

    /// Makes all calls fail after this number of further operations, as without a network, until [`heal`](Self::heal).
    pub(crate) fn cut_after(&self, operations: u64) {
        self.plan(operations, Fault::Cut);
    }

    /// Breaks the open sessions once, after this number of further operations.
    pub(crate) fn break_after(&self, operations: u64) {
        self.plan(operations, Fault::Break);
    }

    /// Lets no call return after this number of further operations, as if this program were killed, until
    /// [`heal`](Self::heal). The test waits for [`crashed`](Self::crashed) and then drops the job.
    pub(crate) fn crash_after(&self, operations: u64) {
        self.plan(operations, Fault::Crash);
    }

    /// Refuses `requests` requests after this number of further operations, as a busy site.
    pub(crate) fn refuse_after(&self, operations: u64, requests: u64) {
        self.plan(operations, Fault::Refuse(requests));
    }

    fn plan(&self, operations: u64, fault: Fault) {
        let mut state = self.0.state.lock();
        state.fault = Some((state.operations + operations, fault));
    }

    /// Ends or cancels the fault. If it has occurred, sessions opened before stay broken.
    pub(crate) fn heal(&self) {
        let mut state = self.0.state.lock();
        if let Some((at, fault)) = state.fault.take()
            && at <= state.operations
            && !matches!(fault, Fault::Refuse(_))
        {
            state.breaks += 1;
        }
        state.crashed = CancellationToken::new();
    }

    /// Waits for the planned crash.
    pub(crate) async fn crashed(&self) {
        let crashed = self.0.state.lock().crashed.clone();
        crashed.cancelled().await;
    }

    /// Plans a change by another user after this number of further operations.
    pub(crate) fn change_after(&self, operations: u64, change: impl FnOnce(&mut Tree) + Send + 'static) {
        let mut state = self.0.state.lock();
        let at = state.operations + operations;
        state.changes.entry(at).or_default().push(Box::new(change));
    }

    /// The number of operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.0.state.lock().operations
    }

    /// Inspects or changes the content of the site immediately.
    pub(crate) fn tree<T>(&self, work: impl FnOnce(&mut Tree) -> T) -> T {
        work(&mut self.0.state.lock().tree)
    }

    /// The content of each file by its path.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.tree(|tree| tree.files())
    }

    /// The paths of all folders.
    pub(crate) fn folders(&self) -> BTreeSet<String> {
        self.tree(|tree| tree.folders())
    }

    /// The files that are visible under their names with incomplete content.
    pub(crate) fn half_written(&self) -> Vec<String> {
        self.tree(|tree| tree.half_written())
    }

    /// Returns a root at a path.
    pub(crate) fn root(path: &str) -> Arc<Root> {
        Root::new(remote(path).into())
    }

    /// Returns the location of a root itself.
    pub(crate) fn at(path: &str, reach: Reach) -> Location {
        Location::new(&Self::root(path), RemotePath::home(), reach)
    }
}

/// Converts a path of a test.
pub(crate) fn remote(path: &str) -> RemotePath {
    RemotePath::from_wire(path.as_bytes()).unwrap_or_default()
}

impl Shared {
    /// Counts an operation, and carries out the changes and faults planned for it.
    async fn step(&self, opened_after: u64) -> Result<(), ClientError> {
        let crashed = {
            let mut state = self.state.lock();
            let now = state.operations;
            state.operations += 1;
            let later = state.changes.split_off(&(now + 1));
            let due = std::mem::replace(&mut state.changes, later);
            due.into_values().flatten().for_each(|change| change(&mut state.tree));
            match state.fault {
                Some((at, Fault::Break)) if now >= at => {
                    state.fault = None;
                    state.breaks += 1;
                    false
                }
                Some((at, Fault::Crash)) if now >= at => {
                    state.crashed.cancel();
                    true
                }
                _ => now >= MOST_OPERATIONS,
            }
        };
        if crashed {
            std::future::pending::<()>().await;
        }
        if self.is_broken(opened_after) { Err(ClientError::closed()) } else { Ok(()) }
    }

    /// Refuses a request before it starts, if that is planned.
    fn admit(&self) -> Result<(), ClientError> {
        let mut state = self.state.lock();
        match state.fault {
            Some((at, Fault::Refuse(requests))) if state.operations >= at => {
                state.fault = (requests > 1).then_some((at, Fault::Refuse(requests.saturating_sub(1))));
                Err(ClientError::obstructed(Obstacle::Busy, "the memory is busy"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a session opened after this number of breaks is broken.
    fn is_broken(&self, opened_after: u64) -> bool {
        let state = self.state.lock();
        state.breaks > opened_after || state.is_cut()
    }
}

impl State {
    fn is_cut(&self) -> bool {
        self.fault.is_some_and(|(at, fault)| fault == Fault::Cut && self.operations > at)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.0.name).finish()
    }
}

impl Site for Memory {
    fn name(&self) -> String {
        self.0.name.clone()
    }

    fn abilities(&self) -> Abilities {
        self.0.abilities
    }

    fn open<'a>(&'a self, _surroundings: &'a Surroundings) -> Outcome<'a, Box<dyn Session>> {
        Box::pin(async move {
            let opened_after = {
                let state = self.0.state.lock();
                if state.is_cut() {
                    return Err(ClientError::obstructed(Obstacle::Unreachable, "the memory is cut off"));
                }
                state.breaks
            };
            self.0.step(opened_after).await?;
            Ok(Box::new(session::MemorySession::new(&self.0, opened_after)) as Box<dyn Session>)
        })
    }
}
