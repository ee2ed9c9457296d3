//! `ferry quota`: shows the usage and the limits.

use std::ffi::OsString;

use clap::Args;
use ferry_shared::message::reply::Usage;
use serde::Serialize;

use crate::{context::Context, exit::Exit, failure::Failure, human};

/// The width of the gauge.
const GAUGE: u64 = 30;

/// `ferry quota`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry quota work")]
pub(crate) struct QuotaArgs {
    /// The server
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

/// The usage in `--json` output.
#[derive(Serialize)]
struct UsageObject {
    used: u64,
    reserved: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    files: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_limit: Option<u64>,
    volume_free: u64,
}

impl From<Usage> for UsageObject {
    fn from(usage: Usage) -> Self {
        let Usage { used, reserved, limit, files, file_limit, volume_free, .. } = usage;
        Self { used, reserved, limit, files, file_limit, volume_free }
    }
}

pub(super) async fn run(args: QuotaArgs, context: &mut Context) -> Result<Exit, Failure> {
    let place = context.server(&args.remote)?;
    let remote = context.remote(&place).await?;
    let usage = remote.usage().await?;
    if context.output.json {
        context.output.object(&UsageObject::from(usage))?;
    } else {
        context.output.line(&text(&usage))?;
    }
    Ok(Exit::Done)
}

fn text(usage: &Usage) -> String {
    let mut lines = vec![match usage.limit {
        Some(limit) => format!(
            "{} {} of {} used ({} %), {} free",
            gauge(usage.used, usage.reserved, limit),
            human::size(usage.used),
            human::size(limit),
            percent(usage.used, limit),
            human::size(limit.saturating_sub(usage.used.saturating_add(usage.reserved))),
        ),
        None => format!("{} used, no limit", human::size(usage.used)),
    }];
    if usage.reserved > 0 {
        lines.push(format!("{} reserved by unfinished uploads", human::size(usage.reserved)));
    }
    lines.push(match usage.file_limit {
        Some(limit) => format!("{} of {limit} files and folders", usage.files),
        None => human::count(usage.files, "file or folder", "files and folders"),
    });
    lines.push(format!("{} free on the server", human::size(usage.volume_free)));
    lines.join("\n")
}

fn percent(part: u64, whole: u64) -> u128 {
    if whole == 0 { 100 } else { u128::from(part) * 100 / u128::from(whole) }
}

/// The gauge `[███▒▒───]`: used, reserved by unfinished uploads, free.
fn gauge(used: u64, reserved: u64, limit: u64) -> String {
    let cells = |bytes: u64| percent(bytes, limit).min(100) * u128::from(GAUGE) / 100;
    let (full, taken) = (cells(used), cells(used.saturating_add(reserved)));
    let cell = |at| match at {
        at if at < full => '█',
        at if at < taken => '▒',
        _ => '─',
    };
    format!("[{}]", (0..u128::from(GAUGE)).map(cell).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_shows_used_reserved_and_free() {
        assert_eq!(gauge(50, 20, 100), format!("[{}{}{}]", "█".repeat(15), "▒".repeat(6), "─".repeat(9)));
        assert_eq!(gauge(200, 0, 100), format!("[{}]", "█".repeat(30)));
        assert_eq!(gauge(0, 0, 0), format!("[{}]", "█".repeat(30)));
    }

    #[test]
    fn all_values_are_shown() {
        let usage = Usage {
            used: 5 << 30,
            reserved: 1 << 30,
            limit: Some(10 << 30),
            files: 7,
            file_limit: Some(9),
            volume_free: 1,
        };
        let text = text(&usage);
        for part in ["5.0 GiB of 10 GiB used (50 %), 4.0 GiB free", "1.0 GiB reserved", "7 of 9 files", "1 B free on"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(self::text(&Usage { limit: None, ..usage }).starts_with("5.0 GiB used, no limit"));
    }
}
