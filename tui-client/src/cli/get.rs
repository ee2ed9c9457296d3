//! `ferry get`: downloads files and folders.

use std::{
    collections::HashSet,
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::Args;
use ferry_client::transfer::{Job, JobOptions, UnusableName, Work, local_name};

use super::transfer::{self, Way};
use crate::{
    context::{self, Context},
    exit::Exit,
    failure::Failure,
    interrupt::Signals,
    os_bytes::ends_with_separator,
    raw_stdout,
    sites::Place,
};

/// `ferry get`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry get work:report.odt ./\n  ferry get work:photos work:music backup/\n  \
    ferry get work:notes.txt notes-old.txt\n  ferry get work:src.tar - | tar x\n\n\
    Folders are taken whole. A folder that is there, a / at the end of LOCAL, or several REMOTEs\n\
    mean \"into this folder\". An interrupted download goes on where it was: give the same command again.")]
pub(crate) struct GetArgs {
    /// What to fetch, and last where to; - is standard output
    #[arg(required = true, value_name = "REMOTE… LOCAL")]
    paths: Vec<OsString>,
}

pub(super) async fn run(args: GetArgs, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    let (remotes, local) = super::sources_and_target(&args.paths)?;
    let places = context.places(remotes)?;
    // A folder named with a / at the end is made when it is not there.
    let options = JobOptions { parents: ends_with_separator(local), ..transfer::options(context)? };
    let works = if local == "-" { vec![to_stdout(&places, context)?] } else { to_disk(&places, local)? };
    let jobs = works.into_iter().map(|work| Job { work, options: options.clone() }).collect();
    let connector = context.connector(&places[0])?;
    transfer::run(context, signals, connector, Way::Get, jobs).await
}

fn to_stdout(places: &[Place], context: &Context) -> Result<Work, Failure> {
    match places {
        [_] if context.output.json => Err(Failure::Usage("--json and - both want standard output".to_owned())),
        [place] => Ok(Work::DownloadStream {
            from: place.path.clone(),
            to: Box::new(raw_stdout::open().map_err(Failure::Output)?),
        }),
        _ => Err(Failure::Usage("only one REMOTE can go to standard output; `ferry cat` takes several".to_owned())),
    }
}

fn to_disk(places: &[Place], local: &OsString) -> Result<Vec<Work>, Failure> {
    context::local(local)?;
    let to = Path::new(local);
    let into = places.len() > 1 || ends_with_separator(local) || to.is_dir();
    let mut targets = HashSet::new();
    places
        .iter()
        .map(|place| {
            let to = target(place, to, into).map_err(|error| Failure::Usage(error.to_string()))?;
            if !targets.insert(to.clone()) {
                return Err(Failure::Usage(format!("two of the REMOTEs would both become {}", to.display())));
            }
            Ok(Work::Download { from: place.path.clone(), to })
        })
        .collect()
}

/// The exact target: a home has no name to go into a folder with, it becomes the folder.
fn target(place: &Place, to: &Path, into: bool) -> Result<PathBuf, UnusableName> {
    match place.path.name() {
        Some(name) if into => Ok(to.join(local_name(&name)?)),
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
            target: Target { user: "u".into(), host: "h".into(), port: 1 },
            path: RemotePath::from_typed(path.as_bytes()).unwrap(),
            typed: path.as_bytes().to_vec(),
            into: false,
            server_key: None,
            identity: None,
            seal: None,
        };
        let places: Vec<_> = paths.iter().map(place).collect();
        let works = to_disk(&places, &OsString::from(local))?;
        let to = |work| match work {
            Work::Download { to, .. } => to,
            other => panic!("{other:?}"),
        };
        Ok(works.into_iter().map(to).collect())
    }

    #[test]
    fn a_slash_several_sources_or_a_folder_mean_into() {
        let there = tempfile::tempdir().unwrap();
        let there = there.path().to_str().unwrap();
        assert_eq!(targets(&["a/x"], "new").unwrap(), [PathBuf::from("new")]);
        assert_eq!(targets(&["a/x"], "new/").unwrap(), [PathBuf::from("new/x")]);
        assert_eq!(targets(&["a/x", "y"], "new").unwrap(), [PathBuf::from("new/x"), "new/y".into()]);
        assert_eq!(targets(&["a/x"], there).unwrap(), [Path::new(there).join("x")]);
        assert_eq!(targets(&["/"], there).unwrap(), [PathBuf::from(there)]);
    }

    #[test]
    fn two_sources_of_one_name_are_refused() {
        assert!(matches!(targets(&["a/x", "b/x"], "new/"), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_destination_on_a_server_is_refused() {
        assert!(matches!(targets(&["a"], "work:x"), Err(Failure::Address(_))));
        assert!(targets(&["a"], "./work:x").is_ok());
    }
}
