//! `ferry touch`: creates empty files, or sets dates to now.

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

/// `ferry touch`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry touch work:done")]
pub(crate) struct TouchArgs {
    /// The files; only the date of existing files and folders changes
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
}

pub(super) async fn run(args: TouchArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    let dry_run = context.global.dry_run;
    let touch = async |place: &Place| match dry_run {
        true => dry_run::touch(&remote, &place.path).await,
        false => remote.touch(place.path.clone()).await,
    };
    in_order::each(&places, in_order::most(&remote, Order::Kept), touch, async |place, touched| {
        let path = &place.path;
        let result = touched.map_err(|error| Failure::remote(path, Looking::Folder, error)).and_then(|()| {
            let outcome = if dry_run { "would" } else { "touched" };
            match dry_run {
                true => context.output.say(&format!("would touch {}", path.display())),
                false => context.output.detail(&format!("{} touched", path.display())),
            }
            context.output.result(&PathObject { path, outcome })
        });
        tally.count(context, result)
    })
    .await?;
    Ok(tally.exit())
}
