//! Takes the terminal and restores it: at the end, on an error, a panic or a signal.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ratatui::{DefaultTerminal, Frame};
use signal_hook::{
    SigId,
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag, low_level,
};

/// The terminal, for as long as this lives.
pub(crate) struct Screen {
    terminal: DefaultTerminal,
    stop: Arc<AtomicBool>,
    signals: Vec<SigId>,
}

impl Screen {
    /// Takes the terminal. A panic restores it before printing its message.
    pub(crate) fn take() -> io::Result<Self> {
        let stop = Arc::default();
        let listen = |signal| flag::register(signal, Arc::clone(&stop));
        let signals = [SIGTERM, SIGHUP, SIGINT].into_iter().map(listen).collect::<io::Result<_>>()?;
        // This also sets a panic hook that restores the terminal.
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal, stop, signals })
    }

    /// Whether a signal asked the program to end.
    pub(crate) fn is_told_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
        for signal in self.signals.drain(..) {
            low_level::unregister(signal);
        }
    }
}
