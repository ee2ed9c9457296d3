//! `ferry cp`: copies on the server; no bytes travel.

use std::ffi::OsString;

use clap::Args;

use super::move_copy::{self, Way};
use crate::{context::Context, exit::Exit, failure::Failure};

/// `ferry cp`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry cp work:report.odt work:report-old.odt\n  ferry cp work:photos work:backup/\n\n\
    A / at the end of the last REMOTE makes that folder. A quoted pattern stands for what it matches.\n\
    Symlinks inside a folder are left out and named: exit code 6, unless --links says what to do with them."
)]
pub(crate) struct CpArgs {
    /// What to copy; the last one is where to
    #[arg(required = true, value_name = "REMOTE… REMOTE")]
    remotes: Vec<OsString>,
}

pub(super) async fn run(args: CpArgs, context: &mut Context) -> Result<Exit, Failure> {
    move_copy::run(Way::Copy, &args.remotes, context).await
}
