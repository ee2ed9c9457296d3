//! The sessions at both ends of a job.

use super::{sessions::Open, task::Task};
use crate::error::ClientError;

/// The sessions of a worker; an end that is a stream has none.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) source: Option<Open>,
    pub(super) target: Option<Open>,
}

/// The result of a turn.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) sessions: Sessions,
    /// A transient failure, after which the worker waits a little before the next turn.
    pub(super) hiccup: Option<ClientError>,
}

impl Sessions {
    /// Whether one of them cannot be used again.
    pub(super) fn is_broken(&self) -> bool {
        [&self.source, &self.target].into_iter().flatten().any(|open| !open.session.is_usable())
    }

    /// Waits until the threads of dropped calls have ended.
    pub(super) async fn settle(&mut self) {
        for open in [&mut self.source, &mut self.target].into_iter().flatten() {
            open.session.settle().await;
        }
    }

    /// Returns them to their pools.
    pub(super) fn put_back(self, task: &Task) {
        for (end, open) in [(&task.from, self.source), (&task.to, self.target)] {
            if let (Some(pool), Some(open)) = (end.pool(), open) {
                pool.put(open);
            }
        }
    }
}
