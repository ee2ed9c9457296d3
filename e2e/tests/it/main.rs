//! The promises of ferry, each demonstrated with the real programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code: a failed expectation is the result"
)]

mod accounts;
mod accounts_running;
mod alerts;
mod audit;
mod balancer;
mod bandwidth;
mod batch;
mod between;
mod browser;
mod browser_faults;
mod browser_files;
mod browser_keystrokes;
mod browser_mouse;
mod browser_preview;
mod browser_programs;
mod browser_sites;
mod browser_sync;
mod browser_tabs;
mod browser_terminal;
mod browser_truth;
mod certificate;
mod completion;
mod confine;
mod control;
// A server built for release follows no plans of faults.
#[cfg(debug_assertions)]
mod crash;
#[cfg(debug_assertions)]
mod crash_own_files;
mod deltas;
mod disk_full;
mod disk_trouble;
mod doors;
mod drift;
mod exit_codes;
mod faults;
mod files;
mod folders;
mod guarantees;
mod hostile;
mod hostile_login;
mod hostile_server;
mod hostile_transfer;
mod identity;
mod inherited;
mod interrupt;
mod keyring;
mod keys;
mod large_files;
mod links;
mod long_work;
mod many_accounts;
mod memory;
mod names_on_server;
mod old_programs;
mod operators;
mod outputs;
mod ownership;
mod page;
mod paths;
mod quota;
mod quota_care;
mod races;
mod register;
mod remembered;
mod replaced;
mod resume;
mod resume_server;
mod round_trips;
mod run_command;
mod scripting;
mod seal;
mod selection;
mod sftp;
mod sftp_clients;
mod sftp_interrupted;
mod sftp_programs;
mod sftp_refused;
mod soak;
mod ssh;
mod staged_part;
mod streams;
mod sync;
mod sync_watch;
mod systemd;
mod tidy;
mod top;
mod unprivileged;
