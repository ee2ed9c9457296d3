//! Transitions: keys and answers in, state and effects out.

mod browse;
mod clipboard;
mod comparison;
mod complete;
mod connect;
mod edit;
mod failures;
mod files;
mod found;
mod history;
mod mouse;
mod outcome;
mod permissions;
mod preview;
mod programs;
mod recent;
mod session;
mod tabs;
mod transfer;

use crate::tui::effect::{ConnectionEffect, Effect, TransferEffect};

/// The effects about the way to the server.
fn links(effects: &[Effect]) -> Vec<&ConnectionEffect> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Connection(connection) = effect { Some(connection) } else { None })
        .collect()
}

/// The effects about transfers.
fn transfers(effects: &[Effect]) -> Vec<&TransferEffect> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Transfer(transfer) = effect { Some(transfer) } else { None })
        .collect()
}
