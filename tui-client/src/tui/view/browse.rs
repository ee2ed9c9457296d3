//! The panes, the divider, the tabs and the transfer strip: everything that dialogs are drawn over.

use super::{paint::Paint, pane, transfer_strip};
use crate::tui::state::{State, layout::Layout, side::Side};

/// Draws the panes and the transfer strip.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, layout: &Layout) {
    for side in Side::BOTH {
        if let Some(area) = layout.pane(side) {
            pane::draw(paint, state, side, area);
        }
    }
    if let Some(divider) = layout.divider {
        let border = paint.appearance().theme.border;
        paint.down(divider, border);
    }
    if let Some(tabs) = layout.tabs {
        pane::tabs(paint, state, tabs);
    }
    if let Some(area) = layout.transfer_strip {
        transfer_strip::draw(paint, state, area);
    }
}
