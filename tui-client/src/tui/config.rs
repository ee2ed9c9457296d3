//! The settings that the user keeps in files.

mod settings;

pub(crate) use settings::Settings;
