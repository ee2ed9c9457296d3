//! `ferry mkdir`: creates folders.

use std::ffi::OsString;

use clap::Args;

use super::{
    batch::Tally,
    dry_run,
    in_order::{self, Order},
};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    json::PathObject,
    sites::Place,
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
    let dry_run = context.global.dry_run;
    let make = async |place: &Place| match dry_run {
        true => dry_run::make_dir(&remote, &place.path, args.parents).await,
        false => remote.make_dir(place.path.clone(), args.parents).await,
    };
    in_order::each(&places, in_order::most(&remote, Order::Kept), make, async |place, made| {
        let path = &place.path;
        let result = made.map_err(|error| Failure::remote(path, Looking::Folder, error)).and_then(|()| {
            let outcome = if dry_run { "would" } else { "made" };
            match dry_run {
                true => context.output.say(&format!("would make {}", path.display())),
                false => context.output.detail(&format!("{} made", path.display())),
            }
            context.output.result(&PathObject { path, outcome })
        });
        tally.count(context, result)
    })
    .await?;
    Ok(tally.exit())
}
