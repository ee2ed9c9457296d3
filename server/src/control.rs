//! The control socket: how `ferryd status`, `kick`, `top` and other commands reach the running server.
//!
//! It is a Unix socket that takes one JSON object per line and answers each with another. Access is checked twice:
//! by the mode of the file, and by the credentials of the peer that the kernel reports.
#![expect(clippy::disallowed_methods, reason = "the control socket has a file of its own")]

mod accounts;
mod answer;
pub mod client;
pub mod message;
mod penalties;
mod quota;
mod requests;
pub mod who;

use std::{
    io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use crate::{context::Context, identity::Handed, private_file};
pub(crate) use answer::status_now;
use message::{Answer, Ask, Pair};
pub(crate) use quota::{same_path, staged_part, wanted};
use requests::{Request, Requests};
use who::{Right, Who};

/// How long an operator's program may be silent.
const PATIENCE: Duration = Duration::from_secs(300);
/// Programs of operators that may be connected at once.
const PLACES: usize = 16;
/// The socket's mode: the server's user and its group.
const MODE: u32 = 0o660;

/// An order that only the main loop can carry out.
#[derive(Debug)]
pub enum Order {
    /// Read configuration, certificate and users again for this system user, and report the result.
    Reload(u32, Option<Handed>, oneshot::Sender<Reread>),
    /// Accept nobody new, let transfers finish within their time, and stop.
    Drain,
}

/// The result of a reload.
#[derive(Debug, Default)]
pub struct Reread {
    /// Faults; the parts concerned stay unchanged.
    pub faults: Vec<String>,
    /// Settings that changed.
    pub changed: Vec<String>,
    /// Settings that change only at the next start.
    pub notes: Vec<String>,
}

/// The reason why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The file cannot be created.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another server answers there.
    #[error("{}: another server listens there", .0.display())]
    Taken(PathBuf),
    /// The file is something other than a socket.
    #[error("{}: exists and is not a socket", .0.display())]
    NoSocket(PathBuf),
}

/// The listening sockets: one, and another one if a group may change accounts. Their files are removed when this is
/// dropped.
#[derive(Debug)]
pub struct Control {
    sockets: Vec<Listening>,
    who: Who,
}

#[derive(Debug)]
struct Listening {
    listener: UnixListener,
    path: PathBuf,
    /// The rights of its group.
    right: Right,
}

impl Control {
    /// Listens at `path` for the users that `who` allows.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn bind(path: PathBuf, who: Who) -> Result<Self, ControlError> {
        let admins = who.has_admins().then(|| (client::admin_path(&path), Right::Accounts));
        let mut control = Self { sockets: Vec::new(), who };
        for (path, right) in [(path, Right::Look)].into_iter().chain(admins) {
            let listening = Listening::bind(path, right, &control.who)?;
            control.sockets.push(listening);
        }
        Ok(control)
    }

    /// Answers until the server has stopped; `tasks` tracks the tasks.
    pub async fn serve(mut self, context: Arc<Context>, orders: mpsc::Sender<Order>, tasks: TaskTracker) {
        let places = Arc::new(Semaphore::new(PLACES));
        for listening in std::mem::take(&mut self.sockets) {
            let (context, orders, who) = (Arc::clone(&context), orders.clone(), self.who.clone());
            tasks.spawn(listening.serve(Arc::clone(&places), who, context, orders, tasks.clone()));
        }
    }
}

impl Listening {
    fn bind(path: PathBuf, right: Right, who: &Who) -> Result<Self, ControlError> {
        let failed = |source| ControlError::File { path: path.clone(), source };
        private_file::make_folder(private_file::folder_of(&path)).map_err(failed)?;
        remove_stale(&path)?;
        let listener = UnixListener::bind(&path).map_err(failed)?;
        let listening = Self { listener, path: path.clone(), right };
        who.own(&path, right).map_err(failed)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(MODE)).map_err(failed)?;
        Ok(listening)
    }

    async fn serve(
        self,
        places: Arc<Semaphore>,
        who: Who,
        context: Arc<Context>,
        orders: mpsc::Sender<Order>,
        tasks: TaskTracker,
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = context.stop.cancelled() => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection on the control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (context, orders, who, right) = (Arc::clone(&context), orders.clone(), who.clone(), self.right);
            tasks.spawn(async move {
                let _place = place;
                tokio::select! {
                    () = converse(stream, &who, right, &context, &orders) => {}
                    () = context.stop.cancelled() => {}
                }
            });
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket's file was gone already");
        }
    }
}

/// Removes the socket of a server that was killed, but nothing else.
fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::File { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(there) if !there.file_type().is_socket() => return Err(ControlError::NoSocket(path.to_owned())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ControlError::Taken(path.to_owned())),
        Err(_) => std::fs::remove_file(path).map_err(failed),
    }
}

async fn converse(
    mut stream: UnixStream,
    who: &Who,
    socket: Right,
    context: &Arc<Context>,
    orders: &mpsc::Sender<Order>,
) {
    let peer = match stream.peer_cred() {
        Ok(peer) => peer,
        Err(error) => return tracing::warn!(%error, "the kernel does not report the peer on the control socket"),
    };
    let Some(right) = who.right(peer.uid(), socket) else {
        tracing::warn!(uid = peer.uid(), gid = peer.gid(), "refused on the control socket");
        let refused = Answer::failed(Right::Look.of_whom());
        return say(&mut stream, &refused).await.unwrap_or_else(|error| tracing::debug!(%error, "control socket"));
    };
    let mut requests = Requests::default();
    loop {
        let request = match timeout(PATIENCE, requests.next(&stream)).await {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => return tracing::debug!(%error, "control socket"),
        };
        let whole = request.line.last() == Some(&b'\n');
        let answer = if whole {
            answer(request, right, peer.uid(), context, orders).await
        } else {
            Answer::failed("a request is one line of JSON and not longer than 64 KiB")
        };
        if let Err(error) = say(&mut stream, &answer).await {
            return tracing::debug!(%error, "control socket");
        }
        if !whole {
            return;
        }
    }
}

async fn answer(
    Request { line, files }: Request,
    right: Right,
    uid: u32,
    context: &Arc<Context>,
    orders: &mpsc::Sender<Order>,
) -> Answer {
    let ask = match serde_json::from_slice::<Ask>(&line) {
        Ok(ask) => ask,
        Err(error) => return Answer::failed(format!("no such request: {error}")),
    };
    if ask.needs() > right {
        tracing::warn!(uid, needs = ?ask.needs(), "refused on the control socket");
        return Answer::failed(ask.needs().of_whom());
    }
    let Ask::Reload { pair } = ask else { return answer::answer(ask, uid, context, orders).await };
    let handed = match pair {
        None => None,
        Some(Pair { certificate, key }) => match <[_; requests::FILES]>::try_from(files) {
            Ok([chain, secret]) => Some(Handed { certificate: (certificate, chain), key: (key, secret) }),
            Err(_) => return Answer::failed("a certificate and its key come as two open files with the request"),
        },
    };
    answer::reload(uid, handed, context, orders).await
}

async fn say(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    match timeout(PATIENCE, stream.write_all(&line)).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
