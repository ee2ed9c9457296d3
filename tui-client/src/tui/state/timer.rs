//! The timer of redraws without an event; off while nothing moves.

use std::time::Duration;

use super::{
    State,
    attempt::Step,
    dialog::{Dialog, Step as CompareStep},
    pane::LANDING,
    preview::Step as PreviewStep,
};

/// How often figures of running transfers change.
const FIGURES: Duration = Duration::from_millis(200);
/// The step of a spinner.
const TURN: Duration = Duration::from_millis(100);
/// The wait after which a spinner appears.
pub(crate) const PATIENCE: Duration = Duration::from_millis(150);

impl State {
    /// The time of the next redraw without an event.
    pub(crate) fn next_redraw(&self) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        let mut at = |time: Duration| next = Some(next.map_or(time, |other| other.min(time)));
        if self.transfers.is_busy(self.now) {
            at(self.now + FIGURES);
        }
        if let Some(toast) = &self.toast {
            at(toast.until);
        }
        for pane in [self.pane(), self.other()] {
            if let Some(loading) = &pane.loading {
                at((loading.since + PATIENCE).max(self.now + TURN));
            }
            if !pane.landing.is_empty() {
                at((pane.landed + LANDING).max(self.now));
            }
            if let Some(time) = pane.reread_at {
                at(time);
            }
        }
        match self.preview.step {
            PreviewStep::Resting(until) => at(until),
            PreviewStep::Loading { since, .. } => at((since + PATIENCE).max(self.now + TURN)),
            _ => {}
        }
        if self.is_waiting() {
            at(self.now + TURN);
        }
        for lost in self.connections.values().filter_map(|connection| connection.lost.as_ref()) {
            // The seconds that are counted down.
            at(lost.retry_at.map_or(self.now + TURN, |_| self.now + Duration::from_secs(1)));
        }
        next
    }

    /// Whether a dialog shows that something is waited for.
    fn is_waiting(&self) -> bool {
        self.dialogs.iter().any(|dialog| match dialog {
            Dialog::Reaching => true,
            Dialog::Form(_) => self.attempt.as_ref().is_some_and(|attempt| matches!(attempt.step, Step::LoggingIn(..))),
            Dialog::Copy(plan) => plan.count.ticket.is_some(),
            Dialog::Comparison(comparison) => !matches!(comparison.step, CompareStep::Ready | CompareStep::Failed),
            Dialog::Delete(plan) => plan.count.ticket.is_some(),
            Dialog::Found(found) => found.ticket.is_some(),
            Dialog::Details(details) => matches!(details.digest, super::dialog::DigestState::Pending(_)),
            Dialog::View(viewer) => viewer.reading.is_some(),
            _ => false,
        })
    }
}
