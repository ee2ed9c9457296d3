//! Prepares a local target and looks up its existing content.

use std::{io, sync::Arc};

use ferry_shared::{digest::Digest, path::RemotePath};

use super::{
    folder::Folder,
    identity::Identity,
    landing::{Create, Target, Targets},
    part::Part,
    place::failed,
    remembered::Remembered,
};
use crate::{
    error::ClientError,
    site::{Existing, Found, Location, Make, Prepared, Room, TargetKind},
};

/// Prepares a target.
pub(super) fn prepare(
    at: &Location,
    target: TargetKind,
    make: Make,
    remembered: Option<Remembered>,
) -> Result<Prepared, ClientError> {
    prepare_as(at, target, make, remembered).map_err(|error| failed(at, error))
}

fn prepare_as(at: &Location, kind: TargetKind, make: Make, remembered: Option<Remembered>) -> io::Result<Prepared> {
    let mut targets = Targets::default();
    let all = Create::All { private: false };
    let create = if make == Make::WithParents { all } else { Create::None };
    let Some(target) = targets.find(at, create)? else {
        return match make {
            Make::Nothing => Ok(nothing(at)),
            Make::Itself | Make::WithParents => Err(io::ErrorKind::NotFound.into()),
        };
    };
    let Target { landing, folder, name } = target;
    let Some(name) = name else { return Ok(looked_into(at, Some(folder), remembered)) };
    if kind == TargetKind::File {
        let there = folder.look(&name)?.is_some();
        return Ok(Prepared { there, ..looked_into(at, None, remembered) });
    }
    let create = if make == Make::Nothing { Create::None } else { all };
    match landing.enter(&folder, &name, create)? {
        Some(folder) if !folder.is_fresh() => Ok(looked_into(at, Some(folder), remembered)),
        _ => Ok(nothing(at)),
    }
}

/// An existing target, whose content is looked up on demand.
fn looked_into(at: &Location, folder: Option<Arc<Folder>>, remembered: Option<Remembered>) -> Prepared {
    let place = match folder {
        Some(folder) => Place::Folder(folder),
        None => Place::Unknown,
    };
    let existing = Here { at: at.clone(), last: (RemotePath::home(), place), missing: None, remembered };
    Prepared { there: true, existing: Box::new(existing) }
}

/// A target that did not exist and therefore has no content.
fn nothing(at: &Location) -> Prepared {
    let missing = Some(RemotePath::home());
    let last = (RemotePath::home(), Place::Unknown);
    let existing = Here { at: at.clone(), last, missing, remembered: None };
    Prepared { there: false, existing: Box::new(existing) }
}

/// Looks up names in a target. Keeps the last folder open, because the next name is probably in it too.
struct Here {
    at: Location,
    /// The last folder and its path below the target.
    last: (RemotePath, Place),
    /// A folder that was missing. Anything in it by now was created by this job.
    missing: Option<RemotePath>,
    remembered: Option<Remembered>,
}

enum Place {
    Unknown,
    Folder(Arc<Folder>),
}

impl Here {
    /// Returns the folder that contains the entry `below` the target, and the name of the entry in it.
    fn target(&mut self, below: &RemotePath) -> io::Result<Option<(Arc<Folder>, std::ffi::OsString)>> {
        if self.missing.as_ref().is_some_and(|missing| below.starts_with(missing)) {
            return Ok(None);
        }
        let whole = self.at.below().join_path(below).map_err(io::Error::other)?;
        let at = Location::new(self.at.root(), whole, self.at.reach());
        let Some(name) = last_name(below)? else {
            let target = Targets::default().find(&at, Create::None)?;
            return Ok(target.and_then(|target| Some((target.folder, target.name?))));
        };
        let parent = below.parent().unwrap_or_default();
        if let (known, Place::Folder(folder)) = &self.last
            && *known == parent
        {
            return Ok(Some((Arc::clone(folder), name)));
        }
        match Targets::default().find(&at, Create::None)? {
            Some(target) => {
                self.last = (parent, Place::Folder(Arc::clone(&target.folder)));
                Ok(Some((target.folder, name)))
            }
            None => {
                self.missing = Some(parent);
                Ok(None)
            }
        }
    }
}

fn last_name(below: &RemotePath) -> io::Result<Option<std::ffi::OsString>> {
    let Some(name) = below.name() else { return Ok(None) };
    let name = crate::os_name::local_name(&name);
    name.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))
}

impl Existing for Here {
    fn look(&mut self, below: &RemotePath) -> Result<Option<Found>, ClientError> {
        let found = self.target(below).and_then(|target| match target {
            Some((folder, name)) => folder.stat(&name),
            None => Ok(None),
        });
        found.map_err(|error| {
            let whole = self.at.below().join_path(below).unwrap_or_default();
            failed(&Location::new(self.at.root(), whole, self.at.reach()), error)
        })
    }

    fn digest(&mut self, _below: &RemotePath, found: &Found) -> Option<Digest> {
        self.remembered.as_ref()?.recall(found.version.as_ref()?.get::<Identity>()?)
    }

    fn begun(&mut self, below: &RemotePath) -> u64 {
        let target = self.target(below).ok().flatten();
        target.map_or(0, |(folder, name)| Part::length(&folder, &name))
    }
}

/// Returns the free space of the disk that holds, or will hold, a location.
pub(super) fn room(at: &Location) -> Result<Option<Room>, ClientError> {
    let find = || {
        let mut targets = Targets::default();
        let Some(target) = targets.find(at, Create::None)? else { return Ok(None) };
        // Another disk may be mounted on the target itself.
        let within = targets.folder(at, Create::None).ok().flatten();
        let folder = within.unwrap_or(target.folder);
        Ok(folder.free().map(|free| Room { volume: folder.device(), free, quota: false, held: 0 }))
    };
    find().map_err(|error| failed(at, error))
}
