//! `ferry put`: uploads files and folders.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use ferry_client::{
    Local, Site,
    transfer::{Job, JobOptions, Piece, Work, remote_name},
};
use ferry_shared::{name::Name, path::RemotePath};

use super::{
    destination,
    producer::Producer,
    transfer::{self, Way},
};
use crate::{
    context::{self, Context},
    exit::Exit,
    failure::Failure,
    interrupt::Signals,
    sites::Place,
    streams,
};

/// `ferry put`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry put report.odt work:\n  ferry put photos music work:backup/\n  \
    ferry put notes.txt work:notes-old.txt\n  tar c src | ferry put - work:src.tar\n  \
    ferry put --from-command work:shop.sql -- pg_dump shop\n\n\
    Folders are uploaded with their whole content. A / at the end of REMOTE, or several LOCALs, mean\n\
    \"into this folder\". Otherwise a folder becomes REMOTE itself, even if REMOTE exists;\n\
    unlike with cp, rsync and scp, `put photos work:backup` never creates backup/photos.\n\
    A file goes into an existing folder.\n\
    To resume an interrupted upload, run the same command again.")]
pub(crate) struct PutArgs {
    /// Upload the files that fit if the server has no space for all of them
    #[arg(long)]
    fill: bool,
    /// Upload the output of a command, and store it only if the command succeeds
    ///
    /// The arguments are then REMOTE -- CMD…, as in `ferry put --from-command work:dump -- pg_dump shop`. The command
    /// is killed if the upload ends first.
    #[arg(long)]
    from_command: bool,
    /// The sources (- is standard input), and last the destination
    #[arg(required = true, value_name = "LOCAL… REMOTE")]
    paths: Vec<OsString>,
    /// Do not read a growing file twice to verify its beginning
    #[arg(long)]
    growing: bool,
}

pub(super) async fn run(args: PutArgs, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    if args.from_command {
        return from_command(&args.paths, context, signals).await;
    }
    let (locals, to) = super::sources_and_target(&args.paths)?;
    let to = context.place(to)?;
    // A folder written with a trailing / is created if it does not exist.
    let options =
        JobOptions { parents: to.into, growing: args.growing, fill: args.fill, ..transfer::options(context, &to)? };
    locals.iter().try_for_each(|local| context::local(local))?;
    let from_stdin = locals.iter().any(|local| local == "-");
    if from_stdin {
        check_stdin(locals, &to, context)?;
    }
    if locals.len() > 1 && !to.into {
        context.output.advise(format!("end it with / to create the folder: {}/", to.path.display()));
    }
    let connector = context.connector(&to)?;
    // Keep a connection open until the end, because the session ends with its last connection.
    let mut remote = None;
    let server = transfer::server(&connector);
    let site: Arc<dyn Site> = Arc::clone(&server.site);
    let work = if from_stdin {
        let from = Box::new(streams::input().map_err(Failure::NoInput)?);
        Work::FromStream { from, to: site, path: to.path.clone().into() }
    } else {
        let into = match destination::told(&to, locals.len()) {
            Some(into) => into,
            None => tokio::select! {
                there = destination::ask_is_folder(&connector, &to.path, &mut remote, context) => {
                    goes_into(&locals[0], &to, there?, context)
                }
                signal = signals.next() => return Ok(signal.exit()),
            },
        };
        Work::Copy { from: Arc::new(Local), to: site, pieces: from_disk(locals, &to.path, into)? }
    };
    let exit = transfer::run(context, signals, &[server], Way::Put, Job { work, options }).await;
    drop(remote);
    exit
}

/// Uploads the output of a command, if the command ends successfully.
async fn from_command(words: &[OsString], context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    let Some((to, command)) = words.split_first() else { return Ok(Exit::Usage) };
    let to = context.place(to)?;
    if to.into {
        return Err(Failure::Usage("the output of a command has no name; name the target file".to_owned()));
    }
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::Usage("the command is missing: write it after REMOTE and --".to_owned()));
    };
    if !context.global.filters.is_empty() {
        return Err(Failure::Usage("--include and --exclude cannot be combined with --from-command".to_owned()));
    }
    let options = transfer::options(context, &to)?;
    let connector = context.connector(&to)?;
    let (producer, from): (_, Box<dyn io::Read + Send>) = match options.dry_run {
        true => (None, Box::new(io::empty())),
        false => Producer::start(program, arguments).map(|(producer, from)| (Some(producer), from))?,
    };
    let server = transfer::server(&connector);
    let work = Work::FromStream { from, to: Arc::clone(&server.site), path: to.path.into() };
    let exit = transfer::run(context, signals, &[server], Way::Put, Job { work, options }).await;
    if let Some(producer) = producer {
        producer.end().await;
    }
    exit
}

/// Whether one source goes into `to`, which is an existing folder if `there`: a file always does.
fn goes_into(local: &OsString, to: &Place, there: bool, context: &Context) -> bool {
    let path = Path::new(local);
    if !there || !path.is_dir() {
        return there;
    }
    if let Some(name) = path.file_name() {
        destination::tell_merge(name, OsStr::new(&to.path.display().to_string()), context);
    }
    false
}

fn check_stdin(locals: &[OsString], to: &Place, context: &Context) -> Result<(), Failure> {
    let wrong = |text: &str| Err(Failure::Usage(text.to_owned()));
    if locals.len() > 1 {
        return wrong("standard input must be the only LOCAL");
    }
    if to.into {
        return wrong("standard input has no name; name the target file");
    }
    if !context.global.filters.is_empty() {
        return wrong("--include and --exclude cannot be combined with -");
    }
    if context.global.login.password_stdin {
        return wrong(
            "--password-stdin cannot be combined with -, because both read standard input; use --password-file",
        );
    }
    Ok(())
}

fn from_disk(locals: &[OsString], to: &RemotePath, into: bool) -> Result<Vec<Piece>, Failure> {
    let mut targets = HashSet::new();
    locals
        .iter()
        .map(|local| {
            let from = PathBuf::from(local);
            let to = destination::target(to, into, name_of(&from)?.as_ref())?;
            if !targets.insert(to.clone()) {
                return Err(Failure::Usage(format!("two of the LOCALs would both become {}", to.display())));
            }
            Ok(Piece { from: from.into(), to: to.into() })
        })
        .collect()
}

/// The name a path has on the server; `None` for `.`, `..` and `/`, which have none.
fn name_of(path: &Path) -> Result<Option<Name>, Failure> {
    let name: Option<&OsStr> = path.file_name();
    name.map(remote_name).transpose().map_err(|error| Failure::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(locals: &[&str], to: &str, into: bool) -> Result<Vec<String>, Failure> {
        let locals: Vec<OsString> = locals.iter().map(OsString::from).collect();
        let works = from_disk(&locals, &RemotePath::from_typed(to.as_bytes()).unwrap(), into)?;
        let to = |piece: Piece| piece.to.to_string();
        Ok(works.into_iter().map(to).collect())
    }

    #[test]
    fn names_are_kept_when_going_into_a_folder() {
        assert_eq!(targets(&["a/x", "y/"], "up", true).unwrap(), ["/up/x", "/up/y"]);
        assert_eq!(targets(&["a/x"], "up", false).unwrap(), ["/up"]);
        assert_eq!(targets(&["."], "up", true).unwrap(), ["/up"]);
        assert_eq!(targets(&["/"], "up", true).unwrap(), ["/up"]);
    }

    #[test]
    fn two_sources_of_one_name_are_refused() {
        assert!(matches!(targets(&["a/x", "b/x"], "up", true), Err(Failure::Usage(_))));
    }
}
