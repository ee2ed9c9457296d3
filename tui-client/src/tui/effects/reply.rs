//! The channel for the answers to a request.

use std::path::Path;

use ferry_client::ClientError;
use tokio::sync::mpsc;

use crate::tui::{
    event::{Answer, Event},
    state::{problem::Problem, ticket::Ticket},
};

/// Sends the answers to one request.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) ticket: Ticket,
}

impl Reply {
    pub(super) fn new(events: mpsc::Sender<Event>, ticket: Ticket) -> Self {
        Self { events, ticket }
    }

    /// Answers, from a task.
    pub(super) async fn send(&self, answer: Answer) {
        // The receiver is gone only when the program ends.
        let _ = self.events.send(Event::Answer(self.ticket, answer)).await;
    }

    /// Sends the error, from a task.
    pub(super) async fn failed(&self, error: &ClientError) {
        self.send(Answer::Failed(Problem::from(error))).await;
    }

    /// Answers, from a thread that may block.
    pub(super) fn post(&self, answer: Answer) {
        let _ = self.events.blocking_send(Event::Answer(self.ticket, answer));
    }

    /// Sends the error, from a thread that may block.
    pub(super) fn post_error(&self, path: &Path, error: std::io::Error) {
        self.post(Answer::Failed(Problem::from(&ClientError::local(path, error))));
    }
}
