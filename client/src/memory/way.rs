//! The connection of a session to a site in memory.

use std::sync::Arc;

use super::{
    Shared,
    tree::{Tree, told},
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Found, Location},
};

/// The connection of a session, which may break.
#[derive(Clone)]
pub(super) struct Way {
    shared: Arc<Shared>,
    opened_after: u64,
}

impl Way {
    pub(super) fn new(shared: &Arc<Shared>, opened_after: u64) -> Self {
        Self { shared: Arc::clone(shared), opened_after }
    }

    /// Counts an operation.
    pub(super) async fn step(&self) -> Result<(), ClientError> {
        self.shared.step(self.opened_after).await
    }

    /// Starts a request, which may be refused.
    pub(super) async fn begin(&self) -> Result<(), ClientError> {
        self.shared.admit()?;
        self.step().await
    }

    /// Accesses the content of the site.
    pub(super) fn tree<T>(&self, work: impl FnOnce(&mut Tree) -> T) -> T {
        work(&mut self.shared.state.lock().tree)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.shared.is_broken(self.opened_after)
    }
}

/// Returns the entry at a location.
pub(super) fn look(tree: &Tree, at: &Location) -> Result<Found, ClientError> {
    let path = tree.resolve(at)?;
    let node = tree.look(&path).ok_or_else(|| told(Obstacle::NotFound, &path))?;
    Ok(tree.found(&node))
}
