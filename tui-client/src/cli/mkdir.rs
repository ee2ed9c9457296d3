//! `ferry mkdir`: makes folders.

use std::ffi::OsString;

use clap::Args;

use super::each::Tally;
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
};

/// `ferry mkdir`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry mkdir -p work:2026/11/02")]
pub(crate) struct MkdirArgs {
    /// The new folders
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
    /// Make the folders above too, and do not mind if it exists
    #[arg(short, long)]
    parents: bool,
}

pub(super) async fn run(args: MkdirArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    for place in &places {
        let result = match context.global.dry_run {
            true => Ok(()),
            false => remote.make_dir(place.path.clone(), args.parents).await,
        };
        if result.is_ok() {
            context.output.detail(&format!("{} made", place.path.display()));
        }
        let result = result.map_err(|error| Failure::remote(&place.path, Looking::Folder, error));
        tally.count(context, result)?;
    }
    Ok(tally.exit())
}
