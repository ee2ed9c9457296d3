//! The conversation after login, without a network: frames in, replies out, a real disk below.

mod harness;
mod kills;
mod recounts;
mod transfers;
mod turns;
