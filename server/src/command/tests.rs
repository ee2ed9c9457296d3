//! Tests of the conversation after login, without a network: frames in, replies out, on a real disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test should end it")]
#![allow(clippy::disallowed_methods, reason = "tests prepare files and look at them")]

mod answers;
mod cases;
mod commands;
mod cuts;
mod deltas;
mod entering;
pub(crate) mod harness;
mod kills;
mod parts;
mod recounts;
mod scheduling;
mod transfers;
