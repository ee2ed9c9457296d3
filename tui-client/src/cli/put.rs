//! `ferry put`: uploads files and folders.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use ferry_client::transfer::{Job, JobOptions, Work, remote_name};
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
    Folders are taken whole. A / at the end of REMOTE, or several LOCALs, mean\n\
    \"into this folder\". Without, a folder becomes REMOTE itself, also where that is\n\
    there; unlike cp, rsync and scp: `put photos work:backup` never makes backup/photos.\n\
    A file goes into a folder that is there.\n\
    An interrupted upload goes on where it was: give the same command again.")]
pub(crate) struct PutArgs {
    /// Send what fits where the server has no room for all of it
    #[arg(long)]
    fill: bool,
    /// Send what a command writes, and store it only if the command ends with 0
    ///
    /// The words are then REMOTE -- CMD…, as in `ferry put --from-command work:dump -- pg_dump shop`.
    /// The command is killed when the upload ends before it does.
    #[arg(long)]
    from_command: bool,
    /// What to send, - is standard input; and last where to
    #[arg(required = true, value_name = "LOCAL… REMOTE")]
    paths: Vec<OsString>,
    /// Send the beginning of a file that grows meanwhile without reading it twice; it is not proven then
    #[arg(long)]
    growing: bool,
}

pub(super) async fn run(args: PutArgs, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    if args.from_command {
        return from_command(&args.paths, context, signals).await;
    }
    let (locals, to) = super::sources_and_target(&args.paths)?;
    let to = context.place(to)?;
    // A folder named with a / at the end is made when it is not there.
    let options =
        JobOptions { parents: to.into, growing: args.growing, fill: args.fill, ..transfer::options(context, &to)? };
    locals.iter().try_for_each(|local| context::local(local))?;
    let from_stdin = locals.iter().any(|local| local == "-");
    if from_stdin {
        check_stdin(locals, &to, context)?;
    }
    if locals.len() > 1 && !to.into {
        context.output.advise(format!("a / at its end makes the folder: {}/", to.path.display()));
    }
    let connector = context.connector(&to)?;
    // Stays open until the end: with its last connection the login would end, too.
    let mut remote = None;
    let works = if from_stdin {
        vec![Work::UploadStream { from: Box::new(streams::input().map_err(Failure::NoInput)?), to: to.path.clone() }]
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
        from_disk(locals, &to.path, into)?
    };
    let jobs = works.into_iter().map(|work| Job { work, options: options.clone() }).collect();
    let exit = transfer::run(context, signals, connector, Way::Put, jobs).await;
    drop(remote);
    exit
}

/// Uploads the output of a command, if the command ends successfully.
async fn from_command(words: &[OsString], context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    let Some((to, command)) = words.split_first() else { return Ok(Exit::Usage) };
    let to = context.place(to)?;
    if to.into {
        return Err(Failure::Usage("what a command writes has no name; name the file it becomes".to_owned()));
    }
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::Usage("which command? It stands behind --, after REMOTE".to_owned()));
    };
    if !context.global.filters.is_empty() {
        return Err(Failure::Usage("--include and --exclude choose files, and a command is none".to_owned()));
    }
    let options = transfer::options(context, &to)?;
    let connector = context.connector(&to)?;
    let (producer, from): (_, Box<dyn io::Read + Send>) = match options.dry_run {
        true => (None, Box::new(io::empty())),
        false => Producer::start(program, arguments).map(|(producer, from)| (Some(producer), from))?,
    };
    let job = Job { work: Work::UploadStream { from, to: to.path }, options };
    let exit = transfer::run(context, signals, connector, Way::Put, vec![job]).await;
    if let Some(producer) = producer {
        producer.end().await;
    }
    exit
}

/// Whether one source goes into `to`, which is a folder if `there`: a file can do nothing else.
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
        return wrong("standard input can be the only LOCAL");
    }
    if to.into {
        return wrong("standard input has no name; name the file it becomes");
    }
    if !context.global.filters.is_empty() {
        return wrong("--include and --exclude choose files, and - is none");
    }
    if context.global.login.password_stdin {
        return wrong("--password-stdin and - both want standard input; use --password-file");
    }
    Ok(())
}

fn from_disk(locals: &[OsString], to: &RemotePath, into: bool) -> Result<Vec<Work>, Failure> {
    let mut targets = HashSet::new();
    locals
        .iter()
        .map(|local| {
            let from = PathBuf::from(local);
            let to = destination::target(to, into, name_of(&from)?.as_ref())?;
            if !targets.insert(to.clone()) {
                return Err(Failure::Usage(format!("two of the LOCALs would both become {}", to.display())));
            }
            Ok(Work::Upload { from, to })
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
        let to = |work| match work {
            Work::Upload { to, .. } => to.display().to_string(),
            other => panic!("{other:?}"),
        };
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
