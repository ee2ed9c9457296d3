//! `ferry mv`: renames and moves on the server.

use std::ffi::OsString;

use clap::Args;

use super::move_copy::{self, Way};
use crate::{context::Context, exit::Exit, failure::Failure};

/// `ferry mv`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry mv work:draft.txt work:final.txt\n  ferry mv work:a work:b work:archive/\n  \
    ferry mv 'work:*.log' work:logs/\n\n\
    A / at the end of the last REMOTE makes that folder. A quoted pattern stands for what it matches.\n\
    Where a folder is there already, or --include and --exclude choose, it is moved file by file."
)]
pub(crate) struct MvArgs {
    /// What to move; the last one is where to
    #[arg(required = true, value_name = "REMOTE… REMOTE")]
    remotes: Vec<OsString>,
}

pub(super) async fn run(args: MvArgs, context: &mut Context) -> Result<Exit, Failure> {
    move_copy::run(Way::Move, &args.remotes, context).await
}
