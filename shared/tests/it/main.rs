//! The protocol as a peer sees it: fixed bytes, and robustness against hostile input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test should end it")]

mod decoder;
mod golden;
mod sftp;
