//! `ferry ls`: lists a folder.

use std::{collections::HashSet, ffi::OsString};

use clap::Args;
use ferry_client::{ClientError, server::Remote, transfer::Filter};
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
    refusal::Code,
};

use super::{
    batch::Tally,
    listing::{self, EntryObject, Listed, LongLines},
    sources,
};
use crate::{context::Context, exit::Exit, failure::Failure, output::Output, sites::Place};

/// `ferry ls`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry ls work:\n  ferry ls -l alice@files.example.org:photos\n  ferry ls -R --json work:docs"
)]
pub(crate) struct LsArgs {
    /// The folders or files to list
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
    /// Show permissions, size and time
    #[arg(short, long)]
    long: bool,
    /// List subfolders too
    #[arg(short = 'R', long)]
    recursive: bool,
}

pub(super) async fn run(args: LsArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let filter = context.global.filters.filter()?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    for (at, place) in places.iter().enumerate() {
        if places.len() > 1 && !context.output.json {
            listing::heading(&place.typed, at > 0, &context.output)?;
        }
        let result = one_place(&args, place, &filter, &remote, context).await;
        tally.count_whole(context, result)?;
    }
    Ok(tally.exit())
}

/// Lists a REMOTE; returns whether all of it could be read.
async fn one_place(
    args: &LsArgs,
    place: &Place,
    filter: &Filter,
    remote: &Remote,
    context: &Context,
) -> Result<bool, Failure> {
    let top = &place.path;
    let mut listed = match fetch(remote, top, args.recursive, filter).await {
        Ok(listed) => listed,
        Err(failure) if is_not_directory(&failure) && !place.into => {
            return file(args, remote, top, filter, context).await.map(|()| true);
        }
        Err(failure) => return Err(failure),
    };
    if !sources::is_meant(filter, top, Kind::Folder) {
        return Ok(true);
    }
    if args.recursive {
        add_empty_folders(&mut listed)?;
    }
    show(args, &listed, top, &context.output)?;
    Ok(listing::tell_unreadable(&context.output, top, &listed.unreadable))
}

async fn fetch(remote: &Remote, path: &RemotePath, recursive: bool, filter: &Filter) -> Result<Listed, Failure> {
    let pages = if recursive { remote.walk(path.clone()).await } else { remote.list(path.clone()).await };
    listing::collect(pages.map_err(|error| listing::about_folder(path, error))?, path, filter).await
}

/// Gives empty folders, which may appear only as entries, a heading like the others.
fn add_empty_folders(listed: &mut Listed) -> Result<(), Failure> {
    let mut all = Vec::new();
    for (folder, entries) in &listed.folders {
        for entry in entries.iter().filter(|entry| entry.kind == Kind::Folder) {
            all.push(folder.join(&entry.name)?);
        }
    }
    let known: HashSet<&RemotePath> = listed.folders.iter().map(|(path, _)| path).chain(&listed.unreadable).collect();
    all.retain(|path| !known.contains(path));
    listed.folders.extend(all.into_iter().map(|path| (path, Vec::new())));
    listing::sort(&mut listed.folders);
    Ok(())
}

fn show(args: &LsArgs, listed: &Listed, top: &RemotePath, output: &Output) -> Result<(), Failure> {
    let sizes = listed.folders.iter().flat_map(|(_, entries)| entries.iter().map(|entry| entry.size));
    let mut lines = LongLines::new(sizes);
    for (at, (folder, entries)) in listed.folders.iter().enumerate() {
        if args.recursive && !output.json {
            let shown: &[u8] = if folder.is_home() { b"." } else { folder.as_bytes() };
            listing::heading(shown, at > 0, output)?;
        }
        let folder = top.join_path(folder)?;
        for entry in entries {
            one(args.long, &mut lines, &folder, entry, output)?;
        }
    }
    Ok(())
}

fn one(long: bool, lines: &mut LongLines, folder: &RemotePath, entry: &Entry, output: &Output) -> Result<(), Failure> {
    if output.json {
        let path = folder.join(&entry.name)?;
        return output.object(&EntryObject::new(&path, entry));
    }
    if long {
        let line = lines.line(output, entry, entry.name.as_bytes());
        return output.bytes(line);
    }
    let mut line = Vec::with_capacity(64);
    output.entry(&mut line, entry.name.as_bytes(), entry.kind);
    line.push(b'\n');
    output.bytes(&line)
}

/// Lists the entry itself if it is not a folder.
async fn file(
    args: &LsArgs,
    remote: &Remote,
    path: &RemotePath,
    filter: &Filter,
    context: &Context,
) -> Result<(), Failure> {
    let (entry, _) = remote.stat(path.clone()).await.map_err(|error| listing::about_folder(path, error))?;
    if entry.kind == Kind::Folder {
        return Err(Failure::Usage(format!("{} changed while it was being listed", path.display())));
    }
    if !sources::is_meant(filter, path, entry.kind) {
        return Ok(());
    }
    let mut lines = LongLines::new(std::iter::once(entry.size));
    let folder = path.parent().unwrap_or_default();
    one(args.long, &mut lines, &folder, &entry, &context.output)
}

fn is_not_directory(failure: &Failure) -> bool {
    let Failure::Remote { error, .. } = failure else { return false };
    matches!(&**error, ClientError::Refused(refusal) if refusal.code == Code::NotDirectory)
}
