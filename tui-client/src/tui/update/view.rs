//! The viewer: opening a file, reading the blocks on the screen, scrolling and searching.

use ferry_shared::entry::Kind;

use super::Out;
use crate::tui::{
    action::Action,
    effect::Effect,
    state::{
        State,
        dialog::{Dialog, TypeLine, Typing, Viewer},
        layout::Layout,
        pattern::Pattern,
        problem::Problem,
        ticket::Ticket,
    },
};

/// The columns of one step to the side.
const SIDEWAYS: usize = 8;

/// Opens the file under the cursor in the viewer.
pub(super) fn open(state: &mut State, out: &mut Out) {
    let pane = state.pane();
    let Some(item) = pane.current() else { return };
    let refusal = match item.entry.kind {
        Kind::Folder => Some("is a folder; Enter goes into it"),
        Kind::Other => Some("is no file: a FIFO, a socket or a device"),
        Kind::Symlink if !pane.place.is_local() => Some("is a symlink; the server does not follow them"),
        _ => None,
    };
    if let Some(refusal) = refusal {
        let text = format!("{} {refusal}", item.entry.name.display());
        state.warn(text);
        return;
    }
    let Some(place) = pane.place.join(&item.entry.name) else { return };
    state.dialogs.push(Dialog::View(Box::new(Viewer::new(place))));
    read(state, out);
}

/// Asks for the next block the screen needs.
fn read(state: &mut State, out: &mut Out) {
    let ticket = state.tickets.next();
    let Some(viewer) = top(state) else { return };
    if let Some(block) = viewer.wanted() {
        viewer.reading = Some((ticket, block));
        out.push(Effect::Read(ticket, viewer.place.clone(), block));
    }
}

fn top(state: &mut State) -> Option<&mut Viewer> {
    state.dialogs.iter_mut().rev().find_map(|dialog| match dialog {
        Dialog::View(viewer) => Some(&mut **viewer),
        _ => None,
    })
}

/// Takes a block.
pub(super) fn block(state: &mut State, ticket: Ticket, index: u64, bytes: Vec<u8>, size: u64, out: &mut Out) {
    let (width, height) = room(state);
    let Some(viewer) = top(state).filter(|viewer| viewer.reading == Some((ticket, index))) else { return };
    let was_end = viewer.size.is_some_and(|size| viewer.top == size || index == size.saturating_sub(1) / (1 << 20))
        && viewer.lines(width, 1).is_empty();
    viewer.take(index, bytes, size);
    if was_end {
        viewer.show_end(width, height);
    }
    read(state, out);
}

/// A block cannot be read. Returns whether the viewer waits for it.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    let viewer = top(state).filter(|viewer| viewer.reading.is_some_and(|(waited, _)| waited == ticket));
    let waited = viewer.is_some();
    if let Some(viewer) = viewer {
        viewer.reading = None;
        viewer.problem = Some(problem.clone());
    }
    waited
}

/// Columns and lines for the file.
fn room(state: &State) -> (usize, usize) {
    let area = Layout::of(state).map(|layout| layout.full()).unwrap_or_default();
    (usize::from(area.width.max(1)), usize::from(area.height.saturating_sub(1).max(1)))
}

/// Does an action in the viewer.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    let (width, height) = room(state);
    let page = isize::try_from(height).unwrap_or(1).max(2) - 1;
    let Some(viewer) = top(state) else { return };
    let mut scroll = |lines| viewer.scroll(lines, width, height);
    match action {
        Action::Up => scroll(-1),
        Action::Down => scroll(1),
        Action::PageUp => scroll(-page),
        Action::PageDown => scroll(page),
        Action::HalfUp => scroll(-page / 2),
        Action::HalfDown => scroll(page / 2),
        Action::Top => viewer.top = 0,
        Action::Bottom => viewer.show_end(width, height),
        Action::Left => viewer.left = viewer.left.saturating_sub(SIDEWAYS),
        Action::Right if !viewer.wrap => viewer.left += SIDEWAYS,
        Action::Hex => {
            viewer.hex = !viewer.hex;
            viewer.left = 0;
            viewer.top = if viewer.hex { viewer.top / 16 * 16 } else { viewer.top };
        }
        Action::Wrap => {
            viewer.wrap = !viewer.wrap;
            viewer.left = 0;
        }
        Action::Find => {
            let typing = Typing::FindText(viewer.top);
            state.dialogs.push(Dialog::Type(TypeLine::new(typing)));
        }
        Action::FindNext | Action::FindPrevious if !find_again(state, action == Action::FindNext) => {
            state.warn("no further match in what was read");
        }
        Action::Close => {
            if let Some(Dialog::View(viewer)) = state.dialogs.pop()
                && let Some((ticket, _)) = viewer.reading
            {
                out.push(Effect::Drop(ticket));
            }
            return;
        }
        _ => {}
    }
    read(state, out);
}

/// Finds the typed text, from the start of the search.
pub(super) fn find_typed(state: &mut State, origin: u64, text: &str) -> Option<String> {
    let (width, _) = room(state);
    let viewer = top(state)?;
    viewer.top = origin;
    viewer.find = (!text.is_empty()).then(|| Pattern::part(text));
    let found = text.is_empty() || viewer.find_from(origin, true, width);
    (!found).then(|| "not in what was read from here on".to_owned())
}

/// Finds the next match, or the previous one. Returns whether there is one.
pub(super) fn find_again(state: &mut State, forward: bool) -> bool {
    let (width, _) = room(state);
    let Some(viewer) = top(state) else { return false };
    viewer.neighbour(forward, width).is_some_and(|from| viewer.find_from(from, forward, width))
}

/// Goes back to where a search began.
pub(super) fn back_to(state: &mut State, origin: u64) {
    if let Some(viewer) = top(state) {
        viewer.top = origin;
        viewer.find = None;
    }
}
