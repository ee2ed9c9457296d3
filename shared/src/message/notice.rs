//! Notices: messages that a server may send at any time between replies.

use serde::{Deserialize, Serialize};

use super::reply::{Access, Usage};

/// A fact that the client should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The user's usage or limits changed.
    UsageChanged(Usage),
    /// The access of the account changed during the connection.
    AccountChanged {
        /// The present access.
        access: Access,
    },
    /// A message of the operator to everybody.
    Broadcast {
        /// The message.
        text: String,
    },
    /// The server will close this connection; transfers can be resumed later.
    Closing {
        /// The reason.
        reason: String,
        /// The number of seconds until then.
        seconds: u64,
    },
}
