//! The transfer engine: takes jobs, keeps a few connections busy with them, tells what happens.
//!
//! A [`Job`] moves one file, one folder or one stream, in either direction. The
//! [`Engine`] reads what there is to move while it already moves it, opens up to
//! [`Settings::transfers`] connections and only as many as there is work for, and goes on
//! after a lost link from blocks that are proven to be there. What happens is told by
//! [`Event`]s; how far it is can be asked at any time with [`Engine::progress`].

mod active;
mod cleanup;
mod conflict;
mod core;
mod engine;
mod event;
mod filter;
mod fit;
mod flow;
mod item;
mod job;
pub mod journal;
mod large;
mod link;
mod local;
mod path;
mod progress;
mod queue;
mod quick;
mod scan;
mod settings;
mod source;
mod tally;
mod task;
mod throttle;
mod tries;
mod window;
mod worker;

pub use conflict::{Conflict, ConflictRule, Decision, FileFacts, Scope, keep_both_name};
pub use engine::Engine;
pub use event::{Event, Failure, Grown, ItemState, LinkEvent, Outcome, Skip, Summary};
pub use filter::{Filter, FilterError};
pub use job::{ItemId, Job, JobId, JobOptions, LinkRule, Selected, Work};
pub use local::ancestors::Ancestors;
pub use local::name::{UnusableName, local_name, remote_name};
pub use local::part::part_of;
pub use path::ItemPath;
pub use progress::{ActiveItem, JobProgress, Progress};
pub use settings::{Bandwidth, Settings};
