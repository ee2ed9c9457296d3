//! An attempt to connect: what was typed for it, and a server that is tried beside the one that is connected.

use super::{dialog::Form, saved::NamedSite, server::Server, ticket::Ticket};

/// An attempt to connect.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    /// The form it was typed into, to be mended should it fail.
    pub(crate) form: Option<Box<Form>>,
    /// The site to save once its server was reached.
    pub(crate) site: Option<NamedSite>,
    /// The server that is tried while another one is connected.
    pub(crate) beside: Option<(Server, Ticket)>,
}
