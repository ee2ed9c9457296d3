//! The progress of transfers on standard error: a bar, occasional lines, or nothing.

mod sum;

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use ferry_client::transfer::{ActiveItem, ItemState, Progress};
use ferry_shared::name::Escaped;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::sum::Sum;
use crate::{args::ProgressChoice, human, output::Output};

/// The maximum number of updates per second.
const HERTZ: u8 = 10;
/// Jobs that end sooner show no bar.
const QUIET: Duration = Duration::from_millis(400);
/// The interval between lines of `--progress plain`.
const PLAIN: Duration = Duration::from_secs(5);
/// The maximum number of files shown below the bar.
const ITEMS: usize = 8;
/// The bar: percentage, cells, and text.
const BAR: &str = "{percent:>3} % [{bar:24}] {wide_msg}";
/// The line of a file, truncated at the terminal's width.
const ITEM: &str = "  {wide_msg}";

/// Shows progress in the requested style.
pub(crate) struct Bar {
    shape: Shape,
    started: Instant,
    /// Whether a connection has been established: before that, the terminal may be needed for a question.
    connected: bool,
    hidden: bool,
    sum: Sum,
}

enum Shape {
    Nothing,
    Lines { next: Instant },
    Drawn { bars: MultiProgress, main: ProgressBar, items: Vec<ProgressBar> },
}

impl Bar {
    /// Decides how to show progress. Nothing is drawn yet.
    pub(crate) fn new(choice: ProgressChoice, output: &Output, upload: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let shape = match choice {
            ProgressChoice::Auto if output.is_quiet() => Shape::Nothing,
            ProgressChoice::Auto | ProgressChoice::Always if terminal => drawn(output.bars()),
            ProgressChoice::Auto | ProgressChoice::Never => Shape::Nothing,
            // A bar needs a terminal to be drawn over.
            ProgressChoice::Always | ProgressChoice::Plain => Shape::Lines { next: Instant::now() + PLAIN },
        };
        Self { shape, started: Instant::now(), connected: false, hidden: false, sum: Sum::new(upload) }
    }

    /// Whether there is anything to update.
    pub(crate) fn is_shown(&self) -> bool {
        !self.hidden && !matches!(self.shape, Shape::Nothing)
    }

    /// Updates the display.
    pub(crate) fn draw(&mut self, progress: &Progress, output: &Output) {
        self.connected |= progress.connections > 0;
        let now = Instant::now();
        if !self.connected || now.duration_since(self.started) < QUIET {
            return;
        }
        self.sum.update(progress, now);
        match &mut self.shape {
            Shape::Nothing => {}
            Shape::Lines { next } if now < *next => {}
            Shape::Lines { next } => {
                *next = now + PLAIN;
                output.warn(&format!("{} %, {}", self.sum.percent(), self.sum.text()));
            }
            Shape::Drawn { bars, main, items } => {
                main.set_length(self.sum.bytes.max(1));
                main.set_position(self.sum.bytes_done);
                main.set_message(self.sum.text());
                draw_items(bars, items, &progress.active);
            }
        }
    }

    /// Clears the bar until [`Bar::unhide`], so that a question can be asked.
    pub(crate) fn hide(&mut self) {
        self.hidden = true;
        if let Shape::Drawn { bars, .. } = &self.shape {
            // Ignore the error: the question will fail too, and report it.
            let _ = bars.clear();
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Draws again.
    pub(crate) fn unhide(&mut self) {
        if std::mem::take(&mut self.hidden)
            && let Shape::Drawn { bars, .. } = &self.shape
        {
            bars.set_draw_target(ProgressDrawTarget::stderr_with_hz(HERTZ));
        }
    }

    /// Clears the bar permanently.
    pub(crate) fn finish(&mut self) {
        if let Shape::Drawn { bars, main, items } = std::mem::replace(&mut self.shape, Shape::Nothing) {
            for bar in items {
                bar.finish_and_clear();
            }
            main.finish_and_clear();
            let _ = bars.clear();
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
    }
}

fn drawn(bars: &MultiProgress) -> Shape {
    bars.set_draw_target(ProgressDrawTarget::stderr_with_hz(HERTZ));
    let main = bars.add(ProgressBar::new(1).with_style(style(BAR)));
    Shape::Drawn { bars: bars.clone(), main, items: Vec::new() }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▌ ")
}

fn draw_items(bars: &MultiProgress, items: &mut Vec<ProgressBar>, active: &[ActiveItem]) {
    let active = &active[..active.len().min(ITEMS)];
    while items.len() > active.len() {
        if let Some(bar) = items.pop() {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
    }
    while items.len() < active.len() {
        items.push(bars.add(ProgressBar::new_spinner().with_style(style(ITEM))));
    }
    for (bar, item) in items.iter().zip(active) {
        bar.set_message(item_text(item));
    }
}

fn item_text(item: &ActiveItem) -> String {
    let relative = item.path.relative();
    let of = item.size.map(|size| format!(" of {}", human::size(size))).unwrap_or_default();
    format!("{}  {} {}{of}", Escaped(relative.as_bytes()), word(item.state), human::size(item.done))
}

/// The name of a state.
fn word(state: ItemState) -> &'static str {
    match state {
        ItemState::Waiting => "waiting",
        ItemState::Checking => "checking",
        ItemState::Sending => "sending",
        ItemState::Receiving => "receiving",
        ItemState::Flushing => "flushing",
        ItemState::Verifying => "verifying",
        ItemState::Paused => "paused",
        ItemState::Asking => "asking",
        ItemState::Failed => "failed",
    }
}
