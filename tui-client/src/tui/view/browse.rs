//! The panes, the tabs and the transfer strip: everything that dialogs are drawn over.

use super::{paint::Paint, pane, preview, tabs, transfer_strip};
use crate::tui::state::{State, layout::Layout, side::Side};

/// Draws the panes and the transfer strip.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, layout: &Layout) {
    for side in Side::BOTH {
        if let Some(area) = layout.pane(side) {
            pane::draw(paint, state, side, area);
        }
    }
    if let Some(area) = layout.tabs {
        tabs::draw(paint, state, area);
    }
    if let Some(area) = layout.preview {
        preview::draw(paint, state, area);
    }
    if let Some(area) = layout.sides {
        tabs::sides(paint, state, area);
    }
    if let Some(area) = layout.transfer_strip {
        transfer_strip::draw(paint, state, area);
    }
}
