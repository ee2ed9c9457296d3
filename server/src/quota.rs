//! What each user has and may have: figures in memory and the rules they are kept by.
//!
//! Knows nothing of files or users: callers say what things weigh. One [`Ledger`] per user
//! holds what is used, what is promised to unfinished uploads, and the limits.

mod file;
mod ledger;
mod recount;

pub(crate) use file::LedgerFile;
pub(crate) use ledger::{Changes, Ledger, Limits, OverQuota, Reservation, Snapshot, Tally, What};
pub(crate) use recount::{Drift, recount};
