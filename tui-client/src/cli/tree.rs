//! `ferry tree`: a folder and all below it, drawn as a tree.

use std::{collections::HashMap, ffi::OsString};

use clap::Args;
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
};

use super::listing::{self, EntryObject};
use crate::{context::Context, exit::Exit, failure::Failure, human, output::Output};

/// `ferry tree`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry tree -d 2 work:")]
pub(crate) struct TreeArgs {
    /// The folder
    #[arg(value_name = "REMOTE")]
    remote: OsString,
    /// Show only so many levels
    #[arg(short, long, value_name = "LEVELS")]
    depth: Option<usize>,
}

/// The folders of a tree by their paths.
struct Tree<'a> {
    top: &'a RemotePath,
    folders: HashMap<&'a RemotePath, &'a [Entry]>,
    depth: usize,
    files: u64,
    dirs: u64,
    bytes: u64,
}

pub(super) async fn run(args: TreeArgs, context: &mut Context) -> Result<Exit, Failure> {
    let place = context.place(&args.remote)?;
    let remote = context.remote(&place).await?;
    let top = &place.path;
    let pages = remote.walk(top.clone()).await.map_err(|error| listing::about_folder(top, error))?;
    let listed = listing::collect(pages, top).await?;
    let folders = listed.folders.iter().map(|(path, entries)| (path, &entries[..])).collect();
    let depth = args.depth.unwrap_or(usize::MAX);
    let mut tree = Tree { top, folders, depth, files: 0, dirs: 0, bytes: 0 };
    let output = &context.output;
    if !output.json {
        output.line(&top.display().to_string())?;
    }
    tree.draw(&RemotePath::home(), &mut Vec::new(), output)?;
    if !output.json {
        let (dirs, files) = (human::count(tree.dirs, "folder", "folders"), human::count(tree.files, "file", "files"));
        output.line(&format!("\n{dirs}, {files}, {}", human::size(tree.bytes)))?;
    }
    let whole = listing::tell_unreadable(output, top, &listed.unreadable);
    Ok(if whole { Exit::Done } else { Exit::Partial })
}

impl Tree<'_> {
    /// Draws what is in `folder`; `lasts` tells for each level above whether it was the last there.
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
