//! A panic on purpose, so that a test can show that the terminal is given back. Not in release builds.

use crate::tui::event::Event;

/// Panics when this text is pasted and the environment asks for it.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "what it is for")]
pub(super) fn trip(event: &Event) {
    if matches!(event, Event::Paste(text) if text == "panic") && std::env::var_os("FERRY_FAULT").is_some() {
        panic!("on purpose");
    }
}

#[cfg(not(debug_assertions))]
pub(super) fn trip(_: &Event) {}
