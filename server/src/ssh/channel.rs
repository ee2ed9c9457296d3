//! One channel of a connection: it waits for its request, runs the service, and closes.

use std::time::Duration;

use bytes::Bytes;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Error, server::Msg};
use tokio::{
    pin,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::inbox::inbox;
use crate::{
    files::Files,
    gate::Standing,
    sftp,
    verbs::{self, Closed, Output},
    visit::Visit,
};

/// How long a service may take to end once its peer has closed the channel.
const LAST_WORK: Duration = Duration::from_secs(5);
/// Pieces of a command's output that may wait for the peer.
const PIECES: usize = 4;
/// The type of extended data for standard error.
const STANDARD_ERROR: u32 = 1;
/// The status of a command line that cannot be run, as shells have it.
const NO_COMMAND: u8 = 127;

type Writing = ChannelWriteHalf<Msg>;

/// What a channel is for.
#[derive(Debug)]
pub(super) enum Request {
    /// SFTP.
    Sftp,
    /// A command line.
    Run(Vec<u8>),
}

/// Serves a channel until it is closed or `ending` is cancelled.
pub(super) async fn attend(
    channel: Channel<Msg>,
    request: oneshot::Receiver<Request>,
    visit: Visit,
    ending: CancellationToken,
) {
    let (mut read, write) = channel.split();
    let served = async {
        let request = tokio::select! {
            request = request => request.ok(),
            () = is_useless(&mut read) => None,
        };
        let status = match request {
            Some(Request::Sftp) => serve_sftp(visit, read, &write).await,
            Some(Request::Run(line)) => Some(run(visit, line, read, &write, &ending).await),
            None => None,
        };
        // The peer may have closed it already.
        let _ = close(&write, status).await;
    };
    tokio::select! {
        () = served => {}
        () = ending.cancelled() => {}
    }
}

/// Waits until a channel without a service is closed, or has data for it.
async fn is_useless(read: &mut ChannelReadHalf) {
    while let Some(message) = read.wait().await {
        if let ChannelMsg::Close | ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. } = message {
            return;
        }
    }
}

async fn close(write: &Writing, status: Option<u8>) -> Result<(), Error> {
    if let Some(status) = status {
        write.eof().await?;
        write.exit_status(status.into()).await?;
    }
    write.close().await
}

async fn serve_sftp(visit: Visit, read: ChannelReadHalf, write: &Writing) -> Option<u8> {
    let (inbox, feed) = inbox();
    let serving = sftp::serve(visit, tokio::io::join(inbox, write.make_writer()));
    pin!(serving);
    tokio::select! {
        () = &mut serving => Some(0),
        () = feed.run(read) => {
            // Its next read sees the end.
            if timeout(LAST_WORK, serving).await.is_err() {
                tracing::debug!("SFTP is ended with its channel");
            }
            None
        }
    }
}

/// Runs a command on a blocking thread; returns its status.
async fn run(
    mut visit: Visit,
    line: Vec<u8>,
    mut read: ChannelReadHalf,
    write: &Writing,
    ending: &CancellationToken,
) -> u8 {
    // The command ends at its next step once this is dropped.
    let stop = ending.child_token();
    let _guard = stop.clone().drop_guard();
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let context = &visit.context;
    let (user, who) = (visit.session.user.clone(), visit.session.who(Some(visit.peer)));
    let files = Files::new(user, context.audit.clone(), context.counters.clone(), who, stop.clone());
    let span = tracing::Span::current();
    let work = context.work.clone();
    let working = work.spawn_blocking(move || {
        let _on_every_line = span.entered();
        let mut output = Pieces { sender, stop };
        if !matches!(visit.gate.standing(), Standing::Open | Standing::AccessChanged(_)) {
            return NO_COMMAND;
        }
        match verbs::split(&line) {
            Ok(words) => verbs::run(&files, &words, &mut output),
            Err(error) => {
                // The status tells the same.
                let _ = output.err(format!("ferryd: {error}\n").as_bytes());
                NO_COMMAND
            }
        }
    });
    let writing = async {
        while let Some((stream, piece)) = pieces.recv().await {
            match stream {
                Stream::Out => write.data_bytes(piece).await?,
                Stream::Err => write.extended_data_bytes(STANDARD_ERROR, piece).await?,
            }
        }
        Ok::<(), Error>(())
    };
    let closed = async {
        loop {
            if let None | Some(ChannelMsg::Close) = read.wait().await {
                return;
            }
        }
    };
    tokio::select! {
        _ = writing => {}
        () = closed => return NO_COMMAND,
    }
    working.await.unwrap_or(NO_COMMAND)
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// The output of a command, which waits for the peer.
struct Pieces {
    sender: mpsc::Sender<(Stream, Bytes)>,
    stop: CancellationToken,
}

impl Pieces {
    fn send(&self, stream: Stream, bytes: &[u8]) -> Result<(), Closed> {
        if self.stop.is_cancelled() {
            return Err(Closed);
        }
        self.sender.blocking_send((stream, Bytes::copy_from_slice(bytes))).map_err(|_| Closed)
    }
}

impl Output for Pieces {
    fn out(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.send(Stream::Out, bytes)
    }

    fn err(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.send(Stream::Err, bytes)
    }
}
