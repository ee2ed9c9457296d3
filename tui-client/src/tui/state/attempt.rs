//! An attempt to connect: its form, and a server that is tried beside the connected one.

use super::{dialog::Form, saved::NamedSite, server::Server, ticket::Ticket};

/// An attempt to connect.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    /// The form with the typed text, shown again if the attempt fails.
    pub(crate) form: Option<Box<Form>>,
    /// The site to save once its server was reached.
    pub(crate) site: Option<NamedSite>,
    /// The server that is tried while another one is connected.
    pub(crate) beside: Option<(Server, Ticket)>,
}
