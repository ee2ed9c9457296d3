//! The transfer engine: runs jobs on a few sessions and reports events.
//!
//! A [`Job`] copies or moves pieces from one site to another, or a stream to or from one. The [`Engine`] transfers
//! the first items of a source while it still walks it, opens up to [`Settings::transfers`] sessions at each site
//! and only as many as there is work for, and continues after a lost connection from blocks that are proven by
//! digest. [`Event`]s report each change; [`Engine::progress`] returns the current progress at any time.

mod active;
mod cleanup;
mod conflict;
mod connecting;
mod engine;
mod engine_state;
mod event;
mod filter;
mod fit;
mod item;
mod job;
pub mod journal;
mod keep;
mod pair;
mod path;
mod pieces;
mod pipelined;
mod progress;
#[cfg(test)]
#[cfg(unix)]
mod properties;
mod queue;
mod room;
mod scan;
mod sessions;
mod settings;
mod streamed;
mod tally;
mod task;
mod transitions;
mod trees;
mod tries;
mod watch;
mod worker;

pub use crate::local::ancestors::Ancestors;
pub use crate::local::part::part_of;
pub use crate::os_name::{UnusableName, local_name, remote_name};
pub(crate) use conflict::at_precision;
pub use conflict::{Conflict, ConflictRule, Decision, FileFacts, Scope, keep_both_name};
pub use engine::Engine;
pub use event::{Event, Failure, Grown, ItemState, LinkEvent, Outcome, Proof, Skip, Summary};
pub use filter::{Filter, FilterError};
pub use job::{ItemId, Job, JobId, JobOptions, LinkRule, Piece, Selected, Work};
pub use keep::may_keep_links;
pub use path::ItemPath;
pub use progress::{ActiveItem, JobProgress, Progress};
pub(crate) use scan::apart;
pub use settings::{Bandwidth, Settings};
pub use trees::Trees;
pub(crate) use tries::{is_outage, outlive};
