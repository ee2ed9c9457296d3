//! `wc`: counts lines, words and bytes of files, in the format of GNU's program in the C locale.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _};

use clap::Args;
use ferry_shared::{entry::Kind, path::RemotePath};

use super::{call::Call, console::pause};
use crate::files::Fold;

/// Arguments of `wc`.
#[derive(Debug, Args)]
pub(super) struct WcArgs {
    /// The files
    #[arg(required = true)]
    files: Vec<OsString>,
    /// Count lines
    #[arg(short, long)]
    lines: bool,
    /// Count words
    #[arg(short, long)]
    words: bool,
    /// Count bytes
    #[arg(short = 'c', long)]
    bytes: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
    in_word: bool,
}

impl Fold for Counts {
    type Value = Self;

    fn take(&mut self, _size: u64, _index: u64, block: &[u8]) {
        for byte in block {
            let is_space = matches!(byte, b' ' | b'\t'..=b'\r');
            self.words += u64::from(!is_space && !self.in_word);
            self.in_word = !is_space;
            self.lines += u64::from(*byte == b'\n');
        }
        self.bytes += block.len() as u64;
    }

    fn end(&mut self) -> Self {
        *self
    }
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.lines = self.lines.saturating_add(more.lines);
        self.words = self.words.saturating_add(more.words);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }

    fn line(self, args: &WcArgs, width: usize, name: &[u8]) -> Vec<u8> {
        let all = !(args.lines || args.words || args.bytes);
        let columns = [(args.lines, self.lines), (args.words, self.words), (args.bytes, self.bytes)];
        let shown = columns.into_iter().filter(|(is_wanted, _)| all || *is_wanted);
        let figures: Vec<_> = shown.map(|(_, figure)| format!("{figure:>width$}")).collect();
        [figures.join(" ").as_bytes(), b" ", name, b"\n"].concat()
    }
}

pub(super) async fn run(args: WcArgs, call: &mut Call) {
    let width = width(&args, call).await;
    let mut total = Counts::default();
    for file in &args.files {
        let Some(path) = call.path(file).await else { continue };
        let counts = match call.files.fold(&path, Counts::default()) {
            Ok(mut counting) => call.next(&mut *counting).await,
            Err(error) => Err(error),
        };
        match counts {
            Ok((counts, _)) => {
                total.add(counts);
                call.print(counts.line(&args, width, file.as_bytes())).await;
            }
            Err(error) => call.fail(file, &error),
        }
    }
    if args.files.len() > 1 {
        call.print(total.line(&args, width, b"total")).await;
    }
}

/// The width of a column: all sizes together fit in it. A single figure has no padding.
async fn width(args: &WcArgs, call: &Call) -> usize {
    if args.files.len() == 1 && u8::from(args.lines) + u8::from(args.words) + u8::from(args.bytes) == 1 {
        return 1;
    }
    let (mut sizes, mut least) = (0_u64, 1);
    for file in &args.files {
        pause().await;
        let Ok(path) = RemotePath::from_typed(file.as_bytes()) else { continue };
        match call.files.stat(&path) {
            Ok((entry, _)) if entry.kind == Kind::File => sizes = sizes.saturating_add(entry.size),
            Ok(_) => least = 7,
            Err(_) => {}
        }
    }
    sizes.to_string().len().max(least)
}
