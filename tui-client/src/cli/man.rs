//! `ferry man`: writes the manual pages, generated from the same definitions as the help.

use std::{fs, path::PathBuf};

use clap::Args;

use serde::Serialize;

use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    json::Bytes,
};

/// `ferry man`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder; it is created if it does not exist
    dir: PathBuf,
}

/// The folder in `--json` output.
#[derive(Serialize)]
struct WrittenObject<'a> {
    local: Bytes<'a>,
    outcome: &'static str,
}

pub(super) fn run(args: &ManArgs, context: &Context) -> Result<Exit, Failure> {
    fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to((context.command_line)(), &args.dir))
        .map_err(|error| Failure::local(&args.dir, Looking::Folder, error))?;
    let local = Bytes(args.dir.as_os_str().as_encoded_bytes());
    context.output.result(&WrittenObject { local, outcome: "written" })?;
    Ok(Exit::Done)
}
