//! The preview of the entry under the cursor: whether it is shown, what it shows, and the last ones to show again.

mod content;
mod kept;
mod subject;

use std::{sync::Arc, time::Duration};

use self::kept::Kept;
pub(crate) use self::{
    content::{Body, Content, Ink, List, Picture, Row, Span},
    subject::{Palette, Subject, Wanted},
};
use super::{problem::Problem, ticket::Ticket};

/// How long the cursor must rest on an entry before anything is read of it.
pub(crate) const REST: Duration = Duration::from_millis(120);

/// The preview.
#[derive(Debug)]
pub(crate) struct Preview {
    /// Whether it has a column of its own where the screen is wide enough.
    pub(crate) column: bool,
    /// Whether it takes the place of the other pane on a narrower screen.
    pub(crate) instead: bool,
    /// The entry that it is about; `None` where there is none, and while the preview is hidden.
    pub(crate) subject: Option<Subject>,
    /// How far it is.
    pub(crate) step: Step,
    /// The content before, while the same entry has changed and is read again.
    pub(crate) before: Option<Arc<Content>>,
    /// Lines scrolled away.
    pub(crate) top: usize,
    kept: Kept,
}

/// How far a preview is.
#[derive(Debug)]
pub(crate) enum Step {
    /// There is nothing to show.
    Nothing,
    /// The cursor may still move on; nothing is read before this time.
    Resting(Duration),
    /// It is being made.
    Loading {
        /// Names the answer.
        ticket: Ticket,
        /// When it was asked for.
        since: Duration,
    },
    /// It is there.
    Shown(Arc<Content>),
    /// It cannot be shown.
    Failed(Problem),
}

impl Preview {
    /// A preview that shows nothing yet, in a column of its own if so.
    pub(crate) fn new(column: bool) -> Self {
        Self { column, instead: false, subject: None, step: Step::Nothing, before: None, top: 0, kept: Kept::default() }
    }

    /// Turns to another entry, or to none. One that was shown a moment ago is shown at once, if it fits `room` columns
    /// and lines.
    pub(crate) fn turn_to(&mut self, subject: Option<Subject>, room: (u16, u16), now: Duration) {
        let known = subject.as_ref().and_then(|subject| self.kept.get(subject)).filter(|content| content.fits(room));
        let place = |subject: &Option<Subject>| subject.as_ref().map(|subject| subject.place.clone());
        if place(&subject) != place(&self.subject) {
            (self.before, self.top) = (None, 0);
        } else if let Step::Shown(content) = &self.step {
            self.before = Some(Arc::clone(content));
        }
        self.step = match (&subject, known) {
            (None, _) => Step::Nothing,
            (Some(_), Some(content)) => Step::Shown(content),
            (Some(subject), None) => match subject.unread() {
                Some(content) => Step::Shown(Arc::new(content)),
                None => Step::Resting(now + REST),
            },
        };
        self.subject = subject;
    }

    /// Takes the content that was asked for, and keeps that of a file.
    pub(crate) fn take(&mut self, content: Content) {
        let content = Arc::new(content);
        if let Some(subject) = self.subject.as_ref().filter(|subject| subject.is_kept()) {
            self.kept.put(subject.clone(), Arc::clone(&content));
        }
        (self.step, self.before) = (Step::Shown(content), None);
    }

    /// The ticket of the request under way.
    pub(crate) fn pending(&self) -> Option<Ticket> {
        match self.step {
            Step::Loading { ticket, .. } => Some(ticket),
            _ => None,
        }
    }
}
