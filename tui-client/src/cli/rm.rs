//! `ferry rm`: removes files and folders.

use std::ffi::OsString;

use clap::Args;
use ferry_client::{ClientError, remote::Removed, server::Remote, transfer::Filter};
use ferry_shared::{entry::Kind, path::RemotePath};
use serde::Serialize;

use super::{
    batch::{self, Tally},
    dry_run, listing, sources,
};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    human,
    json::{PathObject, SkippedObject},
};

/// `ferry rm`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry rm work:old.iso\n  ferry rm -r work:build work:tmp\n  \
    ferry rm 'work:logs/*.gz'\n  ferry rm -r --include '*.tmp' work:src\n\n\
    With --include only matching files are removed, and no folders; with --exclude folders are\n\
    removed if they become empty. Quoted patterns are matched on the server.")]
pub(crate) struct RmArgs {
    /// The files and folders to remove
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
    /// Remove folders with everything below them
    #[arg(short, long)]
    recursive: bool,
}

/// A removed path in `--json` output.
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
    sources::require_names(&places, "remove")?;
    let filter = context.global.filters.filter()?;
    let remote = context.remote(&places[0]).await?;
    let places = sources::expand(&remote, places).await?;
    let mut tally = Tally::default();
    for place in &places {
        let path = &place.path;
        let kind = match filter.is_open() {
            true => Ok(None),
            false => remote.stat(path.clone()).await.map(|(entry, _)| Some(entry.kind)),
        };
        let result = match kind {
            Ok(Some(kind)) if !sources::is_meant(&filter, path, kind) => {
                context.output.say(&format!("{} left out", path.display()));
                context.output.result(&SkippedObject::filtered(path))?;
                continue;
            }
            Ok(Some(Kind::Folder)) if args.recursive => {
                chosen(&remote, path, &filter, context, &mut tally).await?;
                continue;
            }
            Ok(_) => one(&remote, path, args.recursive, context).await,
            Err(error) => Err(Failure::remote(path, Looking::File, error)),
        };
        tally.count(context, result)?;
    }
    Ok(tally.exit())
}

/// Removes one REMOTE with a single request.
async fn one(remote: &Remote, path: &RemotePath, recursive: bool, context: &Context) -> Result<(), Failure> {
    let failed = |error: ClientError| Failure::remote(path, Looking::File, error);
    if context.global.dry_run {
        dry_run::remove(remote, path, recursive).await.map_err(failed)?;
        context.output.say(&format!("would remove {}", path.display()));
        return context.output.result(&PathObject { path, outcome: "would" });
    }
    let removed = remote.remove(path.clone(), recursive).await.map_err(failed)?;
    let files = human::count(removed.files, "file", "files");
    let folders = human::count(removed.dirs, "folder", "folders");
    let size = human::size(removed.bytes);
    context.output.detail(&format!("{} removed: {files}, {folders}, {size}", path.display()));
    context.output.result(&object(path, &removed))
}

/// Removes the entries of a folder that a filter selects, innermost first.
async fn chosen(
    remote: &Remote,
    top: &RemotePath,
    filter: &Filter,
    context: &Context,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let pages = remote.walk(top.clone()).await.map_err(|error| listing::about_folder(top, error))?;
    let listed = listing::collect(pages, top, filter).await?;
    let mut files = Vec::new();
    for (folder, entries) in &listed.folders {
        for entry in entries.iter().filter(|entry| entry.kind != Kind::Folder) {
            files.push(top.join_path(folder)?.join(&entry.name)?);
        }
    }
    if !listing::tell_unreadable(&context.output, top, &listed.unreadable) {
        tally.fail(Exit::Partial);
    }
    remove_each(remote, files, context, tally).await?;
    for folder in listed.emptied(filter) {
        let folder = top.join_path(&folder)?;
        remove_each(remote, vec![folder], context, tally).await?;
    }
    Ok(())
}

async fn remove_each(
    remote: &Remote,
    paths: Vec<RemotePath>,
    context: &Context,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let dry_run = context.global.dry_run;
    let work = |path: RemotePath| {
        let remote = remote.clone();
        async move {
            let removed = if dry_run { Ok(()) } else { remote.remove(path.clone(), false).await.map(drop) };
            (path, removed)
        }
    };
    batch::side_by_side(paths, work, |(path, removed)| {
        let removed = removed.map_err(|error| Failure::remote(&path, Looking::File, error)).and_then(|()| {
            let outcome = if dry_run { "would" } else { "removed" };
            match dry_run {
                true => context.output.say(&format!("would remove {}", path.display())),
                false => context.output.detail(&format!("{} removed", path.display())),
            }
            context.output.result(&PathObject { path: &path, outcome })
        });
        tally.count(context, removed)
    })
    .await
}

fn object<'a>(path: &'a RemotePath, removed: &Removed) -> RemovedObject<'a> {
    let Removed { files, dirs: folders, bytes } = *removed;
    RemovedObject { path: PathObject { path, outcome: "removed" }, files, folders, bytes }
}
