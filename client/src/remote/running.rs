//! The stream of what a command on the server says.

use std::sync::Arc;

use ferry_shared::refusal::Refusal;
use tokio::sync::mpsc;

use super::Shared;
use crate::error::ClientError;

/// A part of what a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Bytes of its results.
    Out(Vec<u8>),
    /// Bytes of its messages about failures.
    Err(Vec<u8>),
    /// It ended with this status.
    Exited(u8),
}

/// The output of a command, as it comes. The server waits for the reader of the stream. If the stream is dropped before
/// the command ends, the connection is closed, and the server stops the command.
#[derive(Debug)]
pub struct CommandStream {
    said: mpsc::Receiver<Result<Said, Refusal>>,
    shared: Arc<Shared>,
    finished: bool,
}

impl CommandStream {
    pub(super) fn new(said: mpsc::Receiver<Result<Said, Refusal>>, shared: Arc<Shared>) -> Self {
        Self { said, shared, finished: false }
    }

    /// Returns the next part; `None` after [`Said::Exited`]. This method is cancel safe.
    pub async fn next(&mut self) -> Option<Result<Said, ClientError>> {
        if self.finished {
            return None;
        }
        let said = match self.said.recv().await {
            Some(said) => said.map_err(ClientError::from),
            None => Err(self.shared.end().await),
        };
        self.finished = !matches!(said, Ok(Said::Out(_) | Said::Err(_)));
        Some(said)
    }
}

impl Drop for CommandStream {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.stop.cancel();
        }
    }
}
