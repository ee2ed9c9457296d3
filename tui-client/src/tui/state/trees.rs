//! Two trees that may become alike, and the plan of a sync between them.

use std::{ops::Deref, sync::Arc};

use ferry_client::sync::Plan;

use super::place::Place;
use crate::args::Links;

/// Two trees, of which the second may become like the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trees {
    /// The source.
    pub(crate) from: Place,
    /// The target.
    pub(crate) to: Place,
    /// The rule for symbolic links at the source; `None` leaves them out.
    pub(crate) links: Option<Links>,
}

/// A plan. Two of them are equal only if they are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Planned(pub(crate) Arc<Plan>);

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Planned {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.0
    }
}
