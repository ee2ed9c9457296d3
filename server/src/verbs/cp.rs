//! `cp`: copies on the server, with the quota and the verification of uploads.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use clap::Args;
use ferry_shared::{entry::Kind, name::Escaped};

use super::{
    call::Call,
    targets::{Pair, TargetArgs, pairs},
};
use crate::files::Error;

/// Arguments of `cp`.
#[derive(Debug, Args)]
pub(super) struct CpArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Copy folders with everything below them
    #[arg(short, long, visible_short_alias = 'R')]
    recursive: bool,
    /// The same; dates and permissions are kept in any case
    #[arg(short, long)]
    archive: bool,
    /// Keep dates and permissions, as it does in any case
    #[arg(short)]
    p: bool,
}

pub(super) async fn run(args: CpArgs, call: &mut Call) {
    for pair in pairs(&args.target, call).await {
        if let Err(error) = copy(&args, &pair, call).await {
            call.fail(&pair.typed, &error);
        }
    }
}

async fn copy(args: &CpArgs, pair: &Pair, call: &mut Call) -> Result<(), Error> {
    let (entry, _) = call.files.stat(&pair.from)?;
    if entry.kind == Kind::Folder && !(args.recursive || args.archive) {
        let name = Escaped(OsStr::as_bytes(&pair.typed));
        call.complain(format_args!("{name} is a folder and left out; -r copies it"));
        return Ok(());
    }
    let keeps = args.target.no_clobber;
    if keeps && entry.kind != Kind::Folder && call.files.stat(&pair.to).is_ok() {
        return Ok(());
    }
    let wait = call.files.pause();
    if !wait.is_zero() {
        return Err(Error::Wasteful { seconds: wait.as_secs().max(1) });
    }
    let mut copying = call.files.copy(pair.from.clone(), pair.to.clone(), !keeps)?;
    call.next(&mut *copying).await.map(drop)
}
