//! `ferry find`: names below a folder; the server searches.

use std::ffi::OsString;

use clap::Args;

use super::listing::{self, EntryObject};
use crate::{context::Context, exit::Exit, failure::Failure};

/// `ferry find`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry find work: report\n  ferry find work:photos '*.raw'\n\n\
    A pattern with * ? or [ is a glob for the whole name, any other a part of it.\n\
    Without a capital letter in it, capitals do not matter.")]
pub(crate) struct FindArgs {
    /// The folder to search
    #[arg(value_name = "REMOTE")]
    remote: OsString,
    /// A part of the name, or a glob
    #[arg(default_value = "*")]
    pattern: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

pub(super) async fn run(args: FindArgs, context: &mut Context) -> Result<Exit, Failure> {
    let place = context.place(&args.remote)?;
    let remote = context.remote(&place).await?;
    let top = &place.path;
    let about = |error| listing::about_folder(top, error);
    let mut pages = remote.find(top.clone(), args.pattern, args.limit).await.map_err(about)?;
    let mut unreadable = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(about)?;
        let output = &context.output;
        for entry in &page.entries {
            let below = page.under.join(&entry.name)?;
            if output.json {
                output.object(&EntryObject::new(&top.join_path(&below)?, entry))?;
                continue;
            }
            let mut line = Vec::with_capacity(80);
            output.entry(&mut line, below.as_bytes(), entry.kind);
            line.push(b'\n');
            output.bytes(&line)?;
        }
        // A search may take long; what is found is shown at once.
        output.flush()?;
        unreadable.extend(page.unreadable);
    }
    let whole = listing::tell_unreadable(&context.output, top, &unreadable);
    Ok(if whole { Exit::Done } else { Exit::Partial })
}
