//! What holds for the whole engine, whatever its jobs are.

use std::time::Duration;

/// How hard the engine works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The most bulk connections at a time, at least 1.
    pub transfers: usize,
    /// The most bytes a second, all connections together.
    pub bandwidth: Bandwidth,
    /// How often an item, or a connection that cannot be made, is tried again; 0 is never.
    pub retries: u32,
    /// How long a server that has all it needs to answer at once, or to send the next block, may
    /// be silent; then the connection is given up like one that was cut.
    pub silence: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { transfers: 4, bandwidth: Bandwidth::default(), retries: 5, silence: Duration::from_secs(90) }
    }
}

/// Bytes a second in each direction; `None` is as fast as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// To the server.
    pub up: Option<u64>,
    /// From the server.
    pub down: Option<u64>,
}
