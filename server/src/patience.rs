//! How long a connection may be silent, whatever it speaks.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    pin,
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::context::Context;

/// How patient the reader must be with the peer.
#[derive(Debug, Default)]
pub(crate) struct Activity(AtomicU64);

impl Activity {
    pub(crate) const BUSY: u64 = 0;
    pub(crate) const IDLE: u64 = 1;
    pub(crate) const TRANSFER: u64 = 2;

    pub(crate) fn set(&self, state: u64) {
        self.0.store(state, Ordering::Release);
    }

    /// How long the peer may be silent now; `None` while it waits for the server.
    pub(crate) fn patience(&self, context: &Context) -> Option<Duration> {
        match self.0.load(Ordering::Acquire) {
            Self::IDLE => Some(context.config.get().limits.idle()),
            Self::TRANSFER => Some(context.config.get().limits.stall()),
            _ => None,
        }
    }
}

/// Waits for `next`; `None` if no byte moved for longer than `patience` allows. Any byte counts as a sign of life,
/// so a slow or rate-limited connection is not mistaken for a dead one.
pub(crate) async fn patient<T>(
    next: impl Future<Output = T>,
    meter: impl Fn() -> u64,
    patience: impl Fn() -> Option<Duration>,
    context: &Context,
) -> Option<T> {
    let tick = context
        .config
        .get()
        .limits
        .stall()
        .min(context.config.get().limits.idle())
        .div_f32(8.0)
        .max(Duration::from_millis(50));
    // The first tick is not due at once: even such a tick takes up to a millisecond, for each block.
    let mut ticks = interval_at(Instant::now() + tick, tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pin!(next);
    let mut silent = Duration::ZERO;
    let mut seen = meter();
    loop {
        tokio::select! {
            biased;
            result = &mut next => return Some(result),
            _ = ticks.tick() => {}
        }
        let now = meter();
        match patience() {
            Some(patience) if now == seen => {
                silent += tick;
                if silent >= patience {
                    return None;
                }
            }
            _ => silent = Duration::ZERO,
        }
        seen = now;
    }
}
