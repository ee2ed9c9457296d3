//! Metrics for a monitoring system: `GET /metrics` over HTTP, in Prometheus' text format; and `GET /healthz` for a
//! load balancer, which tells whether the server accepts new connections.
//!
//! This is a small HTTP server of its own: one request per connection, a few connections at once, limited time and
//! bytes for each. Anybody who can reach the listener can read the metrics, so it belongs on loopback or on a
//! separate network.

mod http;
mod text;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{context::Context, control::status_now};
use http::{Answer, Request};

/// Connections at the same time.
const PLACES: usize = 8;
/// The time limit of a connection, from its start to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// The listener of the metrics.
#[derive(Debug)]
pub struct Metrics(TcpListener);

impl Metrics {
    /// Listens on `address`.
    ///
    /// # Errors
    /// An error of the system.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(address).await?))
    }

    /// Takes over an inherited listener, for example from systemd.
    ///
    /// # Errors
    /// An error of the system.
    pub fn inherit(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(TcpListener::from_std(listener)?))
    }

    /// The address of the listener.
    ///
    /// # Errors
    /// An error of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers until `stop` is cancelled; `tasks` tracks the tasks.
    pub async fn serve(self, context: Arc<Context>, tasks: TaskTracker, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(PLACES));
        loop {
            let accepted = tokio::select! {
                accepted = self.0.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let context = Arc::clone(&context);
                    tasks.spawn(async move {
                        let _place = place;
                        tokio::select! {
                            answered = timeout(PATIENCE, answer(tcp, &context)) => {
                                if let Ok(Err(error)) = answered {
                                    tracing::debug!(%peer, %error, "metrics");
                                }
                            }
                            () = context.stop.cancelled() => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection for the metrics");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn answer(mut tcp: TcpStream, context: &Arc<Context>) -> io::Result<()> {
    let (answer, with_body) = match http::read(&mut tcp).await? {
        Request::Get { path, body } if path == "/metrics" => {
            let context = Arc::clone(context);
            // Querying the disk may block.
            let text = tokio::task::spawn_blocking(move || text::render(&status_now(&context))).await;
            (text.map_or(Answer::Failed, Answer::Text), body)
        }
        Request::Get { path, body } if path == "/healthz" && context.config.get().tells_health() => {
            (Answer::Health(!context.drain.is_cancelled()), body)
        }
        Request::Get { body, .. } => (Answer::NotFound, body),
        Request::Other => (Answer::NotAllowed, true),
        Request::Malformed => (Answer::Malformed, true),
    };
    http::write(&mut tcp, &answer, with_body).await
}
