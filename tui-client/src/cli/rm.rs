//! `ferry rm`: removes files and folders.

use std::ffi::OsString;

use clap::Args;
use ferry_client::{ClientError, remote::Removed, server::Remote, transfer::Filter};
use ferry_shared::{entry::Kind, path::RemotePath};
use serde::Serialize;

use super::{
    batch::Tally,
    dry_run,
    in_order::{self, Order, Step, TwoSteps},
    listing, sources,
};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    human,
    json::{PathObject, SkippedObject},
    sites::Place,
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

/// The fate of a REMOTE.
enum Ended {
    /// The filter does not select it.
    LeftOut,
    /// The answer to its removal; in a dry run nothing is removed.
    Removed(Result<Option<Removed>, ClientError>),
}

pub(super) async fn run(args: RmArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    sources::require_names(&places, "remove")?;
    let filter = context.global.filters.filter()?;
    let remote = context.remote(&places[0]).await?;
    let places = sources::expand(&remote, places).await?;
    let mut tally = Tally::default();
    let (dry_run, recursive) = (context.global.dry_run, args.recursive);
    if !filter.is_open() {
        filtered(&remote, &places, recursive, &filter, context, &mut tally).await?;
        return Ok(tally.exit());
    }
    let one = |place: &Place| remove(&remote, place.path.clone(), recursive, dry_run);
    in_order::each(&places, in_order::most(&remote, Order::Kept), one, async |place, removed| {
        tally.count(context, tell(&place.path, removed, context))
    })
    .await?;
    Ok(tally.exit())
}

/// Removes the REMOTEs that a filter selects. It depends on their kind, which is asked ahead.
async fn filtered(
    remote: &Remote,
    places: &[Place],
    recursive: bool,
    filter: &Filter,
    context: &Context,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let query = async |path| (path, remote.stat(RemotePath::clone(path)).await);
    let call = async |path, kind: Result<Kind, ClientError>| match kind {
        Ok(kind) if !sources::is_meant(filter, path, kind) => (path, Ended::LeftOut),
        Ok(_) => (path, Ended::Removed(remove(remote, path.clone(), recursive, context.global.dry_run).await)),
        Err(error) => (path, Ended::Removed(Err(error))),
    };
    let mut paths = places.iter().map(|place| &place.path);
    let mut steps = TwoSteps::new(in_order::most(remote, Order::Kept));
    loop {
        while steps.has_room()
            && let Some(path) = paths.next()
        {
            steps.query(query(path));
        }
        match steps.next().await {
            Some(Step::Found((top, Ok((entry, _)))))
                if entry.kind == Kind::Folder && recursive && sources::is_meant(filter, top, entry.kind) =>
            {
                while let Some((path, ended)) = steps.next_done().await {
                    count(path, ended, context, tally)?;
                }
                chosen(remote, top, filter, context, tally).await?;
            }
            Some(Step::Found((path, found))) => steps.call(call(path, found.map(|(entry, _)| entry.kind))),
            Some(Step::Done((path, ended))) => count(path, ended, context, tally)?,
            None => return Ok(()),
        }
    }
}

/// Removes a REMOTE with a single request, or checks in a dry run whether that would succeed.
async fn remove(
    remote: &Remote,
    path: RemotePath,
    recursive: bool,
    dry_run: bool,
) -> Result<Option<Removed>, ClientError> {
    match dry_run {
        true => dry_run::remove(remote, &path, recursive).await.map(|()| None),
        false => remote.remove(path, recursive).await.map(Some),
    }
}

fn count(path: &RemotePath, ended: Ended, context: &Context, tally: &mut Tally) -> Result<(), Failure> {
    match ended {
        Ended::LeftOut => {
            context.output.say(&format!("{} left out", path.display()));
            context.output.result(&SkippedObject::filtered(path))
        }
        Ended::Removed(removed) => tally.count(context, tell(path, removed, context)),
    }
}

/// Tells what was removed.
fn tell(path: &RemotePath, removed: Result<Option<Removed>, ClientError>, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let Some(removed) = removed.map_err(|error| Failure::remote(path, Looking::File, error))? else {
        output.say(&format!("would remove {}", path.display()));
        return output.result(&PathObject { path, outcome: "would" });
    };
    let files = human::count(removed.files, "file", "files");
    let folders = human::count(removed.dirs, "folder", "folders");
    let size = human::size(removed.bytes);
    output.detail(&format!("{} removed: {files}, {folders}, {size}", path.display()));
    output.result(&object(path, &removed))
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
    remove_each(remote, &files, Order::Free, context, tally).await?;
    let emptied = listed.emptied(filter).iter().map(|folder| top.join_path(folder)).collect::<Result<Vec<_>, _>>()?;
    remove_each(remote, &emptied, Order::Kept, context, tally).await
}

async fn remove_each(
    remote: &Remote,
    paths: &[RemotePath],
    order: Order,
    context: &Context,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let dry_run = context.global.dry_run;
    let remove = async |path: &RemotePath| match dry_run {
        true => Ok(()),
        false => remote.remove(path.clone(), false).await.map(drop),
    };
    in_order::each(paths, in_order::most(remote, order), remove, async |path, removed| {
        let removed = removed.map_err(|error| Failure::remote(path, Looking::File, error)).and_then(|()| {
            let outcome = if dry_run { "would" } else { "removed" };
            match dry_run {
                true => context.output.say(&format!("would remove {}", path.display())),
                false => context.output.detail(&format!("{} removed", path.display())),
            }
            context.output.result(&PathObject { path, outcome })
        });
        tally.count(context, removed)
    })
    .await
}

fn object<'a>(path: &'a RemotePath, removed: &Removed) -> RemovedObject<'a> {
    let Removed { files, dirs: folders, bytes } = *removed;
    RemovedObject { path: PathObject { path, outcome: "removed" }, files, folders, bytes }
}
