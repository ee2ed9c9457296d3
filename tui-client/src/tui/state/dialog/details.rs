//! Everything known about one entry.

use crate::tui::state::{item::Item, place::Place, problem::Problem, ticket::Ticket};

/// A digest that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DigestState {
    /// Being computed.
    Pending(Ticket),
    /// It.
    Known(String),
    /// Why there is none.
    Failed(Problem),
    /// Nothing has one that is no file.
    None,
}

/// Everything about one entry.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    /// Where it is.
    pub(crate) place: Place,
    /// What the folder says of it.
    pub(crate) item: Item,
    /// Its digest.
    pub(crate) digest: DigestState,
}
