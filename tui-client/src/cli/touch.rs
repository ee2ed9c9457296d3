//! `ferry touch`: creates empty files, or sets dates to now.

use std::ffi::OsString;

use clap::Args;

use super::{batch::Tally, dry_run};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    json::PathObject,
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
    for place in &places {
        let path = &place.path;
        let result = if context.global.dry_run {
            let would = dry_run::touch(&remote, path).await;
            would.map(|()| {
                context.output.say(&format!("would touch {}", path.display()));
                "would"
            })
        } else {
            let touched = remote.touch(path.clone()).await;
            touched.map(|()| {
                context.output.detail(&format!("{} touched", path.display()));
                "touched"
            })
        };
        let result = result
            .map_err(|error| Failure::remote(path, Looking::Folder, error))
            .and_then(|outcome| context.output.result(&PathObject { path, outcome }));
        tally.count(context, result)?;
    }
    Ok(tally.exit())
}
