//! `df`: the room that the quota leaves, in the format of GNU's program.

use std::ffi::OsString;

use clap::Args;

use super::{call::Call, numbers::Scale};
use crate::files::Usage;

/// Arguments of `df`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(super) struct DfArgs {
    /// Any files or folders: all of them share one quota
    files: Vec<OsString>,
    /// Count in units of 1024 bytes, as it does by default
    #[arg(short)]
    k: bool,
    /// Use units such as 1.5G
    #[arg(short, long)]
    human_readable: bool,
    /// Count files and folders instead of bytes
    #[arg(short, long)]
    inodes: bool,
    /// Use the format of POSIX
    #[arg(short = 'P', long)]
    portability: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

pub(super) async fn run(args: &DfArgs, call: &mut Call) {
    let mut is_asked = args.files.is_empty();
    for file in &args.files {
        let Some(path) = call.path(file).await else { continue };
        match call.files.stat(&path) {
            Ok(_) => is_asked = true,
            Err(error) => call.fail(file, &error),
        }
    }
    if is_asked {
        let usage = call.files.usage();
        call.print(table(args, usage)).await;
    }
}

fn table(args: &DfArgs, usage: Usage) -> String {
    let (heads, scale, room) = if args.inodes {
        (["Inodes", "IUsed", "IFree", "IUse%"], Scale::Units(1), files(usage))
    } else if args.human_readable {
        (["Size", "Used", "Avail", "Use%"], Scale::Human, bytes(usage))
    } else if args.portability {
        (["1024-blocks", "Used", "Available", "Capacity"], Scale::Units(1024), bytes(usage))
    } else {
        (["1K-blocks", "Used", "Available", "Use%"], Scale::Units(1024), bytes(usage))
    };
    let figure = |figure: Option<u64>| figure.map_or_else(|| "-".to_owned(), |bytes| scale.write(bytes));
    let figures = [figure(room.total), figure(Some(room.used)), figure(room.free), room.percent()];
    let mut lines = [format!("{:<15}", "Filesystem"), format!("{:<15}", "ferry")];
    for (head, figure) in heads.into_iter().zip(figures) {
        let width = head.len().max(figure.len());
        lines[0] += &format!(" {head:>width$}");
        lines[1] += &format!(" {figure:>width$}");
    }
    format!("{} Mounted on\n{} /\n", lines[0], lines[1])
}

/// The amounts that a user may have, has, and may add; `None` where there is no limit.
#[derive(Debug, Clone, Copy)]
struct Room {
    total: Option<u64>,
    used: u64,
    free: Option<u64>,
}

impl Room {
    /// The used share, rounded up.
    fn percent(self) -> String {
        let Some(free) = self.free else { return "-".to_owned() };
        let (used, whole) = (u128::from(self.used), u128::from(self.used) + u128::from(free));
        if whole == 0 { "-".to_owned() } else { format!("{}%", (used * 100).div_ceil(whole)) }
    }
}

fn bytes(usage: Usage) -> Room {
    let used = usage.used.saturating_add(usage.reserved);
    let left = usage.limit.map(|limit| limit.saturating_sub(used));
    let free = left.into_iter().chain(usage.free).min();
    Room { total: usage.limit.or_else(|| free.map(|free| used.saturating_add(free))), used, free }
}

fn files(usage: Usage) -> Room {
    let free = usage.file_limit.map(|limit| limit.saturating_sub(usage.files));
    Room { total: usage.file_limit, used: usage.files, free }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage =
        Usage { used: 3000, reserved: 1000, limit: Some(10_240), files: 7, file_limit: None, free: Some(1 << 30) };

    #[test]
    fn the_room_is_that_of_the_quota_and_of_the_disk() {
        assert_eq!(bytes(USAGE).free, Some(6240));
        assert_eq!(bytes(Usage { free: Some(500), ..USAGE }).free, Some(500));
        assert_eq!(bytes(Usage { limit: Some(100), ..USAGE }).free, Some(0));
        let open = bytes(Usage { limit: None, ..USAGE });
        assert_eq!((open.total, open.free), (Some(4000 + (1 << 30)), Some(1 << 30)));
        let unknown = bytes(Usage { limit: None, free: None, ..USAGE });
        assert_eq!((unknown.total, unknown.free, unknown.percent()), (None, None, "-".to_owned()));
    }
}
