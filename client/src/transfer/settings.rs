//! What holds for the whole engine, whatever its jobs are.

use std::time::Duration;

use crate::reconnect::Patience;

/// How hard the engine works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The most bulk connections at a time, at least 1.
    pub transfers: usize,
    /// The most bytes a second, all connections together.
    pub bandwidth: Bandwidth,
    /// How long an outage is waited for, by an item or for a connection.
    pub retry_for: Duration,
    /// How often an item, or a connection that cannot be made, is tried again at most, within
    /// that time; 0 is never, [`u32::MAX`] no cap.
    pub retries: u32,
    /// How long a server that has all it needs to answer at once, or to send the next block, may
    /// be silent; then the connection is given up like one that was cut.
    pub silence: Duration,
}

impl Settings {
    /// How long an outage is waited for.
    pub(super) fn patience(&self) -> Patience {
        Patience { time: self.retry_for, retries: self.retries }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let Patience { time: retry_for, retries } = Patience::default();
        Self { transfers: 4, bandwidth: Bandwidth::default(), retry_for, retries, silence: Duration::from_secs(90) }
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
