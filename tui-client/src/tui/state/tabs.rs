//! Tabs: pairs of panes, one of which is on the screen. Transfers and connections belong to no tab.

use ferry_client::connect::Target;

use super::{
    State,
    pane::Pane,
    side::{Panes, Side},
};

/// The most columns of a tab's name.
const WIDEST: u16 = 32;

/// A pair of panes that is not on the screen, and how it is shown.
#[derive(Debug)]
struct Tab {
    panes: Panes,
    active: Side,
    divider: u16,
    together: bool,
}

/// The tabs that are not on the screen, in order, and the place of the shown one among them.
#[derive(Debug, Default)]
pub(crate) struct Tabs {
    hidden: Vec<Tab>,
    shown: usize,
}

impl Tabs {
    /// How many tabs there are, the shown one included.
    pub(crate) fn count(&self) -> usize {
        self.hidden.len() + 1
    }

    /// The columns of a tab's name on a screen that is `width` columns wide; at least 1.
    pub(crate) fn width(&self, width: u16) -> u16 {
        let share = width / u16::try_from(self.count()).unwrap_or(u16::MAX);
        share.clamp(1, WIDEST)
    }

    /// The index of the shown tab.
    pub(crate) fn shown(&self) -> usize {
        self.shown
    }
}

impl State {
    /// The panes of the tab with an index, and which of them is active.
    pub(crate) fn tab(&self, index: usize) -> Option<(&Panes, Side)> {
        let hidden = match index.cmp(&self.tabs.shown) {
            std::cmp::Ordering::Equal => return Some((&self.panes, self.active)),
            std::cmp::Ordering::Less => self.tabs.hidden.get(index),
            std::cmp::Ordering::Greater => self.tabs.hidden.get(index - 1),
        };
        hidden.map(|tab| (&tab.panes, tab.active))
    }

    /// The first tab that shows a server.
    pub(crate) fn tab_with(&self, server: &Target) -> Option<usize> {
        let shows = |(panes, _): (&Panes, Side)| Side::BOTH.iter().any(|side| panes[*side].target() == Some(server));
        (0..self.tabs.count()).find(|index| self.tab(*index).is_some_and(shows))
    }

    /// The panes of all tabs.
    pub(crate) fn all_panes(&self) -> impl Iterator<Item = &Pane> {
        let all = std::iter::once(&self.panes).chain(self.tabs.hidden.iter().map(|tab| &tab.panes));
        all.flat_map(|panes| Side::BOTH.map(|side| &panes[side]))
    }

    /// The panes of the tabs that are not on the screen.
    pub(crate) fn hidden_panes_mut(&mut self) -> impl Iterator<Item = &mut Pane> {
        self.tabs.hidden.iter_mut().flat_map(|tab| tab.panes.both_mut())
    }

    /// Shows a new tab after the shown one, with the same places.
    pub(crate) fn open_tab(&mut self) {
        let panes = Panes::new(self.panes[Side::Left].again(), self.panes[Side::Right].again());
        let new = Tab { panes, active: self.active, divider: self.divider, together: false };
        let before = self.exchange(new);
        self.tabs.hidden.insert(self.tabs.shown, before);
        self.tabs.shown += 1;
    }

    /// Shows the tab with an index; nothing changes where there is none.
    pub(crate) fn show_tab(&mut self, index: usize) {
        if index == self.tabs.shown || index >= self.tabs.count() {
            return;
        }
        let at = if index < self.tabs.shown { index } else { index - 1 };
        let tab = self.tabs.hidden.remove(at);
        let before = self.exchange(tab);
        let at = if index < self.tabs.shown { self.tabs.shown - 1 } else { self.tabs.shown };
        self.tabs.hidden.insert(at, before);
        self.tabs.shown = index;
    }

    /// Closes the shown tab and shows the one after it, else the one before; the only one stays.
    pub(crate) fn close_tab(&mut self) {
        let Some(last) = self.tabs.hidden.len().checked_sub(1) else { return };
        let at = self.tabs.shown.min(last);
        let next = self.tabs.hidden.remove(at);
        drop(self.exchange(next));
        self.tabs.shown = at;
    }

    /// Puts a tab on the screen and returns the one that was there.
    fn exchange(&mut self, tab: Tab) -> Tab {
        let mut panes = std::mem::replace(&mut self.panes, tab.panes);
        // The watch is on the screen's pane, whichever tab that belongs to.
        for side in Side::BOTH {
            self.panes[side].watched = panes[side].watched.take();
        }
        Tab {
            panes,
            active: std::mem::replace(&mut self.active, tab.active),
            divider: std::mem::replace(&mut self.divider, tab.divider),
            together: std::mem::replace(&mut self.together, tab.together),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tui::{fixture::Fixture, state::place::Place};

    fn order(fixture: &Fixture) -> Vec<String> {
        let tabs = 0..fixture.state.tabs.count();
        let name = |place: &Place| place.name().map_or(String::new(), |name| name.display().to_string());
        tabs.map(|tab| fixture.state.tab(tab).map(|(panes, side)| name(&panes[side].place)).unwrap()).collect()
    }

    #[test]
    fn tabs_keep_their_order_whichever_is_shown_and_closed() {
        let mut fixture = Fixture::fresh();
        for name in ["a", "b", "c", "d"] {
            fixture.state.open_tab();
            fixture.state.pane_mut().place = Place::local(format!("/{name}"));
        }
        let all = ["data", "a", "b", "c", "d"];
        for shown in [0, 3, 1, 4, 2, 2, 9] {
            fixture.state.show_tab(shown);
            assert_eq!(order(&fixture), all, "{shown} is shown");
        }
        assert_eq!(fixture.state.tabs.shown(), 2);
        for left in [&["data", "a", "c", "d"][..], &["data", "a", "d"], &["data", "a"], &["data"]] {
            fixture.state.close_tab();
            assert_eq!(order(&fixture), left);
        }
        fixture.state.close_tab();
        assert_eq!(order(&fixture), ["data"], "the only one stays");
    }
}
