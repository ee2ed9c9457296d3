//! The targets of clicks: recorded while the screen is drawn, looked up when the mouse is pressed.

use ratatui_core::layout::{Position, Rect};

use crate::tui::action::{Action, Where};

/// The target of a click on a part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A key that is shown, or a choice that has one.
    Key(Action),
    /// A line of the list that has the keys, by its number.
    Line(usize),
    /// A key that is shown on such a line, and is meant for it.
    KeyOfLine(usize, Action),
    /// A field of the form, by its number.
    Field(usize),
}

/// The targets of clicks on the screen as it was drawn last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    /// The part of the screen that had the keys.
    place: Option<Where>,
    /// The number of dialogs that were open.
    depth: usize,
    /// The areas, those drawn later last.
    areas: Vec<(Rect, Target)>,
}

impl Hits {
    /// Nothing yet, for a screen on which `place` has the keys over `depth` dialogs.
    pub(crate) fn new(place: Where, depth: usize) -> Self {
        Self { place: Some(place), depth, areas: Vec::new() }
    }

    /// Records what an area stands for.
    pub(crate) fn add(&mut self, area: Rect, target: Target) {
        self.areas.push((area, target));
    }

    /// The target at a cell, the topmost if there are several; nothing if the keys went elsewhere since the drawing.
    pub(crate) fn at(&self, cell: Position, place: Where, depth: usize) -> Option<Target> {
        if (self.place, self.depth) != (Some(place), depth) {
            return None;
        }
        self.areas.iter().rev().find(|(area, _)| area.contains(cell)).map(|(_, target)| *target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_that_was_drawn_last_is_the_one_that_is_clicked() {
        let mut hits = Hits::new(Where::List, 1);
        hits.add(Rect::new(0, 0, 10, 10), Target::Line(3));
        hits.add(Rect::new(2, 2, 2, 1), Target::Key(Action::Accept));
        let at = |x, y| hits.at(Position { x, y }, Where::List, 1);
        assert_eq!([at(1, 1), at(3, 2), at(10, 0)], [Some(Target::Line(3)), Some(Target::Key(Action::Accept)), None]);
    }

    #[test]
    fn a_screen_that_was_drawn_for_another_dialog_does_not_count() {
        let mut hits = Hits::new(Where::Confirm, 1);
        hits.add(Rect::new(0, 0, 1, 1), Target::Key(Action::Accept));
        let at = |place, depth| hits.at(Position { x: 0, y: 0 }, place, depth);
        assert_eq!(at(Where::Confirm, 1), Some(Target::Key(Action::Accept)));
        assert_eq!([at(Where::Danger, 1), at(Where::Confirm, 2)], [None, None]);
    }
}
