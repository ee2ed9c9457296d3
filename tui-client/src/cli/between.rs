//! Copies and moves between any two sites.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::Arc,
};

use ferry_client::{
    Local, Site, SitePath,
    server::{self, Connector, Remote},
    transfer::{Job, JobOptions, Piece, Work},
};

use ferry_shared::name::Name;

use super::{
    destination, sources,
    transfer::{self, Served, Way},
};
use crate::{
    address::Address,
    args::{Links, Login, ServerFlags, ends::Saved},
    context::Context,
    exit::Exit,
    failure::Failure,
    interrupt::Signals,
    os_bytes::ends_with_separator,
    sites::Place,
};

/// A path of the command line at its site.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// On this computer.
    Local(PathBuf),
    /// On a server.
    Remote(Box<Place>),
}

/// A resolved site, with the settings to open it.
#[derive(Clone)]
pub(super) struct Found {
    /// The site.
    pub(super) site: Arc<dyn Site>,
    /// Its server, unless it is this computer.
    pub(super) server: Option<(Connector, Served)>,
}

/// Resolves the arguments.
///
/// # Errors
/// [`Failure::Address`] or [`Failure::Sites`].
pub(super) fn ends(arguments: &[OsString], context: &Context) -> Result<Vec<End>, Failure> {
    let end = |argument: &OsString| match Address::parse(argument)? {
        None => Ok(End::Local(argument.into())),
        Some(_) => Ok(End::Remote(Box::new(context.place(argument)?))),
    };
    arguments.iter().map(end).collect()
}

/// Whether all ends are the same account on the same server, which can then do the work itself: rename, or copy if it
/// `copies`.
pub(super) fn is_one_server(ends: &[End], copies: bool) -> bool {
    let target = |end: &End| match end {
        End::Local(_) => None,
        End::Remote(place) if copies && !server::abilities(&place.target).server_copy => None,
        End::Remote(place) => Some(place.target.clone()),
    };
    ends.windows(2).all(|pair| target(&pair[0]) == target(&pair[1]))
        && ends.first().is_some_and(|end| target(end).is_some())
}

/// Copies `sources` to `to`; with `moves`, removes the sources.
///
/// # Errors
/// [`Failure`] if the command could not be started.
pub(super) async fn run(
    moves: bool,
    sources: Vec<End>,
    to: End,
    context: &mut Context,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    let Some(first) = sources.first().cloned() else { return Ok(Exit::Usage) };
    if !sources.iter().all(|source| is_beside(source, &first)) {
        return Err(Failure::Usage("all sources of one command must be at one site".to_owned()));
    }
    if moves {
        require_names(&sources)?;
    }
    let [from_site, to_site] = open(&first, &to, context)?;
    let options = JobOptions {
        parents: is_into(&to),
        remove_source: moves,
        ..transfer::options_with(context, links(&first, &to))?
    };
    transfer::check_links(options.links, &from_site.site.abilities(), &to_site.site.abilities(), moves)?;
    // Keep a connection open until the end, because a session ends with its last connection.
    let (mut from_kept, mut to_kept) = (None, None);
    let prepared = async {
        let sources = expanded(sources, from_site.server.as_ref(), &mut from_kept).await?;
        let goes_into = goes_into(&sources, &to, &from_site, &to_site, [&mut from_kept, &mut to_kept], context).await?;
        pieces(&sources, &to, goes_into)
    };
    let pieces = tokio::select! {
        pieces = prepared => pieces?,
        signal = signals.next() => return Ok(signal.exit()),
    };
    let servers: Vec<Served> =
        [&from_site, &to_site].into_iter().filter_map(|found| Some(found.server.as_ref()?.1.clone())).collect();
    let work = Work::Copy { from: from_site.site, to: to_site.site, pieces };
    let exit = transfer::run(context, signals, &servers, Way::Copy, Job { work, options }).await;
    drop((from_kept, to_kept));
    exit
}

/// The saved rule for links of one of the ends.
pub(super) fn links(from: &End, to: &End) -> Option<Links> {
    match (from, to) {
        (End::Remote(place), _) | (End::Local(_), End::Remote(place)) => place.links,
        _ => None,
    }
}

/// Whether both are at one site.
pub(super) fn is_beside(end: &End, other: &End) -> bool {
    match (end, other) {
        (End::Local(_), End::Local(_)) => true,
        (End::Remote(end), End::Remote(other)) => end.target == other.target,
        _ => false,
    }
}

/// Refuses sources of a move that are not named directly.
fn require_names(sources: &[End]) -> Result<(), Failure> {
    for source in sources {
        match source {
            End::Remote(place) => sources::require_names(std::slice::from_ref(&**place), "move")?,
            End::Local(path) if path.file_name().is_none() => {
                let text = format!("cannot move '{}'; write the name of the file or folder", path.display());
                return Err(Failure::Usage(text));
            }
            End::Local(_) => {}
        }
    }
    Ok(())
}

/// The sites of both ends, with the credentials that each needs.
///
/// # Errors
/// [`Failure::Usage`] if a flag could be meant for either end, and the errors of credentials.
pub(super) fn open(from: &End, to: &End, context: &Context) -> Result<[Found; 2], Failure> {
    let global = &context.global;
    if let (End::Remote(one), End::Remote(other)) = (from, to)
        && one.target == other.target
    {
        // One account needs one login.
        let both = found(from, &global.ends.from.alone(global), context)?;
        return Ok([both.clone(), both]);
    }
    let [from_flags, to_flags] = match (from, to) {
        (End::Remote(from), End::Remote(to)) => {
            global.ends.split(global, saved(from), saved(to)).map_err(|error| Failure::Usage(error.to_string()))?
        }
        _ => [global.ends.from.alone(global), global.ends.to.alone(global)],
    };
    Ok([found(from, &from_flags, context)?, found(to, &to_flags, context)?])
}

