//! Everything about one entry, its digest included.

use ferry_shared::entry::Kind;

use super::Out;
use crate::tui::{
    effect::Effect,
    state::{
        State,
        dialog::{Details, Dialog, DigestState},
        problem::Problem,
        ticket::Ticket,
    },
};

/// Shows everything about the entry under the cursor, and asks for its digest.
pub(super) fn open(state: &mut State, out: &mut Out) {
    let ticket = state.tickets.next();
    let pane = state.pane();
    let Some(item) = pane.current().cloned() else { return };
    let Some(place) = pane.place.join(&item.entry.name) else { return };
    let digest = match item.entry.kind {
        Kind::File => {
            out.push(Effect::Digest(ticket, place.clone()));
            DigestState::Pending(ticket)
        }
        _ => DigestState::None,
    };
    state.dialogs.push(Dialog::Details(Box::new(Details { place, item, digest })));
}

/// Takes the digest or the error. Returns whether a dialog waits for it.
pub(super) fn digest(state: &mut State, ticket: Ticket, digest: Result<String, &Problem>) -> bool {
    let waiting = state.dialogs.iter_mut().find_map(|dialog| match dialog {
        Dialog::Details(details) if details.digest == DigestState::Pending(ticket) => Some(details),
        _ => None,
    });
    let waited = waiting.is_some();
    if let Some(details) = waiting {
        details.digest = match digest {
            Ok(digest) => DigestState::Known(digest),
            Err(problem) => DigestState::Failed(problem.clone()),
        };
    }
    waited
}

/// Closes the details and abandons a digest that is still being computed.
pub(super) fn close(state: &mut State, out: &mut Out) {
    if let Some(Dialog::Details(details)) = state.dialogs.pop()
        && let DigestState::Pending(ticket) = details.digest
    {
        out.push(Effect::Drop(ticket));
    }
}
