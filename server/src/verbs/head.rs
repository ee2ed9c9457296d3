//! `head`: the first lines or bytes of files.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _};

use clap::Args;

use super::{
    call::Call,
    numbers::Count,
    source::{Source, Titles},
};
use crate::files::Error;

/// Arguments of `head`.
#[derive(Debug, Args)]
pub(super) struct HeadArgs {
    /// The files
    #[arg(required = true)]
    files: Vec<OsString>,
    /// Show this many lines; with a minus, all but this many at the end
    #[arg(short = 'n', long, value_name = "N", default_value = "10", allow_hyphen_values = true)]
    lines: Count,
    /// Show this many bytes; with a minus, all but this many at the end
    #[arg(short = 'c', long, value_name = "N", allow_hyphen_values = true)]
    bytes: Option<Count>,
    /// Never show the names of files
    #[arg(short, long, overrides_with = "verbose")]
    quiet: bool,
    /// Always show the names of files
    #[arg(short, long)]
    verbose: bool,
}

pub(super) async fn run(args: HeadArgs, call: &mut Call) {
    let mut titles = Titles::new(args.files.len(), args.quiet, args.verbose);
    for file in &args.files {
        let Some(mut source) = Source::open(file, call).await else { continue };
        titles.print(file.as_bytes(), call).await;
        if let Err(error) = show(&args, &mut source, call).await {
            call.fail(file, &error);
        }
    }
}

async fn show(args: &HeadArgs, source: &mut Source, call: &Call) -> Result<(), Error> {
    let size = source.size();
    let is_rest = |count: Count| count.sign == Some('-');
    let end = match args.bytes {
        Some(count) if is_rest(count) => size.saturating_sub(count.number),
        Some(count) => count.number.min(size),
        None if is_rest(args.lines) => source.last_lines(args.lines.number).await?,
        None => source.after_lines(args.lines.number).await?,
    };
    source.print(0, end, call).await?;
    source.finish()
}
