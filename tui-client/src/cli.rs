//! The verbs: one file each, and the one place that picks among them.

mod batch;
mod cat;
mod check;
mod completion;
mod cp;
mod destination;
mod dry_run;
mod du;
mod find;
mod get;
mod hash;
mod listing;
mod ls;
mod man;
mod mkdir;
mod move_copy;
mod mv;
mod passwd;
mod producer;
mod put;
mod quota;
mod register;
mod rm;
mod site;
mod sources;
mod stat;
mod touch;
mod transfer;
mod tree;
mod uploads;

use std::{ffi::OsString, time::Duration};

use clap::Subcommand;

use crate::{context::Context, exit::Exit, failure::Failure, interrupt::Signals};

/// After a signal, how long a verb may take to end.
const GRACE: Duration = Duration::from_millis(500);
/// The same for transfers, which close their connections and leave what has arrived in order.
const CLOSING: Duration = Duration::from_secs(10);

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download files and folders
    Get(get::GetArgs),
    /// Upload files and folders
    Put(put::PutArgs),
    /// List a folder
    Ls(ls::LsArgs),
    /// Show a folder and all below it as a tree
    Tree(tree::TreeArgs),
    /// Show what is known of files and folders
    Stat(stat::StatArgs),
    /// Write files to standard output, verified
    Cat(cat::CatArgs),
    /// Show how much folders hold
    Du(du::DuArgs),
    /// Find names below a folder; the server searches
    Find(find::FindArgs),
    /// Make folders
    Mkdir(mkdir::MkdirArgs),
    /// Make empty files, or set dates to now
    Touch(touch::TouchArgs),
    /// Rename or move on the server
    Mv(mv::MvArgs),
    /// Copy on the server
    Cp(cp::CpArgs),
    /// Remove files and folders
    Rm(rm::RmArgs),
    /// Show the digests of files, as b3sum and sha256sum do
    Hash(hash::HashArgs),
    /// Compare a local and a remote tree by size and digest
    Check(check::CheckArgs),
    /// Show or discard unfinished uploads
    Uploads(uploads::UploadsArgs),
    /// Show how much is used and allowed
    Quota(quota::QuotaArgs),
    /// Make an account, where the server lets people do that
    Register(register::RegisterArgs),
    /// Change the password
    Passwd(passwd::PasswdArgs),
    /// Save, show and forget servers
    Site(site::SiteArgs),
    /// Print the completions for a shell
    Completion(completion::CompletionArgs),
    /// Write the man pages into a folder
    Man(man::ManArgs),
}

/// Does what `command` says; a signal stops it.
///
/// # Errors
/// [`Failure`] when it could not be done and nothing told so yet.
pub(crate) async fn run(command: Command, context: &mut Context) -> Result<Exit, Failure> {
    let grace = if matches!(command, Command::Get(_) | Command::Put(_)) { CLOSING } else { GRACE };
    let mut signals = Signals::catch(grace).map_err(Failure::Start)?;
    match command {
        // These keep what has arrived and say how to go on.
        Command::Get(args) => get::run(args, context, &mut signals).await,
        Command::Put(args) => put::run(args, context, &mut signals).await,
        other => tokio::select! {
            result = run_short(other, context) => result,
            signal = signals.next() => Ok(signal.exit()),
        },
    }
}

/// The verbs that leave nothing half done when they are dropped.
async fn run_short(command: Command, context: &mut Context) -> Result<Exit, Failure> {
    match command {
        Command::Ls(args) => ls::run(args, context).await,
        Command::Tree(args) => tree::run(args, context).await,
        Command::Stat(args) => stat::run(args, context).await,
        Command::Cat(args) => cat::run(args, context).await,
        Command::Du(args) => du::run(args, context).await,
        Command::Find(args) => find::run(args, context).await,
        Command::Mkdir(args) => mkdir::run(args, context).await,
        Command::Touch(args) => touch::run(args, context).await,
        Command::Mv(args) => mv::run(args, context).await,
        Command::Cp(args) => cp::run(args, context).await,
        Command::Rm(args) => rm::run(args, context).await,
        Command::Hash(args) => hash::run(args, context).await,
        Command::Check(args) => check::run(args, context).await,
        Command::Uploads(args) => uploads::run(args, context).await,
        Command::Quota(args) => quota::run(args, context).await,
        Command::Register(args) => register::run(args, context).await,
        Command::Passwd(args) => passwd::run(args, context).await,
        Command::Site(args) => site::run(args, context),
        Command::Completion(args) => completion::run(&args, context),
        Command::Man(args) => man::run(&args, context),
        Command::Get(_) | Command::Put(_) => Ok(Exit::Other),
    }
}

/// Splits the paths of a verb that ends with where to.
///
/// One list and not two, because flags may stand anywhere between its words.
fn sources_and_target(paths: &[OsString]) -> Result<(&[OsString], &OsString), Failure> {
    match paths.split_last() {
        Some((target, sources)) if !sources.is_empty() => Ok((sources, target)),
        _ => Err(Failure::Usage("where to? The last path is the destination".to_owned())),
    }
}
