//! `ferryd`, the headless ferry server, as a library.
//!
//! `ARCHITECTURE.md` tells which file does what; the arrows point from [`server`] over
//! `connection` and [`gate`] to [`command`], which puts [`storage`], [`quota`] and [`users`]
//! together. Those three know nothing of each other.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files and look at them"))]

pub mod admin;
pub mod admission;
pub mod args;
pub mod audit;
pub mod bandwidth;
pub mod command;
pub mod config;
pub mod confine;
mod connection;
pub mod context;
pub mod control;
mod descriptors;
pub mod disk_fault;
mod disk_trouble;
pub mod door;
mod drift;
mod failpoint;
pub mod figures;
pub mod files;
pub mod gate;
pub mod identity;
pub mod inherited;
mod links;
pub mod live;
mod login;
pub mod metrics;
pub mod outbox;
pub mod output;
mod own_files;
mod private_file;
pub mod quota;
pub mod refusal;
pub mod rescan;
pub mod seal;
pub mod serve;
pub mod server;
mod service;
pub mod session;
pub mod size;
#[cfg(test)]
mod skipped;
pub mod storage;
mod system_folders;
pub mod telemetry;
pub mod turned_away;
pub mod turns;
mod upkeep;
pub mod user_state;
pub mod users;
