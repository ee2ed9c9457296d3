//! `ferry tree`: shows a folder and everything below it as a tree.

use std::{collections::HashMap, ffi::OsString};

use clap::Args;
use ferry_client::{ClientError, server::PageStream, transfer::Filter};
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
};

use super::{
    batch::Tally,
    in_order,
    listing::{self, EntryObject},
    sources,
};
use crate::{context::Context, exit::Exit, failure::Failure, human, output::Output, sites::Place};

/// `ferry tree`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry tree -d 2 work:")]
pub(crate) struct TreeArgs {
    /// The folders
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
    /// The number of levels to show
    #[arg(short, long, value_name = "LEVELS")]
    depth: Option<usize>,
}

/// The folders of a tree by path.
struct Tree<'a> {
    top: &'a RemotePath,
    folders: HashMap<&'a RemotePath, &'a [Entry]>,
    depth: usize,
    files: u64,
    dirs: u64,
    bytes: u64,
}

pub(super) async fn run(args: TreeArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let filter = context.global.filters.filter()?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    let walk = |place: &Place| remote.walk(place.path.clone());
    let mut is_first = true;
    in_order::each(&places, in_order::most_listings(&remote), walk, async |place, pages| {
        if !is_first && !context.output.json {
            context.output.line("")?;
        }
        is_first = false;
        let result = one_place(&args, &place.path, &filter, pages, &context.output).await;
        tally.count_whole(context, result)
    })
    .await?;
    Ok(tally.exit())
}

/// Shows a REMOTE; returns whether all of it could be read.
async fn one_place(
    args: &TreeArgs,
    top: &RemotePath,
    filter: &Filter,
    pages: Result<PageStream, ClientError>,
    output: &Output,
) -> Result<bool, Failure> {
    let pages = pages.map_err(|error| listing::about_folder(top, error))?;
    let listed = listing::collect(pages, top, filter).await?;
    if !sources::is_meant(filter, top, Kind::Folder) {
        return Ok(true);
    }
    let folders = listed.folders.iter().map(|(path, entries)| (path, &entries[..])).collect();
    let depth = args.depth.unwrap_or(usize::MAX);
    let mut tree = Tree { top, folders, depth, files: 0, dirs: 0, bytes: 0 };
    if !output.json {
        output.line(&top.display().to_string())?;
    }
    tree.draw(&RemotePath::home(), &mut Vec::new(), output)?;
    if !output.json {
        let (dirs, files) = (human::count(tree.dirs, "folder", "folders"), human::count(tree.files, "file", "files"));
        output.line(&format!("\n{dirs}, {files}, {}", human::size(tree.bytes)))?;
    }
    Ok(listing::tell_unreadable(output, top, &listed.unreadable))
}

impl Tree<'_> {
    /// Draws the content of `folder`; `lasts` contains for each parent level whether it was the last entry.
    fn draw(&mut self, folder: &RemotePath, lasts: &mut Vec<bool>, output: &Output) -> Result<(), Failure> {
        if lasts.len() >= self.depth {
            return Ok(());
        }
        let Some(entries) = self.folders.get(folder).copied() else { return Ok(()) };
        for (at, entry) in entries.iter().enumerate() {
            self.count(entry);
            let path = folder.join(&entry.name)?;
            lasts.push(at + 1 == entries.len());
            if output.json {
                output.object(&EntryObject::new(&self.top.join_path(&path)?, entry))?;
            } else {
                output.bytes(&line(entry, lasts, output))?;
            }
            if entry.kind == Kind::Folder {
                self.draw(&path, lasts, output)?;
            }
            lasts.pop();
        }
        Ok(())
    }

    fn count(&mut self, entry: &Entry) {
        match entry.kind {
            Kind::Folder => self.dirs += 1,
            _ => self.files += 1,
        }
        self.bytes = self.bytes.saturating_add(entry.size);
    }
}

fn line(entry: &Entry, lasts: &[bool], output: &Output) -> Vec<u8> {
    let mut line = Vec::with_capacity(80);
    if let Some((last, above)) = lasts.split_last() {
        for last in above {
            line.extend_from_slice(if *last { "    " } else { "│   " }.as_bytes());
        }
        line.extend_from_slice(if *last { "└── " } else { "├── " }.as_bytes());
    }
    output.entry(&mut line, entry.name.as_bytes(), entry.kind);
    line.push(b'\n');
    line
}
