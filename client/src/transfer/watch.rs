//! Forwards the progress of a streamed file from its sessions to the engine.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{active::Active, engine_state::Shared, event::ItemState, room::Growth};
use crate::site::{Opened, Phase, Watch};

/// Forwards the progress of a streamed file from its sessions to the engine.
#[derive(Debug)]
pub(super) struct ActiveWatch {
    pub(super) core: Shared,
    pub(super) active: Arc<Active>,
    pub(super) growth: Option<Arc<Growth>>,
}

impl ActiveWatch {
    pub(super) fn shared(core: &Shared, active: &Arc<Active>, growth: Option<Arc<Growth>>) -> Arc<dyn Watch> {
        Arc::new(Self { core: Arc::clone(core), active: Arc::clone(active), growth })
    }
}

impl Watch for ActiveWatch {
    fn opened(&self, opened: &Opened) {
        if let Some(size) = opened.size {
            self.active.set_size(size);
        }
        self.active.set_opened(opened.clone());
    }

    fn phase(&self, phase: Phase) {
        self.active.set_begun();
        let state = match phase {
            Phase::Checking => ItemState::Checking,
            Phase::Sending => ItemState::Sending,
            Phase::Receiving => ItemState::Receiving,
            Phase::Flushing => ItemState::Flushing,
            Phase::Verifying => ItemState::Verifying,
        };
        if self.active.set_state(state) {
            self.core.queue.report_state(self.active.item, state);
        }
    }

    fn moved(&self, bytes: u64) {
        self.active.moved(bytes);
    }

    fn kept(&self, bytes: u64) {
        self.active.kept(bytes);
    }

    fn grown_to(&self, bytes: u64) {
        if let Some(growth) = &self.growth {
            growth.arrived(bytes);
        }
    }

    fn arriving(&self, bytes: u64) {
        // Elsewhere, a file is as far as its bytes have left this computer.
        if self.active.task.to.abilities.near {
            self.active.arriving(bytes);
        }
    }

    fn pausing(&self) -> CancellationToken {
        self.active.pausing.clone()
    }

    fn is_stopped(&self) -> bool {
        self.active.stop.is_cancelled() || self.core.stop().is_cancelled()
    }
}
