//! The loop: takes the waiting events, then draws once if something changed.

mod fault;
mod pace;
mod signals;

use std::{
    collections::VecDeque,
    future::{pending, poll_fn},
    io,
    pin::Pin,
    thread,
    time::{Duration, Instant},
};

use crossterm::event::EventStream;
use futures_core::Stream as _;
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use self::{
    pace::{FRAME, Pace},
    signals::{Signal, Signals},
};
use super::{
    effect::Effect,
    effects::{Effects, Outside, run_outside},
    event::Event,
    state::{State, problem::Problem},
    terminal::{self, Screen},
    update::update,
};

/// How long after the end of a program with the terminal the Ctrl-C that ended it may still arrive here.
const ECHO: Duration = Duration::from_secs(1);
/// How long the cleaning up may take when quitting.
const END: Duration = Duration::from_secs(10);

/// The state of the loop and the channels it listens to.
pub(crate) struct Runtime {
    state: State,
    effects: Effects,
    events: mpsc::Receiver<Event>,
    screen: Screen,
    /// Keys; absent while another program has the terminal.
    input: Option<EventStream>,
    /// An editor, a shell or another program that has the terminal.
    away: Option<oneshot::Receiver<Option<Event>>>,
    /// When the last such program ended.
    returned: Option<Instant>,
    /// Programs that want the terminal meanwhile.
    waiting: VecDeque<Outside>,
    signals: Signals,
    begun: Instant,
    /// The next time at which the state changes by itself.
    next: Option<Instant>,
    pace: Pace,
    over: bool,
}

impl Runtime {
    /// A loop that begins with a state. Must be called in a runtime.
    ///
    /// # Errors
    /// The system's, when signals cannot be caught.
    pub(crate) fn new(
        state: State,
        effects: Effects,
        events: mpsc::Receiver<Event>,
        screen: Screen,
    ) -> io::Result<Self> {
        Ok(Self {
            state,
            effects,
            events,
            screen,
            input: Some(EventStream::new()),
            away: None,
            returned: None,
            waiting: VecDeque::new(),
            signals: Signals::catch()?,
            begun: Instant::now(),
            next: None,
            pace: Pace::new(),
            over: false,
        })
    }

    /// Runs until the user quits, or the terminal is gone.
    ///
    /// # Errors
    /// The terminal's.
    pub(crate) async fn run(mut self, first: Vec<Effect>) -> io::Result<()> {
        self.do_all(first)?;
        let result = self.turn().await;
        // Give the terminal back first: the rest may take a moment.
        self.input = None;
        drop(self.screen);
        let _ = time::timeout(END, self.effects.end()).await;
        result
    }

    async fn turn(&mut self) -> io::Result<()> {
        while !self.over {
            self.draw_if_due()?;
            self.note_wake();
            let next = self.next().await?;
            self.clock()?;
            if let Some(event) = next {
                self.take(event)?;
            }
            self.drain()?;
            if self.next.take_if(|next| *next <= Instant::now()).is_some() {
                self.change_by_itself()?;
            }
        }
        Ok(())
    }

    /// Remembers the time of the next redraw; events in between do not postpone it.
    fn note_wake(&mut self) {
        let next = self.state.next_redraw().map(|next| self.begun + next);
        self.next = self.next.into_iter().chain(next).min();
    }

    /// Waits for the next event; `None` if only time has passed.
    async fn next(&mut self) -> io::Result<Option<Event>> {
        let until = self.frame().into_iter().chain(self.next).min();
        loop {
            tokio::select! {
                biased;
                signal = self.signals.next() => return self.signal(signal),
                told = next_input(&mut self.input) => {
                    if let Some(event) = told? {
                        self.pace.key();
                        return Ok(Some(event));
                    }
                }
                event = self.events.recv() => match event {
                    Some(event) => return Ok(Some(event)),
                    None => pending::<()>().await,
                },
                back = join(&mut self.away) => return self.back(back),
                () = sleep(until) => return Ok(None),
            }
        }
    }

    /// The time of the next drawing; `None` while another program has the terminal.
    fn frame(&self) -> Option<Instant> {
        self.pace.due(Instant::now()).filter(|_| self.away.is_none())
    }

    fn frame_is_due(&self) -> bool {
        self.frame().is_some_and(|due| due <= Instant::now())
    }

    fn draw_if_due(&mut self) -> io::Result<()> {
        if self.frame_is_due() {
            self.state.hits = self.screen.draw(&self.state)?;
            self.pace.drew(Instant::now());
        }
        Ok(())
    }

