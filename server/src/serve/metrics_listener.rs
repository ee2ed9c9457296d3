//! The listener of the metrics: an inherited one, or one at the configured address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{ServeError, say};
use crate::{metrics::Metrics, server::Server};

/// The listener of the metrics, if there is one.
#[derive(Default)]
pub(super) struct MetricsListener {
    is_inherited: bool,
    place: Option<SocketAddr>,
    served: Option<(CancellationToken, JoinHandle<()>)>,
}

impl MetricsListener {
    /// Starts on `inherited`, else at `place`.
    pub(super) async fn open(
        server: &Server,
        inherited: Option<TcpListener>,
        place: Option<SocketAddr>,
    ) -> Result<Self, ServeError> {
        let mut listening = Self::default();
        match inherited {
            Some(listener) => {
                listening.is_inherited = true;
                listening.serve(server, Metrics::inherit(listener)?)?;
            }
            None => listening.move_to(server, place).await?,
        }
        Ok(listening)
    }

    /// Serves at `place` from now on, or nowhere; after an error, where it did before.
    pub(super) async fn move_to(&mut self, server: &Server, place: Option<SocketAddr>) -> Result<(), ServeError> {
        // The service manager's listener stays: the operator has enabled it.
        if self.is_inherited || self.place == place {
            return Ok(());
        }
        let Some(address) = place else {
            self.close().await;
            self.place = None;
            return Ok(());
        };
        let failed = |source| ServeError::Metrics { address, source };
        let metrics = match Metrics::bind(address).await {
            // The wildcard address and a specific address exclude each other on the same port.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && self.shares_port(address) => {
                self.close().await;
                match Metrics::bind(address).await {
                    Ok(metrics) => metrics,
                    Err(error) => {
                        let before = self.place.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
                        self.serve(server, Metrics::bind(before).await.map_err(failed)?)?;
                        return Err(failed(error));
                    }
                }
            }
            bound => bound.map_err(failed)?,
        };
        self.close().await;
        self.serve(server, metrics)?;
        self.place = place;
        Ok(())
    }

    fn shares_port(&self, address: SocketAddr) -> bool {
        self.place.is_some_and(|place| place.port() == address.port())
    }

    fn serve(&mut self, server: &Server, metrics: Metrics) -> io::Result<()> {
        let address = metrics.address()?;
        tracing::info!(%address, "metrics");
        say(format_args!("metrics on http://{address}/metrics"));
        self.served = Some(server.metrics(metrics));
        Ok(())
    }

    async fn close(&mut self) {
        if let Some((stop, task)) = self.served.take() {
            stop.cancel();
            if let Err(error) = task.await {
                tracing::error!(%error, "the listener of the metrics");
            }
        }
    }
}
