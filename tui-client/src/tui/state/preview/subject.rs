//! The entry that a preview is about, and how the preview is asked for.

use ferry_shared::entry::{Kind, Mtime};

use super::Content;
use crate::tui::state::{
    appearance::{Appearance, Depth, Images},
    item::Item,
    order::Sort,
    pane::Pane,
    place::Place,
};

/// The colours that a text is highlighted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Palette {
    /// None: bold and dim only.
    #[default]
    None,
    /// The terminal's own sixteen, which are readable on its background.
    Sixteen,
    /// Exact ones for a dark background.
    Dark,
    /// Exact ones for a light background.
    Light,
}

impl Palette {
    /// The colours that an appearance calls for.
    pub(crate) fn of(appearance: &Appearance) -> Self {
        match appearance.depth() {
            Depth::None => Self::None,
            _ if appearance.is_colourless() => Self::None,
            Depth::Sixteen => Self::Sixteen,
            Depth::Many | Depth::All if appearance.is_light() => Self::Light,
            Depth::Many | Depth::All => Self::Dark,
        }
    }
}

/// The entry that a preview is about. A preview stays valid while this is equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The entry.
    pub(crate) place: Place,
    /// Its kind.
    pub(crate) kind: Kind,
    /// A symlink that leads to a folder.
    pub(crate) leads: bool,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its time of change.
    pub(crate) mtime: Mtime,
    /// Whether its site can be asked.
    pub(crate) reachable: bool,
    /// The colours for a text.
    pub(crate) palette: Palette,
    /// The order of a folder's entries, and whether hidden names are shown.
    pub(crate) order: Option<(Sort, bool)>,
}

/// A request for a preview.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The entry.
    pub(crate) subject: Subject,
    /// The columns and lines for its content.
    pub(crate) room: (u16, u16),
    /// How images are drawn.
    pub(crate) images: Images,
}

impl Subject {
    /// An entry of the folder that `pane` shows; `None` if its site cannot have the path.
    pub(crate) fn of(pane: &Pane, item: &Item, reachable: bool, palette: Palette) -> Option<Self> {
        let entry = &item.entry;
        Some(Self {
            place: pane.place.join(&entry.name)?,
            kind: entry.kind,
            leads: item.leads,
            size: entry.size,
            mtime: entry.mtime,
            reachable,
            palette: if entry.kind == Kind::File { palette } else { Palette::None },
            order: (entry.kind == Kind::Folder).then_some((pane.viewing.sort, pane.viewing.hidden)),
        })
    }

    /// Its preview, where that needs nothing to be read.
    pub(super) fn unread(&self) -> Option<Content> {
        match self.kind {
            // Opening one could wait for its other end, or make a device do something.
            Kind::Other => Some(Content::words("special", "a FIFO, a socket or a device; it is not opened")),
            Kind::Symlink if !self.place.is_local() => {
                Some(Content::words("symbolic link", "a symbolic link; the server does not follow it"))
            }
            _ if !self.reachable => Some(Content::words("", "not connected")),
            Kind::File if self.size == 0 && !self.place.is_local() => Some(Content::words("", "the file is empty")),
            Kind::File | Kind::Folder | Kind::Symlink => None,
        }
    }

    /// Whether its preview may be shown again later. What a folder contains changes without its date.
    pub(super) fn is_kept(&self) -> bool {
        self.kind == Kind::File
    }
}
