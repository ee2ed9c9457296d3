//! The mouse: a click chooses, a second opens, the wheel scrolls, the divider can be dragged. What the views recorded as
//! clickable goes first; the rest follows from the layout.

use std::time::Duration;

use super::{Out, click, key, preview, tabs};
use crate::tui::{
    action::{Action, Where},
    event::{Mouse, MouseAct},
    state::{
        Click, State,
        dialog::{Dialog, TransfersView},
        layout::Layout,
        side::Side,
    },
};

/// The longest time between the clicks of a double click.
const SECOND: Duration = Duration::from_millis(500);
/// The lines that one turn of the wheel scrolls.
const WHEEL: isize = 3;

/// The mouse did something.
pub(super) fn act(state: &mut State, mouse: Mouse, out: &mut Out) {
    let Some(layout) = Layout::of(state) else { return };
    if mouse.did == MouseAct::Release {
        state.dragging = false;
    }
    // As a key does: it takes the message away, so that the keys can be seen, and ends a begun sequence.
    if matches!(mouse.did, MouseAct::Press | MouseAct::Mark) {
        state.toast = None;
        state.pending.clear();
        if click::take(state, mouse, out) {
            return;
        }
    }
    match state.dialogs.last() {
        None => panes(state, &layout, mouse, out),
        Some(_) => over(state, mouse, out),
    }
}

/// In a dialog the wheel goes up and down.
fn over(state: &mut State, mouse: Mouse, out: &mut Out) {
    let action = match mouse.did {
        MouseAct::WheelUp => Action::Up,
        MouseAct::WheelDown => Action::Down,
        _ => return,
    };
    state.click = None;
    let place = state.place();
    for _ in 0..WHEEL {
        if crate::tui::keymap::row(place, action).is_some() {
            key::act(state, place, action, out);
        }
    }
}

fn panes(state: &mut State, layout: &Layout, mouse: Mouse, out: &mut Out) {
    let Mouse { did, at } = mouse;
    let on_divider = layout.divider.is_some_and(|divider| divider.contains(at));
    match did {
        MouseAct::Press if on_divider => state.dragging = true,
        MouseAct::Drag if state.dragging => {
            let width = u32::from(layout.panes_width().max(1));
            state.divider = u16::try_from(u32::from(at.x) * 100 / width).unwrap_or(50).clamp(20, 80);
        }
        MouseAct::Press if layout.tabs.is_some_and(|tabs| tabs.contains(at)) => {
            let width = state.tabs.width(layout.screen.width);
            tabs::show(state, usize::from(at.x / width), out);
        }
        MouseAct::Press if layout.sides.is_some_and(|sides| sides.contains(at)) => {
            state.active = if at.x < layout.screen.width / 2 { Side::Left } else { Side::Right };
        }
        MouseAct::Press if layout.transfer_strip.is_some_and(|strip| strip.contains(at)) => {
            state.dialogs.push(Dialog::Transfers(TransfersView::default()));
        }
        MouseAct::WheelUp if layout.preview.is_some_and(|area| area.contains(at)) => preview::scroll(state, -WHEEL),
        MouseAct::WheelDown if layout.preview.is_some_and(|area| area.contains(at)) => preview::scroll(state, WHEEL),
        _ => {
            let side = Side::BOTH.into_iter().find(|side| layout.pane(*side).is_some_and(|area| area.contains(at)));
            if let Some(side) = side {
                pane(state, layout, side, mouse, out);
            }
        }
    }
}

fn pane(state: &mut State, layout: &Layout, side: Side, mouse: Mouse, out: &mut Out) {
    match mouse.did {
        MouseAct::WheelUp => state.panes[side].step(-WHEEL),
        MouseAct::WheelDown => state.panes[side].step(WHEEL),
        MouseAct::Press | MouseAct::Mark => {
            state.active = side;
            let at = mouse.at;
            let Some(entries) = layout.entries(side).filter(|area| area.contains(at)) else { return };
            let row = state.panes[side].offset() + usize::from(at.y - entries.y);
            if row >= state.panes[side].rows() {
                return;
            }
            state.panes[side].put_cursor(row);
            if mouse.did == MouseAct::Mark {
                state.panes[side].toggle_mark();
                return;
            }
            let again =
                |click: Click| click.side == Some(side) && click.at.y == at.y && state.now <= click.time + SECOND;
            let second = state.click.take().is_some_and(again);
            if second {
                key::act(state, Where::Browse, Action::Open, out);
            } else {
                state.click = Some(Click { side: Some(side), at, line: None, time: state.now });
            }
        }
        _ => {}
    }
}
