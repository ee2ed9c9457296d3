//! Handling of SIGINT and SIGTERM, which end even a program that is stuck.

use std::{future::pending, io, time::Duration};

use tokio::sync::watch;

use crate::exit::Exit;

/// The signal that asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`.
    Terminate,
}

impl Signal {
    /// The exit code.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

/// The signals of this process, caught from the creation of this value until the runtime ends.
pub(crate) struct Signals {
    first: watch::Receiver<Option<Signal>>,
}

impl Signals {
    /// Starts catching signals. Must be called in a Tokio runtime.
    ///
    /// [`Signals::next`] returns the first signal. If the program still runs `grace` later, or at a second signal, it
    /// exits immediately: it may be blocked by a full pipe or a prompt.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn catch(grace: Duration) -> io::Result<Self> {
        let mut source = Source::new()?;
        let (told, first) = watch::channel(None);
        tokio::spawn(async move {
            let signal = source.next().await;
            told.send_replace(Some(signal));
            let last = tokio::select! {
                signal = source.next() => signal,
                () = tokio::time::sleep(grace) => signal,
            };
            std::process::exit(i32::from(last.exit() as u8));
        });
        Ok(Self { first })
    }

    /// Waits for the first signal. This method is cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        let first = self.first.wait_for(Option::is_some).await;
        match first.ok().and_then(|first| *first) {
            Some(signal) => signal,
            None => pending().await,
        }
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            else => pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on other systems")]
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => pending().await,
        }
    }
}
