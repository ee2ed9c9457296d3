//! The settings that the user keeps in files, and what the browser remembers by itself.

mod programs;
mod remembered;
mod settings;

pub(crate) use remembered::Remembered;
pub(crate) use settings::{AUTO, Notify, Settings};
