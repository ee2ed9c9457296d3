//! Signals: orderly termination, and continuation after a stop.

use std::io;

/// The meaning of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Stop in order: SIGTERM, SIGHUP.
    Stop,
    /// Stop in order, if nothing else has the terminal: SIGINT.
    Interrupt,
    /// We were stopped, and go on.
    Continue,
}

/// The signals of this process, caught from when this is made.
pub(super) struct Signals {
    #[cfg(unix)]
    stops: [tokio::signal::unix::Signal; 3],
    #[cfg(unix)]
    goes_on: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Starts catching. Needs a runtime.
    pub(super) fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let goes_on = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
        Ok(Self {
            stops: [signal(SignalKind::terminate())?, signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?],
            goes_on: signal(goes_on)?,
        })
    }

    /// Waits for the next one. Cancelling loses none.
    pub(super) async fn next(&mut self) -> Signal {
        let [terminate, hangup, interrupt] = &mut self.stops;
        tokio::select! {
            Some(()) = terminate.recv() => Signal::Stop,
            Some(()) = hangup.recv() => Signal::Stop,
            Some(()) = interrupt.recv() => Signal::Interrupt,
            Some(()) = self.goes_on.recv() => Signal::Continue,
            else => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Starts catching. Needs a runtime.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}
