//! Beginning to connect: a server is chosen, and it is asked for its greeting.

use std::path::Path;

use super::{Out, read};
use crate::tui::{
    effect::{ConnectionEffect, Effect},
    state::{
        State,
        attempt::{Attempt, Step},
        dialog::{Dialog, Form, ListView, Purpose},
        place::Place,
        server::Server,
        side::Side,
    },
};

/// Shows the saved sites, or asks for an address where there are none.
pub(super) fn choose_server(state: &mut State) {
    let dialog = if state.saved.sites.is_empty() && state.recent_servers().is_empty() {
        form(&state.home)
    } else {
        Dialog::Sites(ListView::default())
    };
    state.dialogs.push(dialog);
}

/// The form for an address.
pub(super) fn form(home: &Path) -> Dialog {
    let form = Form::new(Purpose::Connect, "Connect to a server")
        .note("server is its name or address, with :PORT if that is not 7021; the rest below user may stay empty")
        .text("server", "")
        .text("user", "")
        .text("folder", "")
        .text("save as", "")
        .path("key file", "", Place::local(home.to_owned()));
    Dialog::Form(Box::new(form))
}

/// Begins to connect, or shows a server that is connected already: in the pane that shows nothing yet, else in the
/// active one. The connections that stand are not touched.
pub(super) fn begin(state: &mut State, server: Server, out: &mut Out) {
    let side = if state.other().vacant { state.active.other() } else { state.active };
    let place = Place::remote(server.target.clone(), server.start.clone());
    begin_at(state, server, side, place, out);
}

/// Connects again to the server of a place, and shows the place in a pane.
pub(super) fn again(state: &mut State, side: Side, place: Place, out: &mut Out) {
    if let Some(target) = place.target() {
        let server = state.server_of(target);
        begin_at(state, server, side, place, out);
    }
}

fn begin_at(state: &mut State, server: Server, side: Side, place: Place, out: &mut Out) {
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Sites(_) | Dialog::Reaching));
    if state.connections.contains_key(&server.target) {
        read::go(state, side, place, out);
        return;
    }
    if state.attempt.take().is_some() {
        out.push(Effect::Connection(ConnectionEffect::GiveUp));
    }
    let ticket = state.tickets.next();
    state.dialogs.push(Dialog::Reaching);
    let (target, key, seal, links) = (server.target.clone(), server.key, server.seal.clone(), server.links);
    state.servers.insert(target.clone(), server.clone());
    state.last_server = Some(target.clone());
    state.attempt = Some(Attempt { server, side, place, step: Step::Reaching(ticket), form: None, site: None });
    out.push(Effect::Connection(ConnectionEffect::Reach(ticket, target, key, seal, links)));
}
