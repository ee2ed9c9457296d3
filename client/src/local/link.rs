//! Symbolic links as such: their texts are read and written, and never followed.

use std::io;

use ferry_shared::entry::Kind;

use super::{
    landing::{Create, Targets},
    part::part_name,
    place::source_path,
    system,
};
use crate::site::{Location, Reach};

/// The text of the link at a location.
pub(super) fn read(targets: &mut Targets, at: &Location) -> io::Result<Vec<u8>> {
    match at.reach() {
        Reach::Contained => {
            let target = targets.get(at, Create::None)?;
            target.folder.read_link(target.name()?)
        }
        Reach::Follow | Reach::NoFollow => system::link_text(std::fs::read_link(source_path(at)?)?),
    }
}

/// Makes a link, whose name is durable afterwards. With `replace`, it takes the place of another link at once.
pub(super) fn make(targets: &mut Targets, at: &Location, text: &[u8], replace: bool) -> io::Result<()> {
    let target = targets.get(at, Create::None)?;
    let (folder, name) = (&target.folder, target.name()?);
    match folder.look(name)? {
        None => folder.make_link(name, text)?,
        Some(found) if found.kind == Kind::Symlink && folder.read_link(name)? == text => return Ok(()),
        Some(found) if found.kind == Kind::Symlink && replace => {
            let mut aside = name.to_owned();
            aside.push(".link");
            let aside = part_name(&aside)?;
            match folder.make_link(&aside, text) {
                // An interrupted attempt left it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    folder.remove(&aside)?;
                    folder.make_link(&aside, text)?;
                }
                made => made?,
            }
            folder.rename(&aside, name, true)?;
        }
        Some(_) => return Err(io::ErrorKind::AlreadyExists.into()),
    }
    folder.sync()
}
