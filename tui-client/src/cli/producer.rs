//! A command whose output is uploaded (`ferry put --from-command`): only its exit code shows that the output is
//! complete.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    process::{ExitStatus, Stdio},
    sync::mpsc,
};

use tokio::{
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{exit::Looking, failure::Failure};

/// A running command. It is killed if it is still running at the end.
pub(super) struct Producer {
    stop: CancellationToken,
    watching: JoinHandle<()>,
}

/// The output of a command; its end is valid only if the command succeeds.
struct Produced {
    pipe: File,
    ended: mpsc::Receiver<io::Result<ExitStatus>>,
}

impl Producer {
    /// Starts `program`. Must be called in a Tokio runtime.
    ///
    /// # Errors
    /// [`Failure::Local`] if it cannot be started.
    pub(super) fn start(program: &OsStr, arguments: &[OsString]) -> Result<(Self, Box<dyn Read + Send>), Failure> {
        let failed = |error| Failure::local(program, Looking::File, error);
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn().map_err(failed)?;
        let pipe = child.stdout.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        let pipe = blocking(pipe).map_err(failed)?;
        let (tell, ended) = mpsc::sync_channel(1);
        let stop = CancellationToken::new();
        let watching = tokio::spawn(watch(child, stop.clone(), tell));
        Ok((Self { stop, watching }, Box::new(Produced { pipe, ended })))
    }

    /// Kills the command, if it is still running, and waits for its end.
    pub(super) async fn end(self) {
        self.stop.cancel();
        // The runtime reports panics of the task.
        drop(self.watching.await);
    }
}

async fn watch(mut child: Child, stop: CancellationToken, tell: mpsc::SyncSender<io::Result<ExitStatus>>) {
    let ended = tokio::select! {
        biased;
        status = child.wait() => status,
        () = stop.cancelled() => child.kill().await.and(Err(io::ErrorKind::Interrupted.into())),
    };
    // The receiver is gone if the transfer has ended.
    drop(tell.send(ended));
}

impl Read for Produced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.pipe.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        match self.ended.recv() {
            Ok(Ok(status)) if status.success() => Ok(0),
            Ok(Ok(status)) => Err(io::Error::other(format!("the command failed ({status}); nothing is stored"))),
            // Do not use the kind `Interrupted`, after which the reader would retry.
            Ok(Err(error)) => Err(io::Error::other(error.to_string())),
            Err(_) => Err(io::Error::other("the command was stopped")),
        }
    }
}

#[cfg(unix)]
fn blocking(pipe: ChildStdout) -> io::Result<File> {
    Ok(File::from(pipe.into_owned_fd()?))
}

#[cfg(windows)]
fn blocking(pipe: ChildStdout) -> io::Result<File> {
    Ok(File::from(pipe.into_owned_handle()?))
}
