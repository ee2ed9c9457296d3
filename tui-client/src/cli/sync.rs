//! `ferry sync`: makes a folder like another one, at any two sites.

mod confirm;
mod lock;
mod round;
mod selection;
mod show;

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use ferry_client::{
    SitePath,
    sync::{Ends, Options},
};
use ferry_shared::entry::Mtime;

pub(super) use self::{lock::Lock, round::Round};
use super::{
    between::{self, End},
    transfer::{self, Served},
};
use crate::{args::Links, context::Context, exit::Exit, failure::Failure, interrupt::Signals};

/// `ferry sync`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry sync photos work:photos\n  ferry sync --delete -n work:photos backup/photos\n  \
    ferry sync --delete --lock --files-from list.txt ~/docs home:docs\n\n\
    Makes the folder TO like the folder FROM; nothing at FROM changes. Files are the same if their size and date\n\
    are the same, at the precision of both sites. Run the same command again to continue an interrupted sync.\n\
    Without --delete nothing is removed. With it, everything is copied and verified first; a folder that cannot be\n\
    read, at either end, keeps its counterpart and everything below it (exit code 6). What a filter leaves out is\n\
    never removed. Patterns in files named .ferryignore at FROM have the syntax of .gitignore.\n\
    Symlinks at FROM are left out and reported (exit code 6), unless --links is given; symlinks at TO that\n\
    are not kept are removed, never followed."
)]
pub(crate) struct SyncArgs {
    /// The folder to copy from
    from: OsString,
    /// The folder that becomes like it
    to: OsString,
    #[command(flatten)]
    rules: Rules,
    /// Let only one run of this command work at a time; another one ends with exit code 5
    #[arg(long)]
    lock: bool,
    #[command(flatten)]
    selection: Selection,
}

/// The rules of a sync.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// Remove what FROM does not have, after everything has been copied
    #[arg(long)]
    delete: bool,
    /// The maximum number of deletions without asking [default: half of the entries in TO]
    #[arg(long, value_name = "N", requires = "delete")]
    max_delete: Option<u64>,
    /// Compare the content of files of the same size, instead of their dates
    #[arg(long)]
    checksum: bool,
    /// Keep each file that is replaced or removed in this folder, which is at the site of TO and outside of it
    #[arg(long, value_name = "DIR")]
    backup_dir: Option<OsString>,
}

/// The selection of what is compared.
#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct Selection {
    /// Leave out what the patterns in a file match, in the syntax of .gitignore; can be repeated
    #[arg(long, value_name = "FILE")]
    exclude_from: Vec<PathBuf>,
    /// Compare only the paths in a file, one a line and relative to FROM, with everything below them; `-` is
    /// standard input
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    /// Leave out smaller files, such as 1KiB
    #[arg(long, value_name = "SIZE", value_parser = selection::size)]
    min_size: Option<u64>,
    /// Leave out larger files, such as 2GiB
    #[arg(long, value_name = "SIZE", value_parser = selection::size)]
    max_size: Option<u64>,
    /// Leave out files that were last changed before a time: 36h, 7d, 2026-01-31 or 2026-01-31T10:00
    #[arg(long, value_name = "WHEN", value_parser = selection::time)]
    newer_than: Option<Mtime>,
}

/// A sync as the command line describes it.
#[derive(Debug)]
pub(super) struct Order {
    /// The two trees.
    pub(super) ends: Ends,
    servers: Vec<Served>,
    options: Options,
    backup: Option<SitePath>,
    max_delete: Option<u64>,
}

pub(super) async fn run(args: SyncArgs, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    let mut select = args.selection.select(context)?;
    let order = Order::new(&args.from, &args.to, &args.rules, context)?;
    let _lock = args.lock.then(|| Lock::take(&order.ends, context)).transpose()?;
    tokio::select! {
        () = transfer::hold(context, &order.servers) => {}
        signal = signals.next() => return Ok(signal.exit()),
    }
    let mut round = Round::start(&order, context, signals)?;
    let result = round.once(&mut select).await;
    round.end(result).await
}

impl Order {
    /// Resolves the arguments of a sync.
    ///
    /// # Errors
    /// [`Failure`] if an argument or a flag is not valid.
    pub(super) fn new(from: &OsString, to: &OsString, rules: &Rules, context: &Context) -> Result<Self, Failure> {
        let mut ends = between::ends(&[from.clone(), to.clone()], context)?;
        let (Some(to), Some(from)) = (ends.pop(), ends.pop()) else {
            return Err(Failure::Usage("two folders are needed".to_owned()));
        };
        let backup = backup(rules.backup_dir.as_ref(), &to, context)?;
        let links = Links::rule(context.global.links.or(between::links(&from, &to)));
        let [from_site, to_site] = between::open(&from, &to, context)?;
        transfer::check_links(links, &from_site.site.abilities(), &to_site.site.abilities(), false)?;
        let server = |found: &between::Found| found.server.as_ref().map(|(_, server)| server.clone());
        let servers = [&from_site, &to_site].into_iter().filter_map(server).collect();
        let ends =
            Ends { from: from_site.site, source: between::path(&from), to: to_site.site, target: between::target(&to) };
        let options = Options { delete: rules.delete, checksum: rules.checksum, links, backup: backup.is_some() };
        Ok(Self { ends, servers, options, backup, max_delete: rules.max_delete })
    }
}

/// The folder for backups, which has to be at the site of the target.
fn backup(argument: Option<&OsString>, to: &End, context: &Context) -> Result<Option<SitePath>, Failure> {
    let Some(argument) = argument else { return Ok(None) };
    let ends = between::ends(std::slice::from_ref(argument), context)?;
    match ends.first() {
        Some(end) if between::is_beside(end, to) => Ok(Some(between::path(end))),
        _ => Err(Failure::Usage("--backup-dir must be at the site of TO".to_owned())),
    }
}
