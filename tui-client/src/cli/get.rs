//! `ferry get`: downloads files and folders.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use ferry_client::{
    Local, Site,
    server::{Connector, Remote},
    transfer::{Job, JobOptions, Piece, UnusableName, Work, local_name},
};

use super::{
    destination, sources,
    transfer::{self, Way},
};
use crate::{
    context::{self, Context},
    exit::{Exit, Looking},
    failure::Failure,
    interrupt::Signals,
    os_bytes::{bytes_of, ends_with_separator},
    raw_stdout,
    sites::Place,
};

/// `ferry get`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry get work:report.odt ./\n  ferry get work:photos work:music backup/\n  \
    ferry get work:notes.txt notes-old.txt\n  ferry get work:src.tar - | tar x\n  \
    ferry get 'work:photos/*.jpg' here/\n\n\
    Folders are downloaded with their whole content. A / at the end of LOCAL, or several REMOTEs, mean\n\
    \"into this folder\". Otherwise a folder becomes LOCAL itself, even if LOCAL exists;\n\
    unlike with cp, rsync and scp, `get work:photos backup` never creates backup/photos.\n\
    A file goes into an existing folder.\n\
    To resume an interrupted download, run the same command again.")]
pub(crate) struct GetArgs {
    /// Download the files that fit if the disk has no space for all of them
    #[arg(long)]
    fill: bool,
    /// The sources, and last the destination; - is standard output
    #[arg(required = true, value_name = "REMOTE… LOCAL")]
    paths: Vec<OsString>,
}

pub(super) async fn run(args: GetArgs, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    let (remotes, local) = super::sources_and_target(&args.paths)?;
    let mut places = context.places(remotes)?;
    // Keep a connection open until the end, because the session ends with its last connection.
    let mut remote = None;
    let mut connector = None;
    if places.iter().any(sources::has_pattern) {
        let connector = connector.insert(context.connector(&places[0])?);
        places = tokio::select! {
            expanded = expand(connector, places, &mut remote) => expanded?,
            signal = signals.next() => return Ok(signal.exit()),
        };
    }
    // A folder written with a trailing / is created if it does not exist.
    let options =
        JobOptions { parents: ends_with_separator(local), fill: args.fill, ..transfer::options(context, &places[0])? };
    let to_stdout = local == "-";
    let pieces = match to_stdout {
        true => Some(vec![]),
        false => context::local(local)
            .and_then(|()| told(&places, local).then(|| to_disk(&places, Path::new(local), true)).transpose())?,
    };
    if to_stdout {
        check_stdout(&places, context)?;
    }
    // A missing folder does not matter for a home or a single source, which become the folder.
    if places.len() > 1 && !options.parents && local != "-" && !Path::new(local).exists() {
        return Err(Failure::NewFolder(local.into()));
    }
    let connector = match connector {
        Some(connector) => connector,
        None => context.connector(&places[0])?,
    };
    let pieces = match pieces {
        Some(pieces) => pieces,
        None => tokio::select! {
            target = resolve_target(&connector, &places[0], Path::new(local), &mut remote, context) => {
                let (to, into) = target?;
                to_disk(&places, &to, into)?
            }
            signal = signals.next() => return Ok(signal.exit()),
        },
    };
    let server = transfer::server(&connector);
    let from: Arc<dyn Site> = Arc::clone(&server.site);
    let work = match places.first() {
        Some(place) if to_stdout => Work::ToStream {
            from,
            path: place.path.clone().into(),
            to: Box::new(raw_stdout::open().map_err(Failure::Output)?),
        },
        _ => Work::Copy { from, to: Arc::new(Local), pieces },
    };
    let exit = transfer::run(context, signals, &[server], Way::Get, Job { work, options }).await;
    drop(remote);
    exit
}

async fn expand(connector: &Connector, places: Vec<Place>, kept: &mut Option<Remote>) -> Result<Vec<Place>, Failure> {
    sources::expand(kept.insert(Remote::connect(connector).await?), places).await
}

/// Whether the command line says that the sources go into `local`.
fn told(places: &[Place], local: &OsStr) -> bool {
    let last = bytes_of(local).rsplit(|b| *b == b'/').next().is_some_and(|last| matches!(last, b"." | b".."));
    places.len() > 1 || ends_with_separator(local) || last
}

