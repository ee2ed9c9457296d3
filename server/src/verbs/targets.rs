//! The targets of `cp` and `mv`: the last argument, or names in that folder.

use std::ffi::{OsStr, OsString};

use clap::Args;
use ferry_shared::{entry::Kind, name::Escaped, path::RemotePath};
use std::os::unix::ffi::OsStrExt as _;

use super::call::Call;

/// Arguments that `cp` and `mv` share.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// The files and folders, and last, without -t, the target: a new name, or a folder to put them in
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
    /// Put them in this folder
    #[arg(short = 't', long, value_name = "FOLDER", conflicts_with = "no_target_directory")]
    target_directory: Option<OsString>,
    /// The target is a name, even if there is a folder of this name
    #[arg(short = 'T', long)]
    no_target_directory: bool,
    /// Leave existing files as they are
    #[arg(short = 'n', long, overrides_with = "force")]
    pub(super) no_clobber: bool,
    /// Replace existing files, as it does by default
    #[arg(short, long)]
    force: bool,
}

/// One source and its target.
#[derive(Debug)]
pub(super) struct Pair {
    /// How the source was named.
    pub(super) typed: OsString,
    pub(super) from: RemotePath,
    pub(super) to: RemotePath,
}

/// Writes a message where the arguments make no sense.
pub(super) async fn pairs(args: &TargetArgs, call: &mut Call) -> Vec<Pair> {
    let (sources, target) = match (&args.target_directory, args.paths.split_last()) {
        (Some(target), _) => (&args.paths[..], target),
        (None, Some((target, sources))) if !sources.is_empty() => (sources, target),
        _ => {
            call.complain("the target is missing: it is the last path");
            return Vec::new();
        }
    };
    let Some(place) = call.path(target).await else { return Vec::new() };
    let into = !args.no_target_directory && is_folder(&place, call);
    if !into && (args.target_directory.is_some() || sources.len() > 1) {
        call.complain(format_args!("{}: there is no such folder", Escaped(target.as_bytes())));
        return Vec::new();
    }
    let mut pairs = Vec::new();
    for typed in sources {
        let Some(from) = call.path(typed).await else { continue };
        if let Some(to) = target_of(typed, &from, &place, into, call) {
            pairs.push(Pair { typed: typed.clone(), from, to });
        }
    }
    pairs
}

fn target_of(typed: &OsStr, from: &RemotePath, place: &RemotePath, into: bool, call: &mut Call) -> Option<RemotePath> {
    let shown = Escaped(typed.as_bytes());
    let to = match (into, from.name()) {
        (false, _) => Ok(place.clone()),
        (true, Some(name)) => place.join(&name),
        (true, None) => {
            call.complain(format_args!("{shown}: your home cannot be put into a folder of it"));
            return None;
        }
    };
    match to {
        Ok(to) if to == *from => call.complain(format_args!("{shown}: the source and the target are the same")),
        Ok(to) => return Some(to),
        Err(error) => call.complain(format_args!("{shown}: {error}")),
    }
    None
}

/// Whether this is a folder, or a symlink to one.
fn is_folder(path: &RemotePath, call: &Call) -> bool {
    match call.files.stat(path) {
        Ok((entry, _)) if entry.kind == Kind::Symlink => call.files.list(path).is_ok(),
        Ok((entry, _)) => entry.kind == Kind::Folder,
        Err(_) => false,
    }
}
