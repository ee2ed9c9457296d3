//! What a server says unasked, any time between replies.

use serde::{Deserialize, Serialize};

use super::reply::{Access, Usage};

/// Something the client should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The user's usage or limits changed.
    UsageChanged(Usage),
    /// What the user may do changed while connected.
    AccountChanged {
        /// What the user may do now.
        access: Access,
    },
    /// The operator's word to everybody.
    Broadcast {
        /// The word.
        text: String,
    },
    /// The server will close this connection; transfers can be resumed later.
    Closing {
        /// Why.
        reason: String,
        /// In how many seconds.
        seconds: u64,
    },
}
