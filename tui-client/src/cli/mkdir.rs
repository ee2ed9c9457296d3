//! `ferry mkdir`: creates folders.

use std::ffi::OsString;

use clap::Args;

use super::{batch::Tally, dry_run};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    json::PathObject,
};

/// `ferry mkdir`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry mkdir -p work:2026/11/02")]
pub(crate) struct MkdirArgs {
    /// The new folders
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
    /// Create missing parent folders too, and accept existing folders
    #[arg(short, long)]
    parents: bool,
}

pub(super) async fn run(args: MkdirArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    for place in &places {
        let path = &place.path;
        let result = if context.global.dry_run {
            let would = dry_run::make_dir(&remote, path, args.parents).await;
            would.map(|()| {
                context.output.say(&format!("would make {}", path.display()));
                "would"
            })
        } else {
            let made = remote.make_dir(path.clone(), args.parents).await;
            made.map(|()| {
                context.output.detail(&format!("{} made", path.display()));
                "made"
            })
        };
        let result = result
            .map_err(|error| Failure::remote(path, Looking::Folder, error))
            .and_then(|outcome| context.output.result(&PathObject { path, outcome }));
        tally.count(context, result)?;
    }
    Ok(tally.exit())
}