/// The destination of one source if the command line does not determine it, and whether the source goes into it.
///
/// A folder becomes `to`; a file goes into an existing folder. The server is queried only if this makes a difference.
async fn resolve_target(
    connector: &Connector,
    place: &Place,
    to: &Path,
    kept: &mut Option<Remote>,
    context: &Context,
) -> Result<(PathBuf, bool), Failure> {
    if !to.is_dir() {
        return Ok((to.to_owned(), false));
    }
    if let Some(name) = place.name() {
        if !destination::ask_is_folder(connector, &place.path, kept, context).await? {
            return Ok((to.to_owned(), true));
        }
        destination::tell_merge(OsStr::new(&name.display().to_string()), to.as_os_str(), context);
    }
    // A symlink named on the command line is followed here, because the engine does not follow links.
    let to = match to.is_symlink() {
        true => fs::canonicalize(to).map_err(|error| Failure::local(to, Looking::Folder, error))?,
        false => to.to_owned(),
    };
    Ok((to, false))
}

fn check_stdout(places: &[Place], context: &Context) -> Result<(), Failure> {
    match places {
        [_] if context.output.json => {
            Err(Failure::Usage("--json cannot be combined with -, because both use standard output".to_owned()))
        }
        [_] if !context.global.filters.is_empty() => {
            Err(Failure::Usage("--include and --exclude cannot be combined with -".to_owned()))
        }
        [_] => Ok(()),
        _ => Err(Failure::Usage("only one REMOTE can go to standard output; `ferry cat` takes several".to_owned())),
    }
}

fn to_disk(places: &[Place], to: &Path, into: bool) -> Result<Vec<Piece>, Failure> {
    let mut targets = HashSet::new();
    places
        .iter()
        .map(|place| {
            let to = target(place, to, into).map_err(|error| Failure::Usage(error.to_string()))?;
            if !targets.insert(to.clone()) {
                return Err(Failure::Usage(format!("two of the REMOTEs would both become {}", to.display())));
            }
            Ok(Piece { from: place.path.clone().into(), to: to.into() })
        })
        .collect()
}

/// The exact target. A home has no name, so it becomes the folder itself.
fn target(place: &Place, to: &Path, into: bool) -> Result<PathBuf, UnusableName> {
    match place.name() {
        Some(name) if into => Ok(to.join(local_name(&name)?)),
        // A symlink that is named here means the folder it leads to; the engine follows none.
        None if to.is_symlink() => Ok(fs::canonicalize(to).unwrap_or_else(|_| to.to_owned())),
        _ => Ok(to.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use ferry_client::Target;
    use ferry_shared::path::RemotePath;

    use super::*;

    fn targets(paths: &[&str], local: &str) -> Result<Vec<PathBuf>, Failure> {
        let place = |path: &&str| Place {
            target: Target::ferry("u", "h", 1),
            path: RemotePath::from_typed(path.as_bytes()).unwrap(),
            typed: path.as_bytes().to_vec(),
            into: false,
            server_key: None,
            identity: None,
            seal: None,
            links: None,
            keyring: false,
        };
        let places: Vec<_> = paths.iter().map(place).collect();
        let works = to_disk(&places, Path::new(local), told(&places, OsStr::new(local)))?;
        let to = |piece: Piece| piece.to.local().unwrap().to_owned();
        Ok(works.into_iter().map(to).collect())
    }

    #[test]
    fn a_slash_a_dot_or_several_sources_mean_into() {
        assert_eq!(targets(&["a/x"], "new").unwrap(), [PathBuf::from("new")]);
        assert_eq!(targets(&["a/x"], "new/").unwrap(), [PathBuf::from("new/x")]);
        assert_eq!(targets(&["a/x"], ".").unwrap(), [PathBuf::from("./x")]);
        assert_eq!(targets(&["a/x"], "up/..").unwrap(), [PathBuf::from("up/../x")]);
        assert_eq!(targets(&["a/x"], "new..").unwrap(), [PathBuf::from("new..")]);
        assert_eq!(targets(&["a/x", "y"], "new").unwrap(), [PathBuf::from("new/x"), "new/y".into()]);
        assert_eq!(targets(&["/"], "new/").unwrap(), [PathBuf::from("new/")]);
    }

    #[test]
    fn two_sources_of_one_name_are_refused() {
        assert!(matches!(targets(&["a/x", "b/x"], "new/"), Err(Failure::Usage(_))));
    }
}
