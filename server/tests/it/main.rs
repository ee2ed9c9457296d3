//! Integration tests of the server: its parts through their public interfaces, and `ferryd` itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test should end it")]
#![allow(clippy::disallowed_methods, reason = "tests prepare files and look at them")]

// The attribute is on each module, so that lints recognise them as tests.
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod serving;
