//! Left and right, and the two panes there.

use std::ops::{Index, IndexMut};

use super::pane::Pane;

/// One of the two panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

impl Side {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Left, Self::Right];

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// The two panes.
#[derive(Debug)]
pub(crate) struct Panes {
    left: Pane,
    right: Pane,
}

impl Panes {
    /// Both panes.
    pub(crate) fn new(left: Pane, right: Pane) -> Self {
        Self { left, right }
    }

    /// Exchanges the panes.
    pub(crate) fn swap(&mut self) {
        std::mem::swap(&mut self.left, &mut self.right);
    }

    /// Both, left first.
    pub(crate) fn both_mut(&mut self) -> [&mut Pane; 2] {
        [&mut self.left, &mut self.right]
    }
}

impl Index<Side> for Panes {
    type Output = Pane;

    fn index(&self, side: Side) -> &Pane {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

impl IndexMut<Side> for Panes {
    fn index_mut(&mut self, side: Side) -> &mut Pane {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}
