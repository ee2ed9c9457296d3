//! Plans that a person confirms, with counts that complete meanwhile.

use ferry_client::{connect::Target, transfer::ItemId};
use ferry_shared::name::Name;

use crate::tui::state::{
    listing::Amount,
    place::Place,
    problem::Problem,
    ticket::Ticket,
    transfers::{Key, Order},
};

/// The amount of some entries, with everything below them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Names the answers, while they come.
    pub(crate) ticket: Option<Ticket>,
    /// The amount so far.
    pub(crate) amount: Amount,
    /// Folders that could not be read.
    pub(crate) unreadable: u64,
    /// Links and special files that are left out.
    pub(crate) left_out: u64,
    /// Why it is not known.
    pub(crate) problem: Option<Problem>,
}

impl Count {
    /// Whether all is counted.
    pub(crate) fn is_done(&self) -> bool {
        self.ticket.is_none() && self.problem.is_none()
    }
}

/// The plan of a copy or move.
#[derive(Debug, Clone)]
pub(crate) struct CopyPlan {
    /// The order.
    pub(crate) order: Order,
    /// How much that is.
    pub(crate) count: Count,
    /// Bytes that fit at the target, where that is known.
    pub(crate) room: Option<u64>,
    /// It starts as soon as it is known to fit.
    pub(crate) starts: bool,
}

impl CopyPlan {
    /// Both ends are at one server, which does it by itself: nothing travels.
    pub(crate) fn stays(&self) -> bool {
        !self.order.from.is_local() && self.order.from.is_beside(&self.order.to)
    }

    /// Bytes that are missing at the target.
    pub(crate) fn missing(&self) -> Option<u64> {
        self.count.amount.bytes.checked_sub(self.room?).filter(|missing| *missing > 0)
    }
}

/// The plan of a deletion.
#[derive(Debug, Clone)]
pub(crate) struct DeletePlan {
    /// The folder the entries are in.
    pub(crate) folder: Place,
    /// Their names, and which are folders.
    pub(crate) what: Vec<(Name, bool)>,
    /// How much that is.
    pub(crate) count: Count,
}

/// The action that yes stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decided {
    /// Take a site off the list.
    RemoveSite(String),
    /// Send an edited file back over a newer one.
    SendBack(u64),
    /// Leave a server.
    Leave(Target),
    /// Start though it does not fit.
    StartAnyway,
    /// Cancel a transfer, or one file of it, and discard the received data.
    Discard(Key, Option<ItemId>),
}

/// Yes or no.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The title.
    pub(crate) title: String,
    /// The explanation.
    pub(crate) lines: Vec<String>,
    /// The action that yes stands for.
    pub(crate) decided: Decided,
}
