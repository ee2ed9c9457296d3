//! Everything known about one entry.

use crate::tui::state::{item::Item, place::Place, problem::Problem, ticket::Ticket};

/// The state of a requested digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DigestState {
    /// Being computed.
    Pending(Ticket),
    /// The digest, in hexadecimal.
    Known(String),
    /// Why there is none.
    Failed(Problem),
    /// There is none: it is not a file.
    None,
}

/// Everything about one entry.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    /// Where it is.
    pub(crate) place: Place,
    /// The entry as its folder lists it.
    pub(crate) item: Item,
    /// Its digest.
    pub(crate) digest: DigestState,
}
