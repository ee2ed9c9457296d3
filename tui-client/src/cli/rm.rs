//! `ferry rm`: removes files and folders.

use std::ffi::OsString;

use clap::Args;
use ferry_client::remote::Removed;
use ferry_shared::path::RemotePath;
use serde::Serialize;

use super::{each::Tally, rehearsal};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    human,
    json::PathObject,
};

/// `ferry rm`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry rm work:old.iso\n  ferry rm -r work:build work:tmp")]
pub(crate) struct RmArgs {
    /// What to remove
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
    /// Folders with all below them
    #[arg(short, long)]
    recursive: bool,
}

/// What was removed, as `--json` shows it.
#[derive(Serialize)]
struct RemovedObject<'a> {
    #[serde(flatten)]
    path: PathObject<'a>,
    files: u64,
    folders: u64,
    bytes: u64,
}

pub(super) async fn run(args: RmArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    for place in &places {
        let path = &place.path;
        let result = if context.global.dry_run {
            let would = rehearsal::remove(&remote, path, args.recursive).await;
            would.map(|()| {
                context.output.say(&format!("would remove {}", path.display()));
                context.output.result(&PathObject { path, outcome: "would" })
            })
        } else {
            remote.remove(path.clone(), args.recursive).await.map(|removed| {
                let files = human::count(removed.files, "file", "files");
                let folders = human::count(removed.dirs, "folder", "folders");
                let size = human::size(removed.bytes);
                context.output.detail(&format!("{} removed: {files}, {folders}, {size}", path.display()));
                context.output.result(&object(path, &removed))
            })
        };
        let result = result.map_err(|error| Failure::remote(path, Looking::File, error)).flatten();
        tally.count(context, result)?;
    }
    Ok(tally.exit())
}

fn object<'a>(path: &'a RemotePath, removed: &Removed) -> RemovedObject<'a> {
    let Removed { files, dirs: folders, bytes } = *removed;
    RemovedObject { path: PathObject { path, outcome: "removed" }, files, folders, bytes }
}
