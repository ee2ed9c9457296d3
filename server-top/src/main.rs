//! `ferryd-top SOCKET`: a live view of the running server over its control socket, for `ferryd top`.
//!
//! Threads of their own ask the server and read the keys, so that neither a slow server nor a
//! terminal that is gone holds up the end. What is shown is worked out in `state` and drawn in `view`.

mod asker;
mod float;
mod keys;
mod quotas;
mod state;
mod terminal;
mod view;

use std::{
    env,
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::TryRecvError,
    time::{Duration, Instant},
};

use ferry_server::{
    control::client::{AskError, Line},
    output,
};
use ratatui::crossterm::event::{Event, KeyEventKind};

use asker::Asker;
use keys::Keys;
use state::Top;
use terminal::Screen;

/// How long a key may wait for news to be drawn.
const TICK: Duration = Duration::from_millis(100);

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
enum TopError {
    /// No server.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Nobody looks.
    #[error("'ferryd top' needs a terminal; 'ferryd status' and 'ferryd sessions' do not")]
    NoTerminal,
    /// The terminal failed.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// 0 the operator quits, 1 failed, 2 wrong usage, as `ferryd` ends.
fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    let (Some(socket), None) = (words.next(), words.next()) else {
        output::error("usage: ferryd-top SOCKET; 'ferryd top' knows the control socket and runs it");
        return ExitCode::from(2);
    };
    match run(socket.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(error);
            ExitCode::FAILURE
        }
    }
}

/// Shows the server that listens on the control socket at `path`, until the operator quits.
fn run(path: PathBuf) -> Result<(), TopError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(TopError::NoTerminal);
    }
    // Said before the screen is taken: there is no server, or it does not listen to us.
    let line = Line::open(path.clone())?;
    let asker = Asker::start(line, path)?;
    let mut screen = Screen::take()?;
    let keys = Keys::start()?;
    let begun = Instant::now();
    let mut top = Top::default();
    let mut stale = true;
    while !top.quit && !screen.is_told_to_stop() {
        loop {
            match asker.news.try_recv() {
                Ok(news) => top.hear(news, begun.elapsed()),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
            stale = true;
        }
        if std::mem::take(&mut stale) {
            screen.draw(|frame| view::draw(&top, frame))?;
        }
        match keys.next(TICK)? {
            Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                if let Some(ask) = top.key(key) {
                    asker.ask(ask);
                }
                stale = true;
            }
            Some(Event::Resize(..)) => stale = true,
            _ => {}
        }
    }
    Ok(())
}
