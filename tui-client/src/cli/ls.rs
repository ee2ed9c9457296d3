//! `ferry ls`: lists a folder.

use std::{collections::HashSet, ffi::OsString};

use clap::Args;
use ferry_client::{ClientError, Remote};
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
    refusal::Code,
};

use super::listing::{self, EntryObject, Listed, LongLines};
use crate::{context::Context, exit::Exit, failure::Failure, output::Output};

/// `ferry ls`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry ls work:\n  ferry ls -l alice@files.example.org:photos\n  ferry ls -R --json work:docs"
)]
pub(crate) struct LsArgs {
    /// The folder; a file lists itself
    #[arg(value_name = "REMOTE")]
    remote: OsString,
    /// Show permissions, size and time
    #[arg(short, long)]
    long: bool,
    /// The folders below too
    #[arg(short = 'R', long)]
    recursive: bool,
}

pub(super) async fn run(args: LsArgs, context: &mut Context) -> Result<Exit, Failure> {
    let place = context.place(&args.remote)?;
    let remote = context.remote(&place).await?;
    let top = &place.path;
    let mut listed = match fetch(&remote, top, args.recursive).await {
        Ok(listed) => listed,
        Err(failure) if is_not_directory(&failure) && !place.into => return file(&args, &remote, top, context).await,
        Err(failure) => return Err(failure),
    };
    if args.recursive {
        add_empty_folders(&mut listed)?;
    }
    let output = &context.output;
    show(&args, &listed, top, output)?;
    let whole = listing::tell_unreadable(output, top, &listed.unreadable);
    Ok(if whole { Exit::Done } else { Exit::Partial })
}

async fn fetch(remote: &Remote, path: &RemotePath, recursive: bool) -> Result<Listed, Failure> {
    let pages = if recursive { remote.walk(path.clone()).await } else { remote.list(path.clone()).await };
    listing::collect(pages.map_err(|error| listing::about_folder(path, error))?, path).await
}

/// Empty folders may come as entries only; they shall have a heading like the others.
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
            heading(folder, at > 0, output)?;
        }
        let folder = top.join_path(folder)?;
        for entry in entries {
            one(args.long, &mut lines, &folder, entry, output)?;
        }
    }
    Ok(())
}

fn heading(folder: &RemotePath, gap: bool, output: &Output) -> Result<(), Failure> {
    let mut line = Vec::new();
    if gap {
        line.push(b'\n');
    }
    output.name(&mut line, if folder.is_home() { b"." } else { folder.as_bytes() });
    line.extend_from_slice(b":\n");
    output.bytes(&line)
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

/// `ls` of what is no folder: the entry itself.
async fn file(args: &LsArgs, remote: &Remote, path: &RemotePath, context: &mut Context) -> Result<Exit, Failure> {
    let (entry, _) = remote.stat(path.clone()).await.map_err(|error| listing::about_folder(path, error))?;
    if entry.kind == Kind::Folder {
        return Err(Failure::Usage(format!("{} changed while it was being listed", path.display())));
    }
    let mut lines = LongLines::new(std::iter::once(entry.size));
    let folder = path.parent().unwrap_or_default();
    one(args.long, &mut lines, &folder, &entry, &context.output)?;
    Ok(Exit::Done)
}

fn is_not_directory(failure: &Failure) -> bool {
    let Failure::Remote { error, .. } = failure else { return false };
    matches!(&**error, ClientError::Refused(refusal) if refusal.code == Code::NotDirectory)
}
