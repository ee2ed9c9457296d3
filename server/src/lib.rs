//! `ferryd`, the headless ferry server, as a library.
//!
//! `ARCHITECTURE.md` says which file does what. Dependencies point from `server` over `connection` and `gate` to
//! `command`, and on to `files`, which combines `storage` and `quota`. These two and `users` know nothing of each
//! other.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files and look at them"))]

pub mod admin;
mod admission;
mod args;
mod audit;
pub mod bandwidth;
mod command;
pub mod config;
mod confine;
mod connection;
mod connections;
mod context;
pub mod control;
mod counters;
mod descriptors;
mod disk_fault;
mod disk_trouble;
mod door;
mod drift;
mod failpoint;
mod files;
mod gate;
mod glob;
mod host_keys;
pub mod identity;
mod inherited;
mod login;
mod maintenance;
mod metrics;
mod outbox;
pub mod output;
mod own_files;
mod paced;
mod patience;
mod private_file;
mod quota;
mod refusal;
mod rescan;
mod scheduler;
mod seal;
mod serve;
pub mod server;
mod service;
mod session;
mod sftp;
pub mod size;
#[cfg(test)]
mod skipped;
mod ssh;
mod storage;
mod symlinks;
mod system_folders;
mod telemetry;
mod turned_away;
mod user_state;
pub mod users;
mod verbs;
mod visit;
