//! `ferry stat`: shows the details of files and folders.

use std::ffi::OsString;

use clap::Args;
use ferry_shared::{
    entry::{Entry, Kind, Version},
    name::Escaped,
    path::RemotePath,
};
use serde::Serialize;

use super::{
    batch::Tally,
    in_order::{self, Order},
    listing::{self, EntryObject},
};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    human::{self, Times},
    output::Output,
    sites::Place,
};

/// `ferry stat`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry stat --json work:report.odt")]
pub(crate) struct StatArgs {
    /// The files and folders
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
}

/// An entry with its version in `--json` output.
#[derive(Serialize)]
struct StatObject<'a> {
    #[serde(flatten)]
    entry: EntryObject<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

pub(super) async fn run(args: StatArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    let stat = |place: &Place| remote.stat(place.path.clone());
    in_order::each(&places, in_order::most(&remote, Order::Free), stat, async |place, found| {
        let result = match found {
            Ok((entry, version)) => show(&place.path, &entry, version.as_ref(), &context.output),
            Err(error) => Err(Failure::remote(&place.path, Looking::File, error)),
        };
        tally.count(context, result)
    })
    .await?;
    Ok(tally.exit())
}

fn show(path: &RemotePath, entry: &Entry, version: Option<&Version>, output: &Output) -> Result<(), Failure> {
    if output.json {
        let version = version.map(|version| version.0.as_str());
        return output.object(&StatObject { entry: EntryObject::new(path, entry), version });
    }
    let mut line = b"    path: /".to_vec();
    output.name(&mut line, path.as_bytes());
    line.push(b'\n');
    output.bytes(&line)?;
    output.line(&format!("    kind: {}", listing::word(entry.kind)))?;
    if entry.kind == Kind::File {
        output.line(&format!("    size: {} ({})", entry.size, human::size(entry.size)))?;
    }
    let mut times = Times::local();
    output.line(&format!("modified: {}", String::from_utf8_lossy(times.text(entry.mtime))))?;
    let mode = human::mode(entry.kind, entry.mode);
    output.line(&format!("    mode: {:04o} ({})", entry.mode, String::from_utf8_lossy(&mode)))?;
    match version {
        Some(version) => output.line(&format!(" version: {}", Escaped(version.0.as_bytes()))),
        None => Ok(()),
    }
}
