//! How many files the process may have open: as many as it is allowed to.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a working connection takes: its socket, a file, a folder, and what is open for a moment.
const EACH: u64 = 4;
/// What is asked for where there is no limit.
const ENOUGH: u64 = 1 << 20;

/// Files that so many connections may have open.
pub(crate) fn needed(connections: u32) -> u64 {
    u64::from(connections).saturating_mul(EACH)
}

/// Raises the limit as far as the system lets the process; what is wrong with it is logged.
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
        tracing::warn!(limit = now, "few files may be open for limits.connections = {connections}; see ulimit -n");
    }
}
