//! Plans that a person confirms, with counts that complete meanwhile.

use ferry_client::{connect::Target, transfer::ItemId};
use ferry_shared::{entry::Kind, path::RemotePath};

use crate::{
    args::Links,
    tui::state::{
        item::Item,
        listing::Amount,
        place::Place,
        problem::Problem,
        ticket::Ticket,
        transfers::{Key, Order},
    },
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
    /// Its subject.
    pub(crate) chosen: Vec<Item>,
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

    /// Whether there can be symbolic links among it that a copy follows or skips.
    pub(crate) fn has_links(&self) -> bool {
        let may = |item: &Item| item.entry.kind != Kind::File;
        self.order.links.is_some() && self.chosen.iter().any(may)
    }

    /// Whether an entry would be copied or moved to itself, with this target.
    pub(crate) fn is_already_at(&self, to: &Place) -> bool {
        self.order.from == *to && self.order.what.iter().any(|piece| piece.path == piece.becomes)
    }

    /// Leaves out the links that were marked, where links are skipped. Returns whether something is left.
    pub(crate) fn leave_links(&mut self) -> bool {
        if self.order.links == Some(Links::Skip) {
            let mut chosen = self.chosen.iter();
            let is_link = |item: Option<&Item>| item.is_some_and(|item| item.entry.kind == Kind::Symlink);
            self.order.what.retain(|_| !is_link(chosen.next()));
        }
        !self.order.what.is_empty()
    }

    /// Bytes that are missing at the target.
    pub(crate) fn missing(&self) -> Option<u64> {
        self.count.amount.bytes.checked_sub(self.room?).filter(|missing| *missing > 0)
    }
}

/// The plan of a deletion.
#[derive(Debug, Clone)]
pub(crate) struct DeletePlan {
    /// The folder that the entries are below.
    pub(crate) folder: Place,
    /// Their paths, and which are folders.
    pub(crate) what: Vec<(RemotePath, bool)>,
    /// How much that is.
    pub(crate) count: Count,
}

/// The action that yes stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decided {
    /// Take a site off the list.
    RemoveSite(String),
    /// Forget the history of transfers.
    ClearHistory,
    /// Send an edited file back over a newer one.
    SendBack(u64),
    /// Leave a server.
    Leave(Target),
    /// Start though it does not fit.
    StartAnyway,
    /// Carry out a sync that deletes surprisingly much.
    SyncAnyway,
    /// Take the transfers that failed or were cancelled off the list.
    ClearFailed,
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
