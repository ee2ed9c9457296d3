//! Lists to choose from, and the results of a search.

use ferry_shared::path::RemotePath;

use crate::tui::state::{item::Item, past::Past, place::Place, problem::Problem, ticket::Ticket};

/// The cursor in a list, and the scroll position.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ListView {
    /// The line of the cursor.
    pub(crate) cursor: usize,
    /// The first line on the screen.
    pub(crate) offset: usize,
}

impl ListView {
    /// Moves the cursor in a list of `length` lines.
    pub(crate) fn step(&mut self, by: isize, length: usize) {
        self.cursor = self.cursor.saturating_add_signed(by).min(length.saturating_sub(1));
    }

    /// Scrolls so that the cursor is among `height` lines on the screen.
    pub(crate) fn settle(&mut self, height: usize, length: usize) {
        self.cursor = self.cursor.min(length.saturating_sub(1));
        self.offset = self.offset.min(self.cursor).max((self.cursor + 1).saturating_sub(height));
        self.offset = self.offset.min(length.saturating_sub(height));
    }
}

/// An entry a search found.
#[derive(Debug, Clone)]
pub(crate) struct FoundItem {
    /// The folder it is in, below the one searched.
    pub(crate) under: RemotePath,
    /// It.
    pub(crate) item: Item,
}

/// The history of transfers.
#[derive(Debug)]
pub(crate) struct History {
    /// Names the answer, until it comes.
    pub(crate) ticket: Option<Ticket>,
    /// The transfers, the last one first.
    pub(crate) items: Vec<Past>,
    /// Lines of the file that could not be read.
    pub(crate) damaged: u64,
    /// The cursor.
    pub(crate) view: ListView,
}

/// The result of a search.
#[derive(Debug)]
pub(crate) struct Found {
    /// The folder that was searched.
    pub(crate) folder: Place,
    /// The search as it was typed, for the title.
    pub(crate) pattern: String,
    /// The entries found so far.
    pub(crate) items: Vec<FoundItem>,
    /// Names the answers, while they come.
    pub(crate) ticket: Option<Ticket>,
    /// Whether there may be more than the search gives.
    pub(crate) cut: bool,
    /// Why it ended early.
    pub(crate) problem: Option<Problem>,
    /// The cursor.
    pub(crate) view: ListView,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_of_a_list_stays_in_it_and_on_the_screen() {
        let mut view = ListView::default();
        view.step(-1, 5);
        assert_eq!(view.cursor, 0);
        view.step(isize::MAX, 5);
        view.settle(3, 5);
        assert_eq!((view.cursor, view.offset), (4, 2));
        view.settle(3, 1);
        assert_eq!((view.cursor, view.offset), (0, 0));
        view.step(1, 0);
        assert_eq!(view.cursor, 0);
    }
}
