//! `ferryd-top SOCKET`: a live view of the running server over its control socket, for `ferryd top`.
//!
//! Separate threads query the server and read the keys, so that neither a slow server nor a lost terminal delays
//! the end. `state` computes the contents of the screen, and `view` draws it.

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

/// How long to wait for a key before drawing news.
const TICK: Duration = Duration::from_millis(100);

/// The reason why there is no view.
#[derive(Debug, thiserror::Error)]
enum TopError {
    /// The server cannot be reached.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Standard output is not a terminal.
    #[error("'ferryd top' needs a terminal; 'ferryd status' and 'ferryd sessions' do not")]
    NoTerminal,
    /// The terminal failed.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Exit codes: 0 if the operator quits, 1 on failure, 2 on wrong usage, as for `ferryd`.
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
    // Connect before taking the screen, so that errors are printed normally.
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
