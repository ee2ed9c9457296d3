//! Beginning to connect: a server is chosen, and it is asked for its greeting.

use super::Out;
use crate::tui::{
    effect::{ConnectionEffect, Effect},
    state::{
        State,
        attempt::Attempt,
        connection::Connection,
        dialog::{Dialog, Form, ListView, Purpose},
        server::Server,
    },
};

/// Shows the saved sites, or asks for an address where there are none.
pub(super) fn choose_server(state: &mut State) {
    let dialog = if state.saved.sites.is_empty() { form() } else { Dialog::Sites(ListView::default()) };
    state.dialogs.push(dialog);
}

/// The form for an address.
pub(super) fn form() -> Dialog {
    let form = Form::new(Purpose::Connect, "Connect to a server")
        .note("server is its name or address, with :PORT if that is not 7021; the rest below user may stay empty")
        .text("server", "")
        .text("user", "")
        .text("folder", "")
        .text("save as", "")
        .text("key file", "");
    Dialog::Form(Box::new(form))
}

/// Begins to connect. The present connection stays until the new server was reached.
pub(super) fn begin(state: &mut State, server: Server, out: &mut Out) {
    let ticket = state.tickets.next();
    state.attempt = Attempt::default();
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Sites(_) | Dialog::Reaching));
    state.dialogs.push(Dialog::Reaching);
    let (target, key, seal, links) = (server.target.clone(), server.key, server.seal.clone(), server.links);
    if state.connection.session().is_some() {
        state.attempt.beside = Some((server, ticket));
        out.push(Effect::Connection(ConnectionEffect::Try(ticket, target, key, seal)));
        return;
    }
    out.push(Effect::Connection(ConnectionEffect::Reach(ticket, target, key, seal, links)));
    state.last_server = Some(server.clone());
    state.connection = Connection::Reaching { server, ticket };
}
