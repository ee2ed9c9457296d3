//! The protocol as a peer sees it: bytes pinned, hostile input survived.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test should end it")]

mod decoder;
mod golden;