    /// Tells the state what time it is.
    fn clock(&mut self) -> io::Result<()> {
        let effects = update(&mut self.state, Event::Time(self.begun.elapsed()));
        self.do_all(effects)
    }

    /// Takes an event.
    fn take(&mut self, event: Event) -> io::Result<()> {
        fault::trip(&event);
        self.pace.change();
        let effects = update(&mut self.state, event);
        self.do_all(effects)
    }

    /// Takes waiting events until it is time to draw, so that endless events do not starve the drawing.
    fn drain(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < FRAME && !self.frame_is_due() {
            match self.events.try_recv() {
                Ok(event) => self.take(event)?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Figures, a sign that turns, seconds that are counted down.
    fn change_by_itself(&mut self) -> io::Result<()> {
        self.pace.change();
        match self.effects.progress() {
            Some(progress) => self.take(Event::Progress(progress)),
            None => Ok(()),
        }
    }

    fn do_all(&mut self, effects: Vec<Effect>) -> io::Result<()> {
        for effect in effects {
            if let Some(outside) = self.effects.run(effect) {
                self.outside(outside)?;
            }
        }
        Ok(())
    }

    /// Runs an effect that needs the terminal or the loop.
    fn outside(&mut self, what: Outside) -> io::Result<()> {
        match what {
            Outside::Quit => self.over = true,
            Outside::Redraw => self.screen.forget()?,
            Outside::Clipboard(bytes) => self.screen.clipboard(&bytes)?,
            Outside::Suspend => {
                self.input = None;
                self.screen.leave();
                terminal::stop_until_fg();
                self.come_back()?;
            }
            // Only one program can have the terminal: stop reading keys until it is back.
            what if self.away.is_none() => {
                self.input = None;
                self.screen.leave();
                // A thread of its own has the priority of this one; that of the runtime's threads is lower.
                let (ended, end) = oneshot::channel();
                let run = move || drop(ended.send(run_outside(what)));
                match thread::Builder::new().spawn(run) {
                    Ok(_) => self.away = Some(end),
                    Err(error) => {
                        self.come_back()?;
                        self.take(Event::Problem(Problem::new(format!("cannot start a program: {error}"))))?;
                    }
                }
            }
            what => self.waiting.push_back(what),
        }
        self.pace.change();
        Ok(())
    }

    /// The terminal is ours again.
    fn come_back(&mut self) -> io::Result<()> {
        terminal::forget_wake();
        self.screen.enter()?;
        self.input = Some(EventStream::new());
        let (width, height) = self.screen.size()?;
        self.take(Event::Resize(width, height))
    }

    /// The program that had the terminal has ended.
    fn back(&mut self, told: Option<Event>) -> io::Result<Option<Event>> {
        self.away = None;
        self.returned = Some(Instant::now());
        self.come_back()?;
        if let Some(what) = self.waiting.pop_front() {
            self.outside(what)?;
        }
        Ok(Some(told.unwrap_or(Event::Back)))
    }

    fn signal(&mut self, signal: Signal) -> io::Result<Option<Event>> {
        match signal {
            // The terminal sends Ctrl-C to every program in it; it is meant for the one that has it.
            Signal::Interrupt if self.away.is_some() || self.returned.is_some_and(is_recent) => Ok(None),
            Signal::Stop | Signal::Interrupt => Ok(Some(Event::Stop)),
            Signal::Continue if self.away.is_none() => {
                // After a stop from outside, the terminal is as the shell left it.
                self.input = None;
                self.screen.leave();
                self.come_back()?;
                Ok(None)
            }
            Signal::Continue => Ok(None),
        }
    }
}

/// The next key; `Ok(None)` for other input. Never returns while another program has the terminal.
async fn next_input(input: &mut Option<EventStream>) -> io::Result<Option<Event>> {
    let Some(stream) = input else { return pending().await };
    match poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await {
        Some(told) => Ok(terminal::event_of(told?)),
        // The terminal is gone.
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether a signal that ended another program may still be on its way to this one.
fn is_recent(ended: Instant) -> bool {
    ended.elapsed() < ECHO
}

async fn join(away: &mut Option<oneshot::Receiver<Option<Event>>>) -> Option<Event> {
    match away {
        Some(end) => end.await.ok().flatten(),
        None => pending().await,
    }
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => time::sleep_until(until.into()).await,
        None => pending().await,
    }
}
