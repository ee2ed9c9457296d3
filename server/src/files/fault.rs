//! A deliberate panic, so that a test can show that only one connection ends. Not in release builds.

use ferry_shared::path::RemotePath;

/// Panics for this path if the environment asks for it.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "what it is for")]
pub(super) fn trip(path: &RemotePath) {
    if path.display().to_string() == "/panic" && std::env::var_os("FERRY_FAULT").is_some() {
        panic!("on purpose");
    }
}

#[cfg(not(debug_assertions))]
pub(super) fn trip(_: &RemotePath) {}
