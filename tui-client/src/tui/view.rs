//! Draws the state, and nothing but the state.

mod absent;
mod browse;
mod comparison;
mod dialog;
mod entries;
mod figures;
mod footer;
mod gauge;
mod list;
mod paint;
mod pane;
mod popup;
mod preview;
mod spark;
mod tabs;
#[cfg(test)]
mod tests;
mod transfer_strip;
mod transfers;
mod viewer;

use ratatui::{Frame, layout::Rect};

use self::paint::Paint;
use super::state::{
    State,
    dialog::Dialog,
    hits::Hits,
    layout::{LEAST, Layout},
};

/// Draws the whole screen. Returns what can be clicked on it.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State) -> Hits {
    let (width, height) = state.size;
    let area = frame.area();
    let screen = Rect { x: 0, y: 0, width: width.min(area.width), height: height.min(area.height) };
    let mut paint = Paint::new(frame.buffer_mut(), &state.appearance, Hits::new(state.place(), state.dialogs.len()));
    paint.clear(screen);
    match Layout::of(state).filter(|_| (screen.width, screen.height) == (width, height)) {
        Some(layout) => whole(&mut paint, state, &layout),
        None => too_small(&mut paint, screen),
    }
    let cursor = paint.cursor();
    let hits = paint.into_hits();
    if let Some(position) = cursor {
        frame.set_cursor_position(position);
    }
    hits
}

fn whole(paint: &mut Paint<'_>, state: &State, layout: &Layout) {
    // Skip the panes where a dialog covers the whole screen.
    let full = state.dialogs.iter().rposition(Dialog::is_full);
    paint.topmost = state.dialogs.last().is_none_or(Dialog::is_full);
    match full.map(|at| &state.dialogs[at]) {
        Some(Dialog::Transfers(view)) => transfers::draw(paint, state, view, layout.full()),
        Some(Dialog::Comparison(compared)) => comparison::draw(paint, state, compared, layout.full()),
        Some(Dialog::View(viewer)) => viewer::draw(paint, state, viewer, layout.full()),
        _ => browse::draw(paint, state, layout),
    }
    let boxes = state.dialogs.iter().enumerate().skip(full.map_or(0, |at| at + 1));
    if boxes.clone().any(|(_, dialog)| !matches!(dialog, Dialog::Type(_))) {
        paint.step_back(layout.full());
    }
    for (at, dialog) in boxes {
        paint.topmost = at + 1 == state.dialogs.len();
        dialog::draw(paint, state, dialog, layout.full());
    }
    paint.topmost = true;
    footer::draw(paint, state, layout.footer);
}

fn too_small(paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.appearance().theme;
    let (bad, text) = (theme.bad, theme.text);
    let lines = [
        ("too small", bad),
        (&*format!("{} × {}", screen.width, screen.height), text),
        (&*format!("at least {} × {}", LEAST.0, LEAST.1), text),
        ("transfers go on", text),
    ];
    let top = screen.height.saturating_sub(4) / 2;
    for ((line, style), y) in lines.into_iter().zip(top..screen.height) {
        paint.centre(Rect { y, height: 1, ..screen }, line, style);
    }
}
