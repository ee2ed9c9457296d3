//! The ferry client library: sites, and transfers between any two of them.
//!
//! [`site`] is the contract of every place where files are: [`local`] is this computer, and an account on a ferryd is
//! a site of its own kind, and so is an account on an SSH server ([`sftp`]). [`transfer`] copies and moves between two sites. [`connect`] opens authenticated connections
//! to a server ([`trust`] verifies it, [`identity`] proves the user's identity), [`remote`] offers typed calls on one
//! of them, and [`reconnect`] computes the delays between attempts.

mod address;
#[cfg(test)]
mod conformance;
pub mod connect;
pub mod connection;
pub mod error;
mod ferry;
pub mod identity;
pub mod local;
#[cfg(test)]
#[allow(dead_code, reason = "not every test needs every way to fail")]
mod memory;
mod obstacle;
mod os_name;
pub mod reconnect;
pub mod remote;
mod seal;
pub mod server;
pub mod sftp;
pub mod site;
mod site_key;
pub mod sync;
pub mod traffic;
pub mod transfer;
pub mod trust;

pub use connect::{ConnectOptions, Connector, Target};
pub use connection::Connection;
pub use error::ClientError;
pub use ferry::Ferry;
pub use identity::Credential;
pub use local::Local;
pub use obstacle::Obstacle;
pub use remote::Remote;
pub use sftp::Sftp;
pub use site::{Site, SitePath};
pub use site_key::SiteKey;
pub use trust::{Fingerprint, Trust};
