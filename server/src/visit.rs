//! The facts about a logged-in connection that the services behind a door need.

use std::{net::SocketAddr, sync::Arc};

use crate::{context::Context, gate::Gate, session::Session};

/// A logged-in connection at a door, as the services behind it need it.
pub(crate) struct Visit {
    pub(crate) context: Arc<Context>,
    pub(crate) session: Arc<Session>,
    pub(crate) gate: Gate,
    pub(crate) peer: SocketAddr,
}
