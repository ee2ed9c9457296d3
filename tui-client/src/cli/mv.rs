//! `ferry mv`: renames and moves on a server, and moves between any two sites.

use std::ffi::OsString;

use clap::Args;

use super::{cp::copy_or_move, move_copy::Way};
use crate::{context::Context, exit::Exit, failure::Failure, interrupt::Signals};

/// `ferry mv`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry mv work:draft.txt work:final.txt\n  ferry mv work:a work:b work:archive/\n  \
    ferry mv 'work:*.log' work:logs/\n  ferry mv work:old.tar archive:old.tar\n\n\
    Within one server the server renames. Between two sites each file is copied, and removed once the copy is verified.\n\
    A / at the end of the last path creates that folder. Quoted patterns are matched on the server.\n\
    If the target folder exists, or --include or --exclude is given, a folder is moved file by file."
)]
pub(crate) struct MvArgs {
    /// The sources, and last the destination
    #[arg(required = true, value_name = "FROM… TO")]
    paths: Vec<OsString>,
}

pub(super) async fn run(args: MvArgs, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    copy_or_move(Way::Move, &args.paths, context, signals).await
}
