//! The layout of the screen, computed from the size alone, for drawing, scrolling and the mouse.

use ratatui_core::layout::Rect;

use super::{State, side::Side};

/// Below this the screen shows only that it is too small.
pub(crate) const LEAST: (u16, u16) = (50, 12);
/// From this width on both panes are shown side by side.
pub(crate) const TWO_PANES: u16 = 80;
/// From this width on the preview has a column of its own.
pub(crate) const THREE_COLUMNS: u16 = 140;
/// Hundredths of the width that this column takes.
const PREVIEW_WIDTH: u32 = 32;
/// Lines and columns of a pane's frame: the title and the status are on it.
const FRAME: u16 = 2;

/// The areas of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Layout {
    /// The whole screen.
    pub(crate) screen: Rect,
    /// The line that names the tabs, where there are several.
    pub(crate) tabs: Option<Rect>,
    /// The line that names both panes, where only one is shown.
    pub(crate) sides: Option<Rect>,
    /// The left pane.
    pub(crate) left: Option<Rect>,
    /// The right pane.
    pub(crate) right: Option<Rect>,
    /// The columns between them, which can be dragged: the frames of both.
    pub(crate) divider: Option<Rect>,
    /// The preview, right of both panes or in the place of the other one.
    pub(crate) preview: Option<Rect>,
    /// The transfers.
    pub(crate) transfer_strip: Option<Rect>,
    /// The line with the keys.
    pub(crate) footer: Rect,
}

impl Layout {
    /// The layout for `state`; `None` if the screen is too small.
    pub(crate) fn of(state: &State) -> Option<Self> {
        let (width, height) = state.size;
        if width < LEAST.0 || height < LEAST.1 {
            return None;
        }
        let mut layout = Self { screen: Rect { x: 0, y: 0, width, height }, ..Self::default() };
        layout.footer = Rect { x: 0, y: height - 1, width, height: 1 };
        let mut bottom = height - 1;
        let strip = transfer_strip_height(state);
        if strip > 0 {
            bottom -= strip;
            layout.transfer_strip = Some(Rect { x: 0, y: bottom, width, height: strip });
        }
        let mut y = 0;
        let line = |y| Some(Rect { x: 0, y, width, height: 1 });
        if state.tabs.count() > 1 {
            layout.tabs = line(y);
            y += 1;
        }
        if width >= TWO_PANES {
            let screen = width;
            let width = layout.beside_preview(state, (y, bottom - y));
            let left = left_width(width, state.divider);
            let height = bottom - y;
            layout.left = Some(Rect { x: 0, y, width: left, height });
            layout.divider = Some(Rect { x: left - 1, y, width: 2, height });
            layout.right = Some(Rect { x: left, y, width: width - left, height });
            if screen < THREE_COLUMNS && state.preview.instead {
                layout.preview = match state.active {
                    Side::Left => layout.right.take(),
                    Side::Right => layout.left.take(),
                };
            }
        } else {
            layout.sides = line(y);
            let one = Some(Rect { x: 0, y: y + 1, width, height: bottom - y - 1 });
            match state.active {
                Side::Left => layout.left = one,
                Side::Right => layout.right = one,
            }
        }
        Some(layout)
    }

    /// Gives the preview a column of its own at the right, if it is to have one. Returns the width that is left.
    fn beside_preview(&mut self, state: &State, (y, height): (u16, u16)) -> u16 {
        let width = state.size.0;
        if width < THREE_COLUMNS || !state.preview.column {
            return width;
        }
        let taken = u16::try_from(u32::from(width) * PREVIEW_WIDTH / 100).unwrap_or(width / 3);
        self.preview = Some(Rect { x: width - taken, y, width: taken, height });
        width - taken
    }

    /// The columns of both panes.
    pub(crate) fn panes_width(&self) -> u16 {
        let beside = self.preview.filter(|_| self.left.is_some() && self.right.is_some());
        beside.map_or(self.screen.width, |preview| preview.x)
    }

    /// The columns and lines for the content of the preview; `None` if it is not shown.
    pub(crate) fn preview_room(&self) -> Option<(u16, u16)> {
        self.preview.map(|area| {
            let inside = inside(area);
            (inside.width.saturating_sub(2), inside.height)
        })
    }

    /// Where a pane is, if it is shown.
    pub(crate) fn pane(&self, side: Side) -> Option<Rect> {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }

    /// The lines of a pane that show entries.
    pub(crate) fn entries(&self, side: Side) -> Option<Rect> {
        let pane = self.pane(side)?;
        Some(inside(pane))
    }

    /// The area of a dialog that takes the whole screen: all but the footer.
    pub(crate) fn full(&self) -> Rect {
        Rect { height: self.screen.height - 1, ..self.screen }
    }
}

/// The inside of a frame.
pub(crate) fn inside(frame: Rect) -> Rect {
    let (width, height) = (frame.width.saturating_sub(FRAME), frame.height.saturating_sub(FRAME));
    Rect { x: frame.x + 1, y: frame.y + 1, width, height }
}

/// The width of the left pane, with the divider at some hundredths.
fn left_width(width: u16, divider: u16) -> u16 {
    let wished = u32::from(width) * u32::from(divider.min(100)) / 100;
    u16::try_from(wished).unwrap_or(width).clamp(30, width - 30)
}

/// The lines of the transfer strip: a title and some transfers; 0 if there are none.
fn transfer_strip_height(state: &State) -> u16 {
    let rows = u16::try_from(state.transfers.all().len()).unwrap_or(u16::MAX);
    if rows == 0 {
        return 0;
    }
    let most = match state.size.1 {
        0..18 => 1,
        18..30 => 3,
        _ => 4,
    };
    1 + rows.min(most)
}
