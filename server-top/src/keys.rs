//! The thread that reads the terminal. If the terminal is lost, the read never returns, and nobody waits for the
//! thread.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use ratatui::crossterm::event::{self, Event};

/// Events that may be queued.
const QUEUE: usize = 64;

/// Terminal events. The thread ends with the program.
pub(crate) struct Keys(Receiver<io::Result<Event>>);

impl Keys {
    /// Starts reading.
    ///
    /// # Errors
    /// [`io::Error`] if the system cannot start a thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (events, typed) = sync_channel(QUEUE);
        thread::Builder::new().name("keys".to_owned()).spawn(move || read(&events))?;
        Ok(Self(typed))
    }

    /// The next event, if one arrives within `patience`.
    ///
    /// # Errors
    /// [`io::Error`] if the terminal cannot be read.
    pub(crate) fn next(&self, patience: Duration) -> io::Result<Option<Event>> {
        match self.0.recv_timeout(patience) {
            Ok(event) => event.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn read(events: &SyncSender<io::Result<Event>>) {
    loop {
        let event = event::read();
        let last = event.is_err();
        if events.send(event).is_err() || last {
            return;
        }
    }
}
