//! `ferry find`: finds names below a folder, searched by the server.

use std::ffi::OsString;

use clap::Args;
use ferry_client::{server::Remote, transfer::Filter};
use ferry_shared::{entry::Kind, path::RemotePath};

use super::{
    batch::Tally,
    listing::{self, EntryObject},
    sources,
};
use crate::{address::Address, context::Context, exit::Exit, failure::Failure, output::Output};

/// `ferry find`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry find work: report\n  ferry find work:photos work:scans '*.raw'\n\n\
    A pattern with * ? or [ is a glob for the whole name; any other pattern is a part of it.\n\
    The search is case-sensitive only if the pattern contains a capital letter.")]
pub(crate) struct FindArgs {
    /// The folders to search, and last, if it is not a REMOTE, a part of the name or a glob
    #[arg(required = true, value_name = "REMOTE… [PATTERN]")]
    words: Vec<OsString>,
    /// The maximum number of results
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

pub(super) async fn run(args: FindArgs, context: &mut Context) -> Result<Exit, Failure> {
    let (pattern, remotes) = match args.words.split_last() {
        Some((last, rest)) if !rest.is_empty() && Address::parse(last)?.is_none() => {
            let Some(pattern) = last.to_str() else {
                return Err(Failure::Usage("a pattern must be UTF-8".to_owned()));
            };
            (pattern, rest)
        }
        _ => ("*", &args.words[..]),
    };
    let places = context.places(remotes)?;
    let filter = context.global.filters.filter()?;
    let remote = context.remote(&places[0]).await?;
    let search = Search { remote: &remote, pattern, filter, several: places.len() > 1 };
    let (mut tally, mut left) = (Tally::default(), args.limit);
    for place in &places {
        let result = search.below(&place.path, &mut left, &context.output).await;
        tally.count_whole(context, result)?;
    }
    Ok(tally.exit())
}

struct Search<'a> {
    remote: &'a Remote,
    pattern: &'a str,
    filter: Filter,
    /// Whether a result must name which of several folders contains it.
    several: bool,
}

impl Search<'_> {
    /// Shows at most `left` results below `top`; returns whether all of it could be searched.
    async fn below(&self, top: &RemotePath, left: &mut u64, output: &Output) -> Result<bool, Failure> {
        let about = |error| listing::about_folder(top, error);
        if !sources::is_meant(&self.filter, top, Kind::Folder) {
            return Ok(true);
        }
        // Entries excluded by the filter must not count.
        let limit = if self.filter.is_open() { *left } else { u64::MAX };
        let mut pages = self.remote.find(top.clone(), self.pattern.to_owned(), limit).await.map_err(about)?;
        let mut unreadable = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(about)?;
            for entry in &page.entries {
                if !self.filter.is_open() && !listing::means(&self.filter, &page.under, entry) {
                    continue;
                }
                if *left == 0 {
                    return Ok(true);
                }
                *left -= 1;
                let below = page.under.join(&entry.name)?;
                if output.json {
                    output.object(&EntryObject::new(&top.join_path(&below)?, entry))?;
                    continue;
                }
                let mut line = Vec::with_capacity(80);
                let shown = if self.several { top.join_path(&below)? } else { below };
                output.entry(&mut line, shown.as_bytes(), entry.kind);
                line.push(b'\n');
                output.bytes(&line)?;
            }
            // A search may take long: show results immediately.
            output.flush()?;
            unreadable.extend(page.unreadable);
        }
        Ok(listing::tell_unreadable(output, top, &unreadable))
    }
}
