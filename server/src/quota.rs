//! Usage and limits of each user: numbers in memory and the rules by which they change.
//!
//! This module knows nothing of files or users: callers state the weight of each change. One [`Ledger`] per user
//! holds the usage, the reservations of unfinished uploads, and the limits.

mod file;
mod ledger;
mod recount;

pub(crate) use file::LedgerFile;
pub(crate) use ledger::{Changes, Ledger, Limits, OverQuota, Reservation, Snapshot, Tally, What};
pub(crate) use recount::{Drift, recount};
