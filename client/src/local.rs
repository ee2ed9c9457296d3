//! This computer as a site: its folders, files and unfinished downloads.

pub(crate) mod ancestors;
mod batch;
mod existing;
pub(crate) mod flush;
pub(crate) mod folder;
pub(crate) mod identity;
mod landing;
mod link;
pub(crate) mod part;
mod place;
mod publish;
mod put;
mod read;
mod remembered;
mod remove;
mod root;
mod session;
mod source;
pub(crate) mod stream;
pub(crate) mod system;
mod threads;
mod walk;

use crate::site::{Abilities, Outcome, Session, Site, Surroundings};

/// This computer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local;

impl Local {
    /// The abilities of this computer.
    pub const ABILITIES: Abilities = Abilities {
        near: true,
        server_copy: false,
        search: false,
        quota: false,
        unfinished: false,
        register: false,
        password: false,
        names: if cfg!(unix) { crate::site::Names::Bytes } else { crate::site::Names::Utf8 },
        mode_bits: cfg!(unix),
        links: cfg!(unix),
        ..Abilities::ALL
    };
}

impl Site for Local {
    fn name(&self) -> String {
        "local".to_owned()
    }

    fn abilities(&self) -> Abilities {
        Self::ABILITIES
    }

    fn open<'a>(&'a self, surroundings: &'a Surroundings) -> Outcome<'a, Box<dyn Session>> {
        Box::pin(async { Ok(Box::new(session::LocalSession::new(surroundings)) as Box<dyn Session>) })
    }
}
