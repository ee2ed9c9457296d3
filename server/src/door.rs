//! The protocols by which users reach their homes.

use std::fmt;

use serde::Serialize;

/// A protocol, as sessions, logs and metrics name it. Each has listeners of its own; accounts, homes and their
/// rules are the same behind all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// Ferry's own protocol.
    Ferry,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Ferry];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ferry => "ferry",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
