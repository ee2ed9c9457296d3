//! The limit of open files: raised as far as the process is allowed to.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of an active connection: its socket, a file, a folder, and one that is open for a moment.
const EACH: u64 = 4;
/// The number to ask for if there is no limit.
const ENOUGH: u64 = 1 << 20;

/// The number of files that this many connections may have open.
pub(crate) fn needed(connections: u32) -> u64 {
    u64::from(connections).saturating_mul(EACH)
}

/// Raises the limit as far as the system allows; problems are logged.
pub(crate) fn raise(connections: u32) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH);
    let mut now = limit.current.unwrap_or(u64::MAX);
    if now < wanted {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }) {
            Ok(()) => now = wanted,
            Err(error) => tracing::debug!(%error, "the limit of open files stays"),
        }
    }
    if now < needed(connections) {
        tracing::warn!(
            limit = now,
            "the limit of open files is low for limits.connections = {connections}; see ulimit -n"
        );
    }
}
