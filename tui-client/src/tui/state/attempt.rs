//! An attempt to connect: the greeting, then the login, then the connection.

use super::{
    connection::Greeting, dialog::Form, place::Place, saved::NamedSite, server::Server, side::Side, ticket::Ticket,
};

/// An attempt to connect. Connections that stand already are not touched by it.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The server.
    pub(crate) server: Server,
    /// The pane that shows it once it is connected.
    pub(crate) side: Side,
    /// The place the pane shows then.
    pub(crate) place: Place,
    /// How far it is.
    pub(crate) step: Step,
    /// The form with the typed text, shown again if the attempt fails.
    pub(crate) form: Option<Box<Form>>,
    /// The site to save once its server was reached.
    pub(crate) site: Option<NamedSite>,
}

/// How far an attempt to connect is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The server is being greeted; nothing secret is sent. With the ticket of the answer.
    Reaching(Ticket),
    /// It was greeted and its key is trusted; the password is being typed.
    Greeted(Greeting),
    /// The password is being checked. With the ticket of the answer.
    LoggingIn(Greeting, Ticket),
}

impl Attempt {
    /// The ticket of the pending answer.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match self.step {
            Step::Reaching(ticket) | Step::LoggingIn(_, ticket) => Some(ticket),
            Step::Greeted(_) => None,
        }
    }
}
