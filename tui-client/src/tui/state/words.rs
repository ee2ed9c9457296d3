//! States and rules in the words a person reads.

use ferry_client::transfer::{ConflictRule, ItemState, Scope};
use ferry_shared::name::Escaped;

use super::transfers::Phase;

/// Text of a server, escaped so that it cannot forge the screen.
pub(crate) fn escaped(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}

/// What a rule does.
pub(crate) fn rule(rule: ConflictRule) -> &'static str {
    match rule {
        ConflictRule::Ask => "ask, and go on with the rest",
        ConflictRule::Skip => "keep what is there",
        ConflictRule::Replace => "replace it",
        ConflictRule::Newer => "replace it if the new one is newer",
        ConflictRule::Different => "replace it if its content differs",
        ConflictRule::Changed => "replace it if size or date differs",
        ConflictRule::KeepBoth => "keep both",
        ConflictRule::Fail => "leave it, and say so",
    }
}

/// What a file is at.
pub(crate) fn item(state: ItemState) -> &'static str {
    match state {
        ItemState::Waiting => "waiting",
        ItemState::Checking => "checking what is there",
        ItemState::Sending => "sending",
        ItemState::Receiving => "receiving",
        ItemState::Flushing => "flushing to disk",
        ItemState::Verifying => "verifying",
        ItemState::Paused => "paused",
        ItemState::Asking => "asks",
        ItemState::Failed => "failed",
    }
}

/// What a transfer is at.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Held => "held",
        Phase::Counting => "counting",
        Phase::Waiting => "waiting",
        Phase::Working(state) => item(state),
        Phase::Paused => "paused",
        Phase::Asking => "asks",
        Phase::Failed => "failed",
        Phase::Cancelled => "cancelled",
        Phase::LeftOut => "left out",
        Phase::Verified => "verified",
    }
}

/// For which questions an answer holds.
pub(crate) fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::This => "this one",
        Scope::Folder => "all in this folder",
        Scope::Kind => "all of this kind",
        Scope::All => "all of this transfer",
    }
}

/// A size in at most 8 columns: `9.8 MiB`, `24 MiB`, `1023 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = bytes.ilog2() / 10;
    let unit = 1u128 << (10 * power);
    let name = usize::try_from(power).ok().and_then(|power| UNITS.get(power.wrapping_sub(1))).unwrap_or(&"EiB");
    let tenths = u128::from(bytes) * 10 / unit;
    if tenths < 100 { format!("{}.{} {name}", tenths / 10, tenths % 10) } else { format!("{} {name}", tenths / 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_at_most_eight_columns() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            (1_048_575, "1023 KiB"),
            (24 << 20, "24 MiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(size(bytes), text);
            assert!(text.len() <= 8);
        }
    }
}
