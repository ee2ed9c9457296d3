//! The verbs, one file each, and their dispatch.

mod batch;
pub(crate) mod batch_args;
mod between;
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
mod in_order;
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
mod run;
mod site;
mod sources;
mod stat;
mod sync;
mod touch;
mod transfer;
mod tree;
mod uploads;
mod watch;

use std::{ffi::OsString, time::Duration};

use clap::Subcommand;

use crate::{context::Context, exit::Exit, failure::Failure, interrupt::Signals};

/// The time that a verb may take to end after a signal.
const GRACE: Duration = Duration::from_millis(500);
/// The same for transfers, which close their connections and keep the received data consistent.
pub(crate) const CLOSING: Duration = Duration::from_secs(10);

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download files and folders
    Get(get::GetArgs),
    /// Upload files and folders
    Put(put::PutArgs),
    /// List a folder
    Ls(ls::LsArgs),
    /// Show a folder and everything below it as a tree
    Tree(tree::TreeArgs),
    /// Show the details of files and folders
    Stat(stat::StatArgs),
    /// Write files to standard output and verify them
    Cat(cat::CatArgs),
    /// Show the size of folders
    Du(du::DuArgs),
    /// Find names below a folder, searched by the server
    Find(find::FindArgs),
    /// Create folders
    Mkdir(mkdir::MkdirArgs),
    /// Create empty files, or set dates to now
    Touch(touch::TouchArgs),
    /// Rename or move on a server, or move between two sites
    Mv(mv::MvArgs),
    /// Copy on a server, or between any two sites
    Cp(cp::CpArgs),
    /// Make a folder like another, at any site
    Sync(sync::SyncArgs),
    /// Keep a folder on a server like a local one
    Watch(watch::WatchArgs),
    /// Remove files and folders
    Rm(rm::RmArgs),
    /// Show the digests of files, as b3sum and sha256sum do
    Hash(hash::HashArgs),
    /// Compare a local and a remote tree by size and digest
    Check(check::CheckArgs),
    /// Run verbs from a file or another program over connections that stay open
    Batch(batch_args::BatchArgs),
    /// Run a command that is built into the server
    Run(run::RunArgs),
    /// Show or discard unfinished uploads
    Uploads(uploads::UploadsArgs),
    /// Show the usage and the limits
    Quota(quota::QuotaArgs),
    /// Create an account, if the server allows it
    Register(register::RegisterArgs),
    /// Change the password
    Passwd(passwd::PasswdArgs),
    /// Save, import, list and remove servers
    Site(site::SiteArgs),
    /// Print the completion script for a shell
    Completion(completion::CompletionArgs),
    /// Write the manual pages to a folder
    Man(man::ManArgs),
}

/// Runs `command`; a signal stops it.
///
/// # Errors
/// [`Failure`] if the command failed and the failure has not been reported yet.
pub(crate) async fn run(command: Command, context: &mut Context) -> Result<Exit, Failure> {
    let carries = matches!(
        command,
        Command::Get(_) | Command::Put(_) | Command::Cp(_) | Command::Mv(_) | Command::Sync(_) | Command::Watch(_)
    );
    let grace = if carries { CLOSING } else { GRACE };
    let mut signals = Signals::catch(grace).map_err(Failure::Start)?;
    run_until(command, context, &mut signals).await
}

/// The same with signals that are caught already.
///
/// # Errors
/// Those of [`run`].
pub(crate) async fn run_until(command: Command, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    match command {
        // These keep the received data and say how to resume.
        Command::Get(args) => get::run(args, context, signals).await,
        Command::Put(args) => put::run(args, context, signals).await,
        Command::Cp(args) => cp::run(args, context, signals).await,
        Command::Mv(args) => mv::run(args, context, signals).await,
        Command::Sync(args) => sync::run(args, context, signals).await,
        Command::Watch(args) => watch::run(args, context, signals).await,
        other => tokio::select! {
            result = run_short(other, context) => result,
            signal = signals.next() => Ok(signal.exit()),
        },
    }
}

/// The verbs that can be dropped at any time.
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
        Command::Rm(args) => rm::run(args, context).await,
        Command::Hash(args) => hash::run(args, context).await,
        Command::Check(args) => check::run(args, context).await,
        Command::Run(args) => run::run(args, context).await,
        Command::Uploads(args) => uploads::run(args, context).await,
        Command::Quota(args) => quota::run(args, context).await,
        Command::Register(args) => register::run(args, context).await,
        Command::Passwd(args) => passwd::run(args, context).await,
        Command::Site(args) => site::run(args, context).await,
        Command::Completion(args) => completion::run(&args, context),
        Command::Man(args) => man::run(&args, context),
        Command::Get(_)
        | Command::Put(_)
        | Command::Cp(_)
        | Command::Mv(_)
        | Command::Sync(_)
        | Command::Watch(_)
        | Command::Batch(_) => Ok(Exit::Other),
    }
}

/// Splits off the destination, the last path of a verb.
///
/// This is one list because flags may appear between its words.
fn sources_and_target(paths: &[OsString]) -> Result<(&[OsString], &OsString), Failure> {
    match paths.split_last() {
        Some((target, sources)) if !sources.is_empty() => Ok((sources, target)),
        _ => Err(Failure::Usage("the destination is missing: it is the last path".to_owned())),
    }
}
