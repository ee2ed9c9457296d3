//! The ferry client: connects and proves the server, offers typed calls, and runs transfers.
//!
//! [`connect`] opens authenticated connections (who the server is: [`trust`]; who the user
//! is: [`identity`]), [`remote`] turns one of them into typed calls, [`transfer`] moves
//! files over several, and [`reconnect`] says how long to wait before trying again.

pub mod connect;
pub mod connection;
pub mod error;
pub mod identity;
pub mod reconnect;
pub mod remote;
mod seal;
pub mod transfer;
pub mod trust;

pub use connect::{ConnectOptions, Connector, Target};
pub use connection::Connection;
pub use error::ClientError;
pub use identity::Credential;
pub use remote::Remote;
pub use trust::{Fingerprint, Trust};
