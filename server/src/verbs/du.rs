//! `du`: the size of folders and files, as GNU's program with `--apparent-size` shows it. Folders themselves count
//! nothing, as in the quota.

use std::ffi::{OsStr, OsString};

use clap::Args;
use ferry_shared::{entry::Kind, name::Escaped, path::RemotePath};

use super::{
    call::{Call, named_below},
    numbers::Scale,
};
use crate::files::{Error, Page};

/// Arguments of `du`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(super) struct DuArgs {
    /// The folders and files; your home, if there is none
    files: Vec<OsString>,
    /// Show files too
    #[arg(short, long, conflicts_with = "summarize")]
    all: bool,
    /// Show sizes in bytes
    #[arg(short, long)]
    bytes: bool,
    /// Show sizes in units of 1024 bytes, as it does by default
    #[arg(short)]
    k: bool,
    /// Show sizes in units such as 1.5G
    #[arg(short, long, conflicts_with = "bytes")]
    human_readable: bool,
    /// Show a total at the end
    #[arg(short = 'c', long)]
    total: bool,
    /// Show only the named folders, not those below
    #[arg(short, long)]
    summarize: bool,
    /// Show only folders at most this deep
    #[arg(short = 'd', long, value_name = "N", conflicts_with = "summarize")]
    max_depth: Option<usize>,
    /// Count the bytes of files, as it does in any case
    #[arg(long)]
    apparent_size: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// The selection and the units of the output.
#[derive(Debug, Clone, Copy)]
struct View {
    scale: Scale,
    files: bool,
    depth: usize,
}

impl View {
    fn line(self, bytes: u64, name: &[u8]) -> Vec<u8> {
        [self.scale.write(bytes).as_bytes(), b"\t", name, b"\n"].concat()
    }
}

/// A folder whose content is being added up.
#[derive(Debug)]
struct Open {
    under: RemotePath,
    bytes: u64,
}

pub(super) async fn run(mut args: DuArgs, call: &mut Call) {
    let scale = match &args {
        DuArgs { bytes: true, .. } => Scale::Units(1),
        DuArgs { human_readable: true, .. } => Scale::Human,
        _ => Scale::Units(1024),
    };
    let depth = if args.summarize { 0 } else { args.max_depth.unwrap_or(usize::MAX) };
    let view = View { scale, files: args.all, depth };
    if args.files.is_empty() {
        args.files.push(".".into());
    }
    let mut total = 0_u64;
    for file in &args.files {
        let Some(path) = call.path(file).await else { continue };
        match one(file, &path, view, call).await {
            Ok(bytes) => total = total.saturating_add(bytes),
            Err(error) => call.fail(file, &error),
        }
    }
    if args.total {
        call.print(view.line(total, b"total")).await;
    }
}

/// Shows a file, or a folder and what is below it; returns the sum.
async fn one(typed: &OsStr, path: &RemotePath, view: View, call: &mut Call) -> Result<u64, Error> {
    let (entry, _) = call.files.stat(path)?;
    if entry.kind != Kind::Folder {
        call.print(view.line(entry.size, &named_below(typed, &RemotePath::home()))).await;
        return Ok(entry.size);
    }
    let mut walk = call.files.walk(path)?;
    let mut open: Vec<Open> = Vec::new();
    loop {
        let (Page { under, entries, unreadable, .. }, is_last) = call.next(&mut *walk).await?;
        for folder in unreadable {
            call.complain(format_args!("{}: cannot be read", Escaped(&named_below(typed, &folder))));
        }
        if is_last {
            break;
        }
        while open.last().is_some_and(|open| !under.starts_with(&open.under)) {
            close(typed, &mut open, view, call).await;
        }
        if open.last().is_none_or(|open| open.under != under) {
            open.push(Open { under: under.clone(), bytes: 0 });
        }
        for entry in entries.into_iter().filter(|entry| entry.kind != Kind::Folder) {
            if let Some(open) = open.last_mut() {
                open.bytes = open.bytes.saturating_add(entry.size);
            }
            let below = under.join(&entry.name)?;
            if view.files && below.depth() <= view.depth {
                call.print(view.line(entry.size, &named_below(typed, &below))).await;
            }
        }
    }
    let mut sum = 0;
    while !open.is_empty() {
        sum = close(typed, &mut open, view, call).await;
    }
    Ok(sum)
}

/// Closes the innermost folder: shows it, and adds it to the one above. Returns its sum.
async fn close(typed: &OsStr, open: &mut Vec<Open>, view: View, call: &mut Call) -> u64 {
    let Some(Open { under, bytes }) = open.pop() else { return 0 };
    if let Some(above) = open.last_mut() {
        above.bytes = above.bytes.saturating_add(bytes);
    }
    if under.depth() <= view.depth {
        call.print(view.line(bytes, &named_below(typed, &under))).await;
    }
    bytes
}
