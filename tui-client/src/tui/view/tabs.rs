//! The names of the tabs, and of both panes where only one is shown.

use ratatui::layout::Rect;

use super::{
    paint::{Paint, columns},
    pane,
};
use crate::tui::{
    action::{Action, Where},
    state::{State, side::Side},
};

/// The line with a name for each tab: what its active pane shows.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, area: Rect) {
    let theme = &paint.appearance().theme;
    paint.clear(area);
    let width = state.tabs.width(area.width);
    for index in 0..state.tabs.count() {
        let Some((panes, side)) = state.tab(index) else { continue };
        let other = pane::short(state, &panes[side.other()]);
        let name = format!("{} {}", index + 1, pane::short(state, &panes[side]));
        let long = format!("{name} {} {other}", paint.appearance().signs.between);
        let name = if columns(&long) + 2 <= width { long } else { name };
        let shown = index == state.tabs.shown();
        let style = match (shown, side) {
            (false, _) => theme.chip,
            (true, Side::Left) => theme.chip_left,
            (true, Side::Right) => theme.chip_right,
        };
        let x = area.x + width * u16::try_from(index).unwrap_or(u16::MAX);
        // Without colours, the brackets tell which one is shown.
        let name = if shown { format!("[{name}]") } else { name };
        paint.chip(x, area.y, width.saturating_sub(1), &name, style);
    }
}

/// The line that names both panes, where only one is shown.
pub(super) fn sides(paint: &mut Paint<'_>, state: &State, area: Rect) {
    let theme = &paint.appearance().theme;
    let half = area.width / 2;
    for (side, x) in [(Side::Left, area.x), (Side::Right, area.x + half)] {
        let active = side == state.active;
        let (style, mark) =
            if active { (theme.title_active, paint.appearance().signs.cursor) } else { (theme.title, " ") };
        let name = pane::name(state, &state.panes[side], Some(side));
        let taken = 2 + paint.text(x + 2, area.y, half.saturating_sub(3), &name, style);
        paint.text(x, area.y, 1, mark, style);
        if !active && let Some(key) = state.keymap.label(Where::Browse, Action::OtherPane) {
            let hint = format!("{key} shows it");
            if taken + 3 + columns(&hint) <= half {
                paint.text(x + taken + 2, area.y, half, &hint, theme.dim);
            }
        }
    }
}
