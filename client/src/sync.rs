//! One-way syncs between any two sites.
//!
//! A [`Plan`] is made from two [`Listing`]s and changes nothing. A [`Sync`] lists both trees, and carries a plan out:
//! the transfer engine copies, and only after everything has been copied and verified, entries are removed, each only
//! in the version that the plan saw.

mod asking;
mod counters;
mod end;
mod listed;
mod listing;
mod plan;
mod removal;
mod run;
mod select;
#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use listing::Listing;
pub use plan::{Cause, Compare, Copy, Deletion, Doubt, Plan, Problem, Rules, Why};
pub use run::{Ends, Options, Sync, SyncError};
pub use select::{BadPattern, IGNORE_FILE, Select};
