//! One channel of a connection: it waits for its request, runs the service, and closes.

use std::time::Duration;

use russh::{Channel, ChannelReadHalf, Error, server::Msg};
use tokio::{pin, sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    exec::{self, Writing},
    inbox::inbox,
};
use crate::{sftp, visit::Visit};

/// How long a service may take to end once its peer has closed the channel.
const LAST_WORK: Duration = Duration::from_secs(5);

/// The purpose of a channel.
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
    let (read, write) = channel.split();
    let served = async {
        // It is dropped with a channel that is closed or used without one. Reading here would take the first bytes of
        // a client that does not wait for the answer.
        let request = tokio::select! {
            request = request => request.ok(),
            () = visit.context.drain.cancelled() => None,
        };
        let status = match request {
            Some(Request::Sftp) => serve_sftp(visit, read, &write).await,
            Some(Request::Run(line)) => Some(exec::run(visit, &line, read, &write).await),
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
