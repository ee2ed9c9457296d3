//! `ferry du`: shows the size of folders.

use std::{collections::HashMap, ffi::OsString};

use clap::Args;
use ferry_client::{ClientError, server::PageStream, transfer::Filter};
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
};
use serde::Serialize;

use super::{batch::Tally, in_order, listing, sources};
use crate::{context::Context, exit::Exit, failure::Failure, human, output::Output, sites::Place};

/// `ferry du`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry du work:\n  ferry du -d 0 work:photos")]
pub(crate) struct DuArgs {
    /// The folders
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
    /// The number of levels to show; 0 shows only the total
    #[arg(short, long, value_name = "LEVELS", default_value_t = 1)]
    depth: usize,
    /// Show sizes in bytes
    #[arg(short, long)]
    bytes: bool,
}

/// The size of a folder with everything below it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
struct Held {
    bytes: u64,
    files: u64,
    folders: u64,
}

#[derive(Serialize)]
struct FolderObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    #[serde(flatten)]
    held: &'a Held,
}

pub(super) async fn run(args: DuArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let filter = context.global.filters.filter()?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    let walk = |place: &Place| remote.walk(place.path.clone());
    let mut is_first = true;
    in_order::each(&places, in_order::most_listings(&remote), walk, async |place, pages| {
        if places.len() > 1 && !context.output.json {
            listing::heading(&place.typed, !is_first, &context.output)?;
        }
        is_first = false;
        let result = one_place(&args, &place.path, &filter, pages, &context.output).await;
        tally.count_whole(context, result)
    })
    .await?;
    Ok(tally.exit())
}

/// Counts a REMOTE; returns whether all of it could be read.
async fn one_place(
    args: &DuArgs,
    top: &RemotePath,
    filter: &Filter,
    pages: Result<PageStream, ClientError>,
    output: &Output,
) -> Result<bool, Failure> {
    let pages = pages.map_err(|error| listing::about_folder(top, error))?;
    let (held, unreadable) = sum(pages, top, args.depth, filter).await?;
    let mut folders: Vec<_> = held.iter().filter(|(path, _)| path.depth() <= args.depth).collect();
    // In the order of du: the content first, the total last.
    folders.sort_by(|(a, _), (b, _)| below_first(a, b));
    for (path, held) in folders {
        show(args.bytes, path, held, top, output)?;
    }
    Ok(listing::tell_unreadable(output, top, &unreadable))
}

async fn sum(
    mut pages: PageStream,
    top: &RemotePath,
    depth: usize,
    filter: &Filter,
) -> Result<(HashMap<RemotePath, Held>, Vec<RemotePath>), Failure> {
    let mut held = HashMap::from([(RemotePath::home(), Held::default())]);
    let mut unreadable = Vec::new();
    while let Some(page) = pages.next().await {
        let mut page = page.map_err(|error| listing::about_folder(top, error))?;
        if !filter.is_open() {
            let named = sources::is_meant(filter, top, Kind::Folder);
            page.entries.retain(|entry| named && listing::means(filter, &page.under, entry));
            page.unreadable.retain(|folder| filter.means_folder(&listing::as_path(folder)));
            if page.entries.is_empty() {
                unreadable.extend(page.unreadable);
                continue;
            }
        }
        add(&mut held, &page.under, &page.entries, depth);
        unreadable.extend(page.unreadable);
    }
    Ok((held, unreadable))
}

/// Adds the entries of a folder to it and to every parent folder that will be shown.
fn add(held: &mut HashMap<RemotePath, Held>, under: &RemotePath, entries: &[Entry], depth: usize) {
    let mut here = Held::default();
    for entry in entries {
        match entry.kind {
            Kind::Folder => here.folders += 1,
            _ => here.files += 1,
        }
        here.bytes = here.bytes.saturating_add(entry.size);
    }
    let mut folder = Some(under.clone());
    while let Some(path) = folder {
        folder = path.parent();
        if path.depth() <= depth {
            let sum = held.entry(path).or_default();
            sum.bytes = sum.bytes.saturating_add(here.bytes);
            sum.files += here.files;
            sum.folders += here.folders;
        }
    }
}

fn below_first(a: &RemotePath, b: &RemotePath) -> std::cmp::Ordering {
    if a == b {
        std::cmp::Ordering::Equal
    } else if a.starts_with(b) {
        std::cmp::Ordering::Less
    } else if b.starts_with(a) {
        std::cmp::Ordering::Greater
    } else {
        a.names().cmp(b.names())
    }
}

fn show(bytes: bool, path: &RemotePath, held: &Held, top: &RemotePath, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.object(&FolderObject { path: &top.join_path(path)?, held });
    }
    let size = if bytes { held.bytes.to_string() } else { human::size(held.bytes).to_string() };
    let mut line = format!("{size:>12}  ").into_bytes();
    output.name(&mut line, if path.is_home() { b"." } else { path.as_bytes() });
    line.push(b'\n');
    output.bytes(&line)
}

#[cfg(test)]
mod tests {
    use ferry_shared::{entry::Mtime, name::Name};

    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::from_wire(text.as_bytes()).unwrap()
    }

    fn entry(name: &str, kind: Kind, size: u64) -> Entry {
        Entry { name: Name::try_from(name).unwrap(), kind, size, mtime: Mtime(0, 0), mode: 0 }
    }

    #[test]
    fn nested_entries_count_for_every_parent_folder() {
        let mut held = HashMap::new();
        add(&mut held, &path(""), &[entry("a", Kind::Folder, 0), entry("f", Kind::File, 1)], 1);
        add(&mut held, &path("a"), &[entry("b", Kind::Folder, 0)], 1);
        add(&mut held, &path("a/b"), &[entry("g", Kind::File, 10), entry("h", Kind::File, 100)], 1);
        assert_eq!(held[&path("")], Held { bytes: 111, files: 3, folders: 2 });
        assert_eq!(held[&path("a")], Held { bytes: 110, files: 2, folders: 1 });
        assert_eq!(held.len(), 2, "levels that are not shown are not stored");
    }

    #[test]
    fn the_total_comes_last() {
        let mut paths = [path(""), path("b"), path("a"), path("a/x")];
        paths.sort_by(below_first);
        assert_eq!(paths, [path("a/x"), path("a"), path("b"), path("")]);
    }
}
