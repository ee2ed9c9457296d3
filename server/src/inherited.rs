//! Listeners inherited from the process that started the server, such as systemd for a socket unit.
//!
//! They stay open while no server runs, so that a restart refuses nobody: clients wait in the backlog. A listener
//! called `metrics` is for the metrics, one called `sftp` for SFTP clients, every other one for clients of ferry.

use std::{env, io, net::TcpListener};

use listenfd::ListenFd;

/// The name, in `FileDescriptorName=` of a socket unit, of the listener for the metrics.
const METRICS: &str = "metrics";
/// The same for SFTP.
const SFTP: &str = "sftp";

/// The inherited listeners.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// For clients; empty if the configuration says where to listen.
    pub clients: Vec<TcpListener>,
    /// For SFTP; empty if the configuration says where to listen.
    pub sftp: Vec<TcpListener>,
    /// For the metrics.
    pub metrics: Option<TcpListener>,
}

/// An inherited descriptor is not a TCP listener.
#[derive(Debug, thiserror::Error)]
#[error("inherited descriptor {number} ('{name}') is not a TCP listener: {source}")]
pub struct InheritedError {
    number: usize,
    name: String,
    source: io::Error,
}

impl Inherited {
    /// Takes the listeners that the environment names; a second call gets nothing.
    ///
    /// # Errors
    /// [`InheritedError`].
    pub(crate) fn take() -> Result<Self, InheritedError> {
        // Read before the crate used below clears the variables.
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut handed = ListenFd::from_env();
        let mut taken = Self::default();
        for number in 0..handed.len() {
            let name = names.next().unwrap_or_default();
            let failed = |source| InheritedError { number, name: name.to_owned(), source };
            let Some(listener) = handed.take_tcp_listener(number).map_err(failed)? else { continue };
            listener.set_nonblocking(true).map_err(failed)?;
            match name {
                METRICS => taken.metrics = Some(listener),
                SFTP => taken.sftp.push(listener),
                _ => taken.clients.push(listener),
            }
        }
        Ok(taken)
    }
}
