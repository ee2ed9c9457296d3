//! `tail`: the last lines or bytes of files.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _};

use clap::Args;

use super::{
    call::Call,
    numbers::Count,
    source::{Source, Titles},
};
use crate::files::Error;

/// Arguments of `tail`.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// The files
    #[arg(required = true)]
    files: Vec<OsString>,
    /// Show this many lines; with a plus, from this line on
    #[arg(short = 'n', long, value_name = "N", default_value = "10", allow_hyphen_values = true)]
    lines: Count,
    /// Show this many bytes; with a plus, from this byte on
    #[arg(short = 'c', long, value_name = "N", allow_hyphen_values = true)]
    bytes: Option<Count>,
    /// Never show the names of files
    #[arg(short, long, overrides_with = "verbose")]
    quiet: bool,
    /// Always show the names of files
    #[arg(short, long)]
    verbose: bool,
}

pub(super) async fn run(args: TailArgs, call: &mut Call) {
    let mut titles = Titles::new(args.files.len(), args.quiet, args.verbose);
    for file in &args.files {
        let Some(mut source) = Source::open(file, call).await else { continue };
        titles.print(file.as_bytes(), call).await;
        if let Err(error) = show(&args, &mut source, call).await {
            call.fail(file, &error);
        }
    }
}

async fn show(args: &TailArgs, source: &mut Source, call: &Call) -> Result<(), Error> {
    let size = source.size();
    // Lines and bytes are counted from 1.
    let skipped = |count: Count| (count.sign == Some('+')).then(|| count.number.saturating_sub(1));
    let start = match args.bytes {
        Some(count) => skipped(count).unwrap_or_else(|| size.saturating_sub(count.number)),
        None => match skipped(args.lines) {
            Some(lines) => source.after_lines(lines).await?,
            None => source.last_lines(args.lines.number).await?,
        },
    };
    source.print(start, size, call).await?;
    source.finish()
}
