//! Calls about this computer's files, on threads that may block.

mod change;
mod modes;
mod read;
mod walk;

pub(super) use change::{make_folder, make_link, remove, remove_copy, rename, write};
pub(super) use modes::set_modes;
pub(super) use read::{digest, free, item, list, read};
pub(super) use walk::{count, search};
