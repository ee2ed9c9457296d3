//! `ferry cp`: copies between any two sites, or within one server without transferring data.

use std::ffi::OsString;

use clap::Args;

use super::{
    between,
    move_copy::{self, Way},
};
use crate::{context::Context, exit::Exit, failure::Failure, interrupt::Signals};

/// `ferry cp`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry cp work:report.odt work:report-old.odt\n  ferry cp work:photos work:backup/\n  \
    ferry cp work:photos home:photos\n  ferry cp photos /mnt/disk/photos\n\n\
    Within one server the server copies, without transferring data. Between two servers the data passes through this\n\
    computer and is verified on both sides. To resume an interrupted copy, run the same command again.\n\
    A / at the end of the last path creates that folder. Quoted patterns are matched on the server.\n\
    Symlinks inside a folder are left out and reported (exit code 6), unless --links is given."
)]
pub(crate) struct CpArgs {
    /// The sources, and last the destination
    #[arg(required = true, value_name = "FROM… TO")]
    paths: Vec<OsString>,
}

pub(super) async fn run(args: CpArgs, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    copy_or_move(Way::Copy, &args.paths, context, signals).await
}

/// The common part of `cp` and `mv`: within one server the server does the work, otherwise files are transferred.
pub(super) async fn copy_or_move(
    way: Way,
    paths: &[OsString],
    context: &mut Context,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    super::sources_and_target(paths)?;
    let mut ends = between::ends(paths, context)?;
    if between::is_one_server(&ends, way == Way::Copy) {
        return tokio::select! {
            result = move_copy::run(way, paths, context) => result,
            signal = signals.next() => Ok(signal.exit()),
        };
    }
    let Some(to) = ends.pop() else { return Ok(Exit::Usage) };
    between::run(way == Way::Move, ends, to, context, signals).await
}
