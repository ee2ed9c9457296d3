//! The REMOTEs of a verb: checks the names of paths to be removed, and expands patterns.

use std::path::PathBuf;

use ferry_client::{
    ClientError,
    server::Remote,
    transfer::{Filter, local_name},
};
use ferry_shared::{
    entry::Kind,
    name::{Escaped, Name},
    path::RemotePath,
    refusal::{Code, Refusal},
};

use crate::{exit::Looking, failure::Failure, sites::Place};

/// Refuses places whose last name is `.` or `..`, or that have no name: a home, or the starting folder of a site.
/// Removing a folder by such a name is hardly ever intended.
///
/// # Errors
/// [`Failure::Usage`].
pub(super) fn require_names(places: &[Place], verb: &str) -> Result<(), Failure> {
    for place in places {
        let last = place.typed.split(|b| *b == b'/').rfind(|name| !name.is_empty());
        if matches!(last, None | Some(b"." | b"..")) || place.is_top() {
            let typed = Escaped(&place.typed);
            return Err(Failure::Usage(format!("cannot {verb} '{typed}'; write the name of the file or folder")));
        }
    }
    Ok(())
}

/// The places with patterns replaced by the matching paths, sorted. An existing path with exactly this name takes
/// precedence.
///
/// # Errors
/// [`Failure::Remote`] if a pattern matches nothing or a folder cannot be listed, [`Failure::Filter`].
pub(super) async fn expand(remote: &Remote, places: Vec<Place>) -> Result<Vec<Place>, Failure> {
    let mut all = Vec::with_capacity(places.len());
    for place in places {
        if !has_pattern(&place) || is_there(remote, &place.path).await? {
            all.push(place);
            continue;
        }
        let mut found = matches(remote, &place.path).await?;
        found.sort_unstable_by(|a, b| a.names().cmp(b.names()));
        if found.is_empty() {
            let refusal = Refusal::new(Code::NotFound, format!("nothing matches {}", place.path.display()));
            return Err(Failure::remote(&place.path, Looking::File, refusal.into()));
        }
        all.extend(found.into_iter().map(|path| Place { typed: path.as_bytes().to_vec(), path, ..place.clone() }));
    }
    Ok(all)
}

/// Whether a place contains a pattern: a name with `*`, `?` or `[`.
pub(super) fn has_pattern(place: &Place) -> bool {
    place.path.names().any(is_pattern)
}

fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

async fn is_there(remote: &Remote, path: &RemotePath) -> Result<bool, Failure> {
    match remote.stat(path.clone()).await {
        Ok(_) => Ok(true),
        Err(ClientError::Refused(refusal)) if is_missing(refusal.code) => Ok(false),
        Err(error) => Err(Failure::remote(path, Looking::File, error)),
    }
}

fn is_missing(code: Code) -> bool {
    matches!(code, Code::NotFound | Code::NotDirectory)
}

/// Expands name by name: a pattern lists each folder that was found so far.
async fn matches(remote: &Remote, path: &RemotePath) -> Result<Vec<RemotePath>, Failure> {
    let mut reached = vec![RemotePath::home()];
    let mut sure = true;
    for name in path.names() {
        let mut next = Vec::new();
        sure = is_pattern(name);
        for folder in reached {
            if sure {
                next.extend(matches_in(remote, &folder, name).await?);
            } else if let Ok(name) = Name::new(name) {
                next.extend(folder.join(&name));
            }
        }
        reached = next;
    }
    if sure {
        return Ok(reached);
    }
    let mut there = Vec::new();
    for path in reached {
        if is_there(remote, &path).await? {
            there.push(path);
        }
    }
    Ok(there)
}

/// The entries of a folder whose names match, as in a shell: `*` does not match names that begin with a dot.
async fn matches_in(remote: &Remote, folder: &RemotePath, pattern: &[u8]) -> Result<Vec<RemotePath>, Failure> {
    let about = |error| Failure::remote(folder, Looking::Folder, error);
    let filter = Filter::new(&[String::from_utf8_lossy(pattern)], &[""; 0])?;
    let mut pages = remote.list(folder.clone()).await.map_err(about)?;
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = match page {
            Err(ClientError::Refused(refusal)) if is_missing(refusal.code) => return Ok(found),
            page => page.map_err(about)?,
        };
        for entry in page.entries {
            let hidden = entry.name.as_bytes().starts_with(b".") && !pattern.starts_with(b".");
            if !hidden && filter.means_named(&shown(&entry.name), false) {
                found.extend(folder.join(&entry.name));
            }
        }
    }
    Ok(found)
}

/// A name in the form that filters use.
pub(super) fn shown(name: &Name) -> PathBuf {
    local_name(name).map_or_else(|_| PathBuf::from(name.display().to_string()), PathBuf::from)
}

/// Whether `filter` selects a path named on the command line, which is of this `kind`.
pub(super) fn is_meant(filter: &Filter, path: &RemotePath, kind: Kind) -> bool {
    path.name().is_none_or(|name| filter.means_named(&shown(&name), kind == Kind::Folder))
}