fn saved(place: &Place) -> Saved {
    Saved { identity: place.identity.is_some(), seal: place.seal.is_some(), server_key: place.server_key.is_some() }
}

fn found(end: &End, (login, server): &(Login, ServerFlags), context: &Context) -> Result<Found, Failure> {
    match end {
        End::Local(_) => Ok(Found { site: Arc::new(Local), server: None }),
        End::Remote(place) => {
            let connector = context.connector_at(place, login, server)?;
            let served = transfer::server(&connector);
            Ok(Found { site: Arc::clone(&served.site), server: Some((connector, served)) })
        }
    }
}

/// The sources with patterns replaced by the matching paths on their server; local patterns are expanded by the
/// shell.
async fn expanded(
    sources: Vec<End>,
    server: Option<&(Connector, Served)>,
    kept: &mut Option<Remote>,
) -> Result<Vec<End>, Failure> {
    let has_pattern = |end: &End| matches!(end, End::Remote(place) if sources::has_pattern(place));
    let Some((connector, _)) = server.filter(|_| sources.iter().any(has_pattern)) else { return Ok(sources) };
    let places = sources.into_iter().filter_map(|end| match end {
        End::Remote(place) => Some(*place),
        End::Local(_) => None,
    });
    let remote = kept.insert(Remote::connect(connector).await?);
    let places = sources::expand(remote, places.collect()).await?;
    Ok(places.into_iter().map(|place| End::Remote(Box::new(place))).collect())
}

/// Whether the target was written as "into this folder".
fn is_into(to: &End) -> bool {
    match to {
        End::Remote(place) => place.into,
        End::Local(path) => {
            let path = path.as_os_str();
            ends_with_separator(path) || matches!(path.to_str(), Some("." | ".."))
        }
    }
}

/// Whether the sources go into the target: if this was written, if there are several sources, or if a file is copied
/// to an existing folder. A folder becomes the target itself, so that running the same command again resumes it.
async fn goes_into(
    sources: &[End],
    to: &End,
    from_site: &Found,
    to_site: &Found,
    [from_kept, to_kept]: [&mut Option<Remote>; 2],
    context: &Context,
) -> Result<bool, Failure> {
    if is_into(to) || sources.len() > 1 {
        return Ok(true);
    }
    let Some(source) = sources.first() else { return Ok(false) };
    if !is_folder(to, to_site, to_kept, context).await? {
        return Ok(false);
    }
    if !is_folder(source, from_site, from_kept, context).await? {
        return Ok(true);
    }
    if let Some(name) = name(source) {
        destination::tell_merge(OsStr::new(&name.display().to_string()), OsStr::new(&path(to).to_string()), context);
    }
    Ok(false)
}

async fn is_folder(end: &End, found: &Found, kept: &mut Option<Remote>, context: &Context) -> Result<bool, Failure> {
    match (end, &found.server) {
        (End::Local(path), _) => Ok(path.is_dir()),
        (End::Remote(place), Some((connector, _))) => {
            destination::ask_is_folder(connector, &place.path, kept, context).await
        }
        (End::Remote(_), None) => Ok(false),
    }
}

/// The path of an end.
pub(super) fn path(end: &End) -> SitePath {
    match end {
        End::Local(path) => path.clone().into(),
        End::Remote(place) => place.path.clone().into(),
    }
}

/// The name that a source has in a folder.
fn name(end: &End) -> Option<Name> {
    match end {
        End::Local(_) => path(end).name(),
        End::Remote(place) => place.name(),
    }
}

/// The path of a target. A symbolic link named on the command line is followed here, because the engine does not follow
/// links.
pub(super) fn target(to: &End) -> SitePath {
    match path(to) {
        SitePath::Local(path) if Path::new(&path).is_symlink() && path.is_dir() => {
            path.canonicalize().unwrap_or(path).into()
        }
        path => path,
    }
}

/// The exact source and target of every piece.
fn pieces(sources: &[End], to: &End, into: bool) -> Result<Vec<Piece>, Failure> {
    let to = target(to);
    let mut targets = HashSet::new();
    let piece = |source: &End| {
        let from = path(source);
        let target = match name(source) {
            Some(name) if into => to.join(&name).map_err(|error| Failure::Usage(error.to_string()))?,
            _ => to.clone(),
        };
        if !targets.insert(target.clone()) {
            return Err(Failure::Usage(format!("two of the sources would both become {target}")));
        }
        Ok(Piece { from, to: target })
    };
    sources.iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(path: &str) -> End {
        End::Local(path.into())
    }

    #[test]
    fn sources_keep_their_names_when_they_go_into_a_folder() {
        let to = |sources: &[End], into| -> Result<Vec<String>, Failure> {
            Ok(pieces(sources, &local("/no/such"), into)?.into_iter().map(|piece| piece.to.to_string()).collect())
        };
        assert_eq!(to(&[local("a/x"), local("y")], true).unwrap(), ["/no/such/x", "/no/such/y"]);
        assert_eq!(to(&[local("a/x")], false).unwrap(), ["/no/such"]);
        assert!(matches!(to(&[local("a/x"), local("b/x")], true), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_target_is_a_folder_if_it_ends_like_one() {
        assert!(is_into(&local("x/")) && is_into(&local(".")) && is_into(&local("..")));
        assert!(!is_into(&local("x")) && !is_into(&local("x.")));
    }
}
