//! `ferry man`: the manual pages, made from the same definitions as the help.

use std::{fs, path::PathBuf};

use clap::Args;

use crate::{
    args::flags,
    exit::{Exit, Looking},
    failure::Failure,
};

/// `ferry man`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder; it is made when it is missing
    dir: PathBuf,
}

pub(super) fn run(args: &ManArgs) -> Result<Exit, Failure> {
    fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(flags::command(), &args.dir))
        .map_err(|error| Failure::local(&args.dir, Looking::Folder, error))?;
    Ok(Exit::Done)
}
