//! The threads of a session. All blocking disk access runs on them, and the session waits for each of them.

use std::io;

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    error::ClientError,
    site::{Outcome, Surroundings},
};

/// The threads of a session.
#[derive(Debug)]
pub(super) struct Threads {
    tasks: TaskTracker,
    stop: CancellationToken,
    running: Vec<JoinHandle<()>>,
}

/// A call of a session. Dropping it tells its threads to stop.
pub(super) struct Call<'a> {
    threads: &'a mut Threads,
    stop: Stop,
    _guard: DropGuard,
}

/// Tells a thread to stop, also while it waits for a channel.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    token: CancellationToken,
    runtime: Handle,
}

impl Threads {
    pub(super) fn new(surroundings: &Surroundings) -> Self {
        Self { tasks: surroundings.tasks.clone(), stop: surroundings.stop.clone(), running: Vec::new() }
    }

    /// Starts a call.
    pub(super) fn call(&mut self) -> Call<'_> {
        let token = self.stop.child_token();
        Call { threads: self, _guard: token.clone().drop_guard(), stop: Stop { token, runtime: Handle::current() } }
    }

    /// Whether all threads of earlier calls have ended.
    pub(super) fn are_idle(&self) -> bool {
        self.running.iter().all(JoinHandle::is_finished)
    }

    /// Waits until all threads have ended.
    pub(super) async fn settle(&mut self) {
        // Remove a thread only after it has ended, because this call may be dropped too.
        while let Some(thread) = self.running.last_mut() {
            // The runtime has reported a panic; the receiver of the result gets an error.
            drop(thread.await);
            self.running.pop();
        }
    }
}

impl Call<'_> {
    /// The stop signal for the threads of this call.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Starts a thread and returns a future of its result.
    pub(super) fn start<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
    ) -> Outcome<'static, T> {
        let (tell, told) = oneshot::channel();
        self.threads.running.push(self.threads.tasks.spawn_blocking(move || drop(tell.send(work()))));
        Box::pin(async { told.await.unwrap_or_else(|_| Err(ended())) })
    }

    /// Waits until all threads have ended.
    pub(super) async fn end(self) {
        self.threads.settle().await;
    }

    /// Runs the whole call on one thread.
    pub(super) async fn run<T: Send + 'static>(
        mut self,
        work: impl FnOnce(Stop) -> Result<T, ClientError> + Send + 'static,
    ) -> Result<T, ClientError> {
        let stop = self.stop.clone();
        let result = self.start(move || work(stop)).await;
        self.end().await;
        result
    }
}

fn ended() -> ClientError {
    ClientError::local("", io::Error::other("its thread has ended"))
}

impl Stop {
    /// Creates a signal that is also set when this one is set.
    pub(super) fn child(&self) -> Self {
        Self { token: self.token.child_token(), runtime: self.runtime.clone() }
    }

    /// Sets the signal.
    pub(super) fn set(&self) {
        self.token.cancel();
    }

    /// Whether the signal is set.
    pub(super) fn is_set(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns [`ClientError::Cancelled`] once the signal is set.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        if self.is_set() { Err(ClientError::Cancelled) } else { Ok(()) }
    }

    /// Receives the next value; `None` after the last one or once the signal is set.
    pub(super) fn receive<T>(&self, from: &mut mpsc::Receiver<T>) -> Option<T> {
        match from.try_recv() {
            Ok(value) => Some(value),
            Err(mpsc::error::TryRecvError::Disconnected) => None,
            Err(mpsc::error::TryRecvError::Empty) => self.wait(from.recv()).flatten(),
        }
    }

    /// Sends a value.
    ///
    /// # Errors
    /// [`ClientError::Cancelled`] if the receiver was dropped or the signal is set.
    pub(super) fn send<T>(&self, to: &mpsc::Sender<T>, value: T) -> Result<(), ClientError> {
        match to.try_send(value) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(ClientError::Cancelled),
            Err(mpsc::error::TrySendError::Full(value)) => match self.wait(to.send(value)) {
                Some(Ok(())) => Ok(()),
                Some(Err(_)) | None => Err(ClientError::Cancelled),
            },
        }
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.token.cancelled() => None,
                value = future => Some(value),
            }
        })
    }
}

#[cfg(test)]
impl Stop {
    /// Creates a signal that only a test sets.
    pub(super) fn never() -> Self {
        Self { token: CancellationToken::new(), runtime: Handle::current() }
    }
}
