//! Tickets identify requests, so that late answers are recognised.

/// The identifier of a request to the disk or the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// Gives out tickets.
#[derive(Debug, Default)]
pub(crate) struct Tickets(u64);

impl Tickets {
    /// A new ticket.
    pub(crate) fn next(&mut self) -> Ticket {
        self.0 += 1;
        Ticket(self.0)
    }
}
