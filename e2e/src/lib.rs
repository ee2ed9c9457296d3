//! Runs the real `ferryd` and the real `ferry`, with a proxy between them that can inject faults.
//!
//! Everything is black-box: command lines, exit codes, files, bytes on the wire. Only the protocol crate is shared
//! with the programs, for peers that speak the protocol by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness that cannot go on fails its test, and its message is the report"
)]

pub mod binaries;
pub mod client;
pub mod compare;
pub mod failpoints;
pub mod impostor;
pub mod keyring;
pub mod material;
pub mod needs;
pub mod noise;
pub mod peer;
pub mod picture;
pub mod proxy;
pub mod recording;
pub mod round_trips;
pub mod screen;
pub mod server;
pub mod sftp;
mod sockets;
pub mod ssh;
pub mod ssh_peer;
pub mod sshd;
pub mod wait;

/// The password of every test user.
pub const PASSWORD: &str = "correct horse battery staple";

/// One MiB, the protocol's block.
pub const MIB: u64 = 1 << 20;

pub use needs::skipped;

/// Whether the long variants of the tests were requested (`FERRY_LONG=1`).
#[must_use]
pub fn long() -> bool {
    std::env::var_os("FERRY_LONG").is_some()
}
