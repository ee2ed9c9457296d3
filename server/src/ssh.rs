//! The door of SFTP: one SSH connection from its first bytes to the close.
//!
//! russh speaks SSH, on a task of its own that owns the socket and the [`Conversation`]. The functions here supervise
//! it: they keep the deadlines, end it when the account or the server says so, and outlive it.

mod channel;
mod exec;
mod handler;
mod inbox;
mod settings;
mod stream;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ferry_shared::socket::BurstStream;
use russh::{
    Disconnect, Error,
    server::{RunningSession, run_stream},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Span;

use self::{handler::Conversation, settings::NAME, stream::Stream};
use crate::{
    admission::Ticket,
    bandwidth::{Direction, Pace},
    connections::Listed,
    context::Context,
    gate::Standing,
    login::Admitted,
    session::Session,
    turned_away::Reason,
};

/// How long a peer may take to read the message with which its connection ends.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long russh may take to notice that its socket is gone.
const LAST_STEP: Duration = Duration::from_secs(1);
/// How often a connection is looked at while the server waits for its channels.
const LOOK: Duration = Duration::from_millis(100);
/// Words of the conversation that may wait for the supervisor.
const WORDS: usize = 4;
/// Bytes of a peer that are dropped while it is told why it is not served.
const LINGER_BYTES: u64 = 64 << 10;

/// The state that both sides of a connection share.
struct Link {
    context: Arc<Context>,
    ticket: Ticket,
    peer: SocketAddr,
    pace: Arc<Pace>,
    /// For log lines on russh's task.
    span: Span,
    words: mpsc::Sender<Word>,
    logged_in: Arc<AtomicBool>,
    /// Cancelled when the channels must end.
    ending: CancellationToken,
    /// The tasks of the channels.
    tasks: TaskTracker,
}

impl Link {
    /// Lists the connection of a session that it has just opened.
    fn list(&self, session: &Arc<Session>) -> Listed {
        self.pace.log_in(Arc::clone(&session.user.bandwidth));
        let meter = |direction| Arc::clone(self.pace.meter(direction));
        let (up, down) = (meter(Direction::Up), meter(Direction::Down));
        self.context.connections.enter(Arc::clone(session), self.peer, up, down)
    }

    /// Bytes received and sent.
    fn moved(&self) -> (u64, u64) {
        let moved = |direction| self.pace.meter(direction).load(Ordering::Relaxed);
        (moved(Direction::Up), moved(Direction::Down))
    }
}

/// The facts about the conversation that the supervisor needs.
enum Word {
    /// The key exchange is complete.
    ShookHands,
    /// The connection has logged in, and is listed.
    Entered(Box<Admitted>, Listed),
    /// The connection must end, with this message for the peer.
    Over(Disconnect, String),
}

/// How a connection ends.
enum Ending {
    /// The peer left, or broke the rules of SSH.
    Ended(Result<(), Error>),
    /// The server says so, with this message.
    Told(Disconnect, String),
    /// At once: the server stops.
    Stopped,
}

/// Tells a connection that is not served the reason, in terms of SSH: before the key exchange nothing is encrypted.
pub(crate) async fn turn_away(mut tcp: TcpStream, why: &str) {
    let told = async {
        tcp.write_all(&farewell(why)).await?;
        tcp.shutdown().await?;
        // Closing with unread input would reset the connection before the peer has read the message.
        let mut rest = tcp.take(LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // The peer may be gone, or not read.
    let _ = timeout(FAREWELL, told).await;
}

/// The identification of the server, and a message that ends the connection (RFC 4253, 6 and 11.1).
fn farewell(why: &str) -> Vec<u8> {
    const DISCONNECT: u8 = 1;
    const BLOCK: usize = 8;
    let text = |payload: &mut Vec<u8>, text: &str| {
        payload.extend(u32::try_from(text.len()).unwrap_or_default().to_be_bytes());
        payload.extend(text.as_bytes());
    };
    let mut payload = vec![DISCONNECT];
    payload.extend((Disconnect::TooManyConnections as u32).to_be_bytes());
    text(&mut payload, why);
    text(&mut payload, "");
    // Length, padding length, payload and padding fill whole blocks; at least four bytes are padding.
    let padding = 2 * BLOCK - (4 + 1 + payload.len() + 4) % BLOCK - 4;
    let length = 1 + payload.len() + padding;
    let mut bytes = format!("{NAME}\r\n").into_bytes();
    bytes.extend(u32::try_from(length).unwrap_or_default().to_be_bytes());
    bytes.extend(u8::try_from(padding));
    bytes.extend(payload);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

/// Serves one connection until it ends. The key exchange must be complete by the deadline.
pub(crate) async fn serve(tcp: TcpStream, peer: SocketAddr, ticket: Ticket, deadline: Instant, context: Arc<Context>) {
    let Some(host_keys) = context.host_keys.get() else { return };
    let pace = Arc::new(Pace::new(Arc::clone(&context.bandwidth)));
    let (words, heard) = mpsc::channel(WORDS);
    let link = Arc::new(Link {
        context: Arc::clone(&context),
        ticket,
        peer,
        pace,
        span: Span::current(),
        words,
        logged_in: Arc::default(),
        ending: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    let cut = CancellationToken::new();
    let settings = settings::settings(&context.config.get(), host_keys);
    let stream = BurstStream::new(tcp, context.pool.clone());
    let stream = Stream::new(stream, &link.pace, Arc::clone(&link.logged_in), cut.clone());
    let started = tokio::select! {
        started = timeout_at(deadline, run_stream(settings, stream, Conversation::new(Arc::clone(&link)))) => started,
        reason = link.ticket.dropped() => return context.turned_away.dropped(reason, peer),
        () = context.stop.cancelled() => return,
    };
    let mut connection = match started {
        Ok(Ok(running)) => Connection { link, running, heard, has_ended: false },
        Ok(Err(error)) => return handshake_failed(&context, &error),
        Err(_) => return context.turned_away.too_slow(peer),
    };
    connection.attend(deadline).await;
    cut.cancel();
    connection.leave().await;
}

fn handshake_failed(context: &Context, error: &Error) {
    if context.turned_away.count(Reason::Handshake) {
        tracing::info!(%error, "turned away: SSH handshake failed");
    }
}

/// A connection that russh serves.
struct Connection {
    link: Arc<Link>,
    running: RunningSession<Conversation>,
    heard: mpsc::Receiver<Word>,
    /// Whether russh's task has ended.
    has_ended: bool,
}

impl Connection {
    async fn attend(&mut self, deadline: Instant) {
        let ending = match self.until_login(deadline).await {
            Ok((admitted, listed)) => self.until_the_end(*admitted, listed).await,
            Err(ending) => ending,
        };
        // The channels must not go on while the peer is told.
        self.link.ending.cancel();
        match ending {
            Ending::Ended(result) => self.has_ended = self.tell_apart(result),
            Ending::Told(reason, message) => {
                let disconnect = self.running.handle();
                let told = async {
                    // Unless it has ended already.
                    let _ = disconnect.disconnect(reason, message, String::new()).await;
                    (&mut self.running).await
                };
                self.has_ended = timeout(FAREWELL, told).await.is_ok();
            }
            Ending::Stopped => {}
        }
    }

    /// Logs the end of russh's task; always `true`.
    fn tell_apart(&self, result: Result<(), Error>) -> bool {
        match result {
            Ok(()) => {}
            Err(Error::Join(_)) => {
                self.link.context.counters.panics.one();
                tracing::error!("a connection panicked; only this connection ends");
            }
            Err(error) => tracing::debug!(%error, "connection lost"),
        }
        true
    }

    /// Waits for a login.
    async fn until_login(&mut self, handshake: Instant) -> Result<(Box<Admitted>, Listed), Ending> {
        let Self { link, running, heard, .. } = self;
        let context = &link.context;
        let (mut deadline, mut has_key) = (handshake, false);
        loop {
            tokio::select! {
                ended = &mut *running => {
                    if let (false, Err(error)) = (has_key, &ended) {
                        handshake_failed(context, error);
                    }
                    return Err(Ending::Ended(ended));
                }
                word = heard.recv() => match word {
                    Some(Word::ShookHands) => {
                        link.ticket.shook_hands();
                        (deadline, has_key) = (Instant::now() + context.config.get().login.deadline(), true);
                    }
                    Some(Word::Entered(admitted, listed)) => return Ok((admitted, listed)),
                    Some(Word::Over(reason, message)) => {
                        if context.turned_away.count(Reason::Refused) {
                            tracing::info!(message, "turned away: refused before login");
                        }
                        return Err(Ending::Told(reason, message));
                    }
                    None => return Err(Ending::Ended(running.await)),
                },
                () = sleep_until(deadline) => {
                    context.turned_away.too_slow(link.peer);
                    return Err(Ending::Told(Disconnect::ByApplication, "no login in time".to_owned()));
                }
                reason = link.ticket.dropped() => {
                    context.turned_away.dropped(reason, link.peer);
                    let why = "too many connections are at their login; try again";
                    return Err(Ending::Told(Disconnect::TooManyConnections, why.to_owned()));
                }
                () = context.stop.cancelled() => return Err(Ending::Stopped),
            }
        }
    }

    /// Watches a connection after its login.
    async fn until_the_end(&mut self, admitted: Admitted, listed: Listed) -> Ending {
        let Self { link, running, .. } = self;
        let context = &link.context;
        let Admitted { session, mut gate, presence: _presence, .. } = admitted;
        let mut changes = context.users.changes();
        // Changes since the login count too.
        changes.mark_changed();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut draining, mut moved) = (false, None);
        let ending = loop {
            tokio::select! {
                ended = &mut *running => break Ending::Ended(ended),
                _ = changes.changed() => {}
                () = session.ended.cancelled() => {}
                () = context.drain.cancelled(), if !draining => draining = true,
                _ = looks.tick(), if draining => {
                    // A channel ends once its files are closed or its command is done; what it said goes first.
                    let now = Some(listed.connection.traffic());
                    if link.tasks.is_empty() && now == moved {
                        break Ending::Told(Disconnect::ByApplication, context.why_it_ends());
                    }
                    moved = now;
                }
                () = context.stop.cancelled() => break Ending::Stopped,
            }
            match gate.standing() {
                Standing::Open | Standing::AccessChanged(_) => {}
                Standing::Closed => {
                    let message = "the account was closed or its access was changed".to_owned();
                    break Ending::Told(Disconnect::ByApplication, message);
                }
                Standing::Farewell(word) => break Ending::Told(Disconnect::ByApplication, word),
            }
        };
        drop(listed);
        let (received, sent) = link.moved();
        tracing::info!(received, sent, "closed");
        ending
    }

    /// Waits for russh and the channels, whose socket is cut.
    async fn leave(mut self) {
        self.link.tasks.close();
        let ended = async {
            if !self.has_ended {
                let result = (&mut self.running).await;
                self.tell_apart(result);
            }
            self.link.tasks.wait().await;
        };
        if timeout(LAST_STEP, ended).await.is_err() {
            tracing::error!("a connection does not end");
        }
    }
}

#[cfg(test)]
mod tests;
