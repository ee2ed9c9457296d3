//! The settings that the browser remembers from one start to the next: how many transfers at a time, and how fast.

use std::{fs, io, path::Path};

use ferry_client::transfer::{Bandwidth, Settings};
use serde::{Deserialize, Serialize};

/// The last choices in the list of transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// Transfers at a time.
    pub(crate) at_once: usize,
    /// Bytes a second to the server; no limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) up: Option<u64>,
    /// Bytes a second from it; no limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) down: Option<u64>,
}

/// Its file in the folder of the client's state.
const FILE: &str = "transfers.toml";

impl Remembered {
    /// The present state of the engine.
    pub(crate) fn of(settings: &Settings) -> Self {
        let Settings { transfers, bandwidth: Bandwidth { up, down }, .. } = *settings;
        Self { at_once: transfers, up, down }
    }

    /// Reads it; `None` if nothing was chosen yet, or the file is damaged.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(FILE)).ok()?;
        toml::from_str(&text).ok().filter(|found: &Self| (1..=64).contains(&found.at_once))
    }

    /// Writes it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn write(self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(FILE), toml::to_string(&self).map_err(io::Error::other)?)
    }

    /// The bandwidth.
    pub(crate) fn bandwidth(self) -> Bandwidth {
        Bandwidth { up: self.up, down: self.down }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_there_at_the_next_start_and_damage_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Remembered::read(folder.path()), None);
        for down in [None, Some(5 << 20)] {
            let chosen = Remembered { at_once: 7, up: Some(1024), down };
            chosen.write(folder.path()).unwrap();
            assert_eq!(Remembered::read(folder.path()), Some(chosen));
        }
        for damaged in ["", "at_once = 0", "at_once = 900", "x"] {
            fs::write(folder.path().join(FILE), damaged).unwrap();
            assert_eq!(Remembered::read(folder.path()), None, "{damaged}");
        }
    }
}
