//! The preview: follows the cursor once it rests, gives up what is not wanted any more, and is shown or hidden.

use super::Out;
use crate::tui::{
    effect::Effect,
    state::{
        State,
        dialog::Dialog,
        layout::{Layout, THREE_COLUMNS, TWO_PANES},
        preview::{Body, Content, Palette, Step, Subject, Wanted},
        problem::Problem,
        ticket::Ticket,
    },
};

/// Shows the preview, or hides it.
pub(super) fn toggle(state: &mut State) {
    let preview = &mut state.preview;
    match state.size.0 {
        THREE_COLUMNS.. => preview.column = !preview.column,
        TWO_PANES.. => preview.instead = !preview.instead,
        _ => state.warn(format!("a preview needs a screen of {TWO_PANES} columns; Enter views the file")),
    }
}

/// Scrolls the preview by some lines.
pub(super) fn scroll(state: &mut State, lines: isize) {
    let Some((_, height)) = room(state) else { return };
    let Step::Shown(content) = &state.preview.step else { return };
    let all = match &content.body {
        Body::Text(lines) => lines.len(),
        Body::List(list) => list.rows.len() + usize::from(list.rest.is_some()),
        Body::Words(_) | Body::Hex(_) | Body::Picture(_) => 0,
    };
    let last = all.saturating_sub(usize::from(height));
    state.preview.top = state.preview.top.saturating_add_signed(lines).min(last);
}

/// The columns and lines for its content; `None` while it cannot be seen.
fn room(state: &State) -> Option<(u16, u16)> {
    if state.dialogs.iter().any(Dialog::is_full) {
        return None;
    }
    Layout::of(state)?.preview_room()
}

/// The entry under the cursor of the active pane.
fn subject(state: &State) -> Option<Subject> {
    let pane = state.pane();
    let item = pane.current().filter(|_| !pane.vacant)?;
    Subject::of(pane, item, state.is_reachable(&pane.place), Palette::of(&state.appearance))
}

/// Follows the cursor: gives up the preview of an entry it has left, and asks for that of one it rests on.
pub(super) fn follow(state: &mut State, out: &mut Out) {
    let Some(room) = room(state) else {
        // Content that was shown is kept; a request is made again.
        turn_to(state, None, (0, 0), out);
        return;
    };
    let subject = subject(state);
    let outgrown = matches!(&state.preview.step, Step::Shown(content) if !content.fits(room));
    if subject != state.preview.subject || outgrown {
        turn_to(state, subject, room, out);
    }
    if let (Step::Resting(until), Some(subject)) = (&state.preview.step, &state.preview.subject)
        && *until <= state.now
    {
        let asked = Wanted { subject: subject.clone(), room, images: state.appearance.images };
        let ticket = state.tickets.next();
        state.preview.step = Step::Loading { ticket, since: state.now };
        out.push(Effect::Preview(ticket, Box::new(asked)));
    }
}

fn turn_to(state: &mut State, subject: Option<Subject>, room: (u16, u16), out: &mut Out) {
    if let Some(ticket) = state.preview.pending() {
        out.push(Effect::Drop(ticket));
    }
    state.preview.turn_to(subject, room, state.now);
}

/// Takes the content of the preview, if it is still wanted.
pub(super) fn taken(state: &mut State, ticket: Ticket, content: Content) {
    if state.preview.pending() == Some(ticket) {
        state.preview.take(content);
    }
}

/// The preview cannot be made. Returns whether it was waited for.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    let waited = state.preview.pending() == Some(ticket);
    if waited {
        state.preview.step = Step::Failed(problem.clone());
    }
    waited
}
