//! Prepares a target in memory and looks up its existing content.

use ferry_shared::path::RemotePath;

use super::{
    tree::{What, told},
    way::Way,
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Existing, Folders, Found, Location, Make, Prepared, Resume, TargetKind},
};

struct Here {
    way: Way,
    at: Location,
    there: bool,
}

pub(super) fn prepare(way: &Way, at: &Location, target: TargetKind, make: Make) -> Result<Prepared, ClientError> {
    let there = way.tree(|tree| {
        let path = tree.resolve(at)?;
        let implied = tree.abilities().folders == Folders::Implied;
        let parents = make == Make::WithParents;
        match target {
            TargetKind::File => {
                if let Some(parent) = path.parent().filter(|_| make != Make::Nothing) {
                    tree.check_parent(&parent, parents)?;
                }
                Ok(tree.look(&path).is_some())
            }
            TargetKind::Folder if make == Make::Nothing || implied => match tree.look(&path) {
                Some(node) if matches!(node.what, What::Folder) => Ok(true),
                Some(_) => Err(told(Obstacle::NotFolder, &path)),
                None => Ok(false),
            },
            TargetKind::Folder => tree.make_folder_at(&path, parents),
        }
    })?;
    Ok(Prepared { there, existing: Box::new(Here { way: way.clone(), at: at.clone(), there }) })
}

impl Here {
    fn at(&self, below: &RemotePath) -> Location {
        let whole = self.at.below().join_path(below).unwrap_or_default();
        Location::new(self.at.root(), whole, self.at.reach())
    }
}

impl Existing for Here {
    fn look(&mut self, below: &RemotePath) -> Result<Option<Found>, ClientError> {
        if !self.there {
            return Ok(None);
        }
        self.way.tree(|tree| {
            let path = tree.resolve(&self.at(below))?;
            Ok(tree.look(&path).map(|node| tree.found(&node)))
        })
    }

    fn begun(&mut self, below: &RemotePath) -> u64 {
        self.way.tree(|tree| match tree.resolve(&self.at(below)) {
            Ok(path) if tree.abilities().resume == Resume::Blocks => {
                tree.parts.get(&path).map_or(0, |part| part.len() as u64)
            }
            _ => 0,
        })
    }
}
