//! Tests of a channel: packets in, packets out, on a real disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test should end it")]
#![allow(clippy::disallowed_methods, reason = "tests prepare files and look at them")]

mod folders;
mod handles;
mod parked;
pub(crate) mod peer;
mod served;
