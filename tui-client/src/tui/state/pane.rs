//! One of the two panes: a folder, its entries, and the cursor.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    time::Duration,
};

use ferry_client::connect::Target;
use ferry_shared::name::Name;

use super::{
    item::Item,
    listing::{Amount, Listing, Viewing},
    place::Place,
    problem::Problem,
    ticket::Ticket,
};

/// Folders a pane remembers the way back to, and cursors it remembers.
const REMEMBERED: usize = 200;
/// The least time between two times at which what has landed is shown.
pub(crate) const LANDING: Duration = Duration::from_millis(200);
/// Rows kept visible above and below the cursor.
const MARGIN: usize = 2;

/// A folder being read.
#[derive(Debug, Clone)]
pub(crate) struct Loading {
    /// Names the answers.
    pub(crate) ticket: Ticket,
    /// When it was asked for.
    pub(crate) since: Duration,
    /// Gathers a folder that is read again, until it is whole.
    pub(crate) again: Option<Listing>,
    /// Marks to restore on arriving entries.
    marks: HashSet<Name>,
}

/// One of the two panes.
#[derive(Debug)]
pub(crate) struct Pane {
    /// The folder it shows.
    pub(crate) place: Place,
    /// It was not given a folder yet, and waits for a server; its place is only where typed paths start.
    pub(crate) vacant: bool,
    /// Its entries.
    pub(crate) listing: Listing,
    /// It is being read.
    pub(crate) loading: Option<Loading>,
    /// Why it cannot be shown.
    pub(crate) problem: Option<Problem>,
    /// The sort order and the filters.
    pub(crate) viewing: Viewing,
    /// Bytes free where it is, where that is known.
    pub(crate) free: Option<u64>,
    /// When to read it again, because something changed there.
    pub(crate) reread_at: Option<Duration>,
    /// When it was read last, and how long that took.
    pub(crate) read: (Duration, Duration),
    /// The entries that have landed in it and are not shown yet.
    pub(crate) landing: Vec<Item>,
    /// When something that has landed was shown last.
    pub(crate) landed: Duration,
    /// The local folder that is watched for it.
    pub(crate) watched: Option<PathBuf>,
    /// The row of the cursor; row 0 is `..` where there is a folder above.
    cursor: usize,
    /// The first row on the screen.
    offset: usize,
    /// Where a range begins that is being marked.
    range: Option<usize>,
    /// The cursor was not moved yet: it stays on the first entry.
    fresh: bool,
    /// Where the cursor goes as soon as that is there.
    land: Option<Name>,
    elsewhere: Option<Place>,
    back: Vec<Place>,
    forward: Vec<Place>,
    cursors: HashMap<Place, Name>,
    /// The sizes of folders that were asked for, in bytes with everything below.
    sizes: HashMap<Name, u64>,
}

impl Pane {
    /// A pane that will show `place`.
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            vacant: false,
            listing: Listing::default(),
            loading: None,
            problem: None,
            viewing: Viewing::default(),
            free: None,
            reread_at: None,
            read: (Duration::ZERO, Duration::ZERO),
            landing: Vec::new(),
            landed: Duration::ZERO,
            watched: None,
            cursor: 0,
            offset: 0,
            range: None,
            fresh: true,
            land: None,
            elsewhere: None,
            back: Vec::new(),
            forward: Vec::new(),
            cursors: HashMap::new(),
            sizes: HashMap::new(),
        }
    }

    /// A pane that will show the same place in the same way.
    pub(crate) fn again(&self) -> Self {
        let mut viewing = self.viewing.clone();
        viewing.filter = None;
        Self { vacant: self.vacant, viewing, ..Self::new(self.place.clone()) }
    }

    /// The size of a folder with everything below, where it was asked for.
    pub(crate) fn size_of(&self, name: &Name) -> Option<u64> {
        self.sizes.get(name).copied()
    }

    /// Takes the size of a folder.
    pub(crate) fn set_size(&mut self, name: Name, bytes: u64) {
        self.sizes.insert(name, bytes);
    }

    /// The folder it showed last at another site.
    pub(crate) fn elsewhere(&self) -> Option<&Place> {
        self.elsewhere.as_ref()
    }

    /// Whether it shows a folder of this computer.
    pub(crate) fn is_local(&self) -> bool {
        !self.vacant && self.place.is_local()
    }

    /// The server of the folder it shows.
    pub(crate) fn target(&self) -> Option<&Target> {
        self.place.target().filter(|_| !self.vacant)
    }

    /// Whether the first row is `..`.
    pub(crate) fn has_up(&self) -> bool {
        !self.vacant && self.place.parent().is_some()
    }

    fn up_rows(&self) -> usize {
        usize::from(self.has_up())
    }

    /// How many rows there are, `..` included.
    pub(crate) fn rows(&self) -> usize {
        self.listing.len() + self.up_rows()
    }

    /// The cursor's row.
    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    /// The first row on the screen.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// The entry at a row; `None` for `..`.
    pub(crate) fn item(&self, row: usize) -> Option<&Item> {
        self.listing.get(row.checked_sub(self.up_rows())?)
    }

    /// The entry under the cursor; `None` on `..`.
    pub(crate) fn current(&self) -> Option<&Item> {
        self.item(self.cursor)
    }

    /// Whether a row counts as marked, individually or as part of the open range.
    pub(crate) fn is_marked(&self, row: usize) -> bool {
        let in_range = self.range.is_some_and(|from| (from.min(self.cursor)..=from.max(self.cursor)).contains(&row));
        self.item(row).is_some_and(|item| in_range || item.marked)
    }

    /// How much is marked, an open range included.
    pub(crate) fn marked(&self) -> Amount {
        let mut amount = self.listing.marked();
        if let Some(from) = self.range {
            for row in from.min(self.cursor)..=from.max(self.cursor) {
                if let Some(item) = self.item(row).filter(|item| !item.marked) {
                    amount.count(item);
                }
            }
        }
        amount
    }

    /// The selection: the marked entries, else the entry under the cursor.
    pub(crate) fn chosen(&self) -> Vec<&Item> {
        let marked: Vec<&Item> = self.listing.marked_items().collect();
        if marked.is_empty() { self.current().into_iter().collect() } else { marked }
    }

    /// Puts the cursor on a row, or the last one.
    pub(crate) fn put_cursor(&mut self, row: usize) {
        self.cursor = row.min(self.rows().saturating_sub(1));
        (self.land, self.fresh) = (None, false);
    }

    /// Puts a cursor that was never moved on the first entry, where the first command finds it.
    fn begin_on_entry(&mut self) {
        if self.fresh {
            self.cursor = self.up_rows().min(self.rows().saturating_sub(1));
        }
    }

    /// Moves the cursor by some rows.
    pub(crate) fn step(&mut self, rows: isize) {
        self.put_cursor(self.cursor.saturating_add_signed(rows));
    }

    /// Puts the cursor on an entry, now or as soon as it is there.
    pub(crate) fn land_on(&mut self, name: Name) {
        match self.listing.row_of(name.as_bytes()) {
            Some(row) => self.put_cursor(row + self.up_rows()),
            None => self.land = Some(name),
        }
    }

    /// Scrolls so that the cursor is among `height` rows on the screen.
    pub(crate) fn settle(&mut self, height: usize) {
        let last = self.rows().saturating_sub(1);
        self.cursor = self.cursor.min(last);
        let margin = MARGIN.min(height.saturating_sub(1) / 2);
        let top = self.cursor.saturating_sub(margin);
        let bottom = self.cursor.saturating_add(margin).min(last);
        self.offset = self.offset.min(top).max((bottom + 1).saturating_sub(height));
        self.offset = self.offset.min(self.rows().saturating_sub(height));
    }

    /// Opens a range at the cursor, or marks the open one.
    pub(crate) fn toggle_range(&mut self) {
        if self.range.is_some() { self.mark_range() } else { self.range = Some(self.cursor) }
    }

    /// Whether a range is being marked.
    pub(crate) fn in_range(&self) -> bool {
        self.range.is_some()
    }

    /// Drops the open range. Returns whether there was one.
    pub(crate) fn drop_range(&mut self) -> bool {
        self.range.take().is_some()
    }

    /// Marks the entries of the open range.
    pub(crate) fn mark_range(&mut self) {
        let Some(from) = self.range.take() else { return };
        let up = self.up_rows();
        for row in from.min(self.cursor)..=from.max(self.cursor) {
            if let Some(row) = row.checked_sub(up) {
                self.listing.mark(row, true);
            }
        }
    }

    /// Marks the row of the cursor, or unmarks it.
    pub(crate) fn toggle_mark(&mut self) {
        if let Some(row) = self.cursor.checked_sub(self.up_rows()) {
            let marked = self.listing.get(row).is_some_and(|item| item.marked);
            self.listing.mark(row, !marked);
        }
    }

    /// Leaves for another folder, remembering the way back.
    pub(crate) fn leave_for(&mut self, place: Place) {
        if std::mem::take(&mut self.vacant) {
            self.turn_to(place);
            return;
        }
        let from = self.turn_to(place);
        self.back.push(from);
        self.forward.clear();
        if self.back.len() > REMEMBERED {
            self.back.remove(0);
        }
    }

    /// Goes back to the previous folder. Returns whether there is one.
    pub(crate) fn go_back(&mut self) -> bool {
        let Some(place) = self.back.pop() else { return false };
        let from = self.turn_to(place);
        self.forward.push(from);
        true
    }

    /// Goes forward again. Returns whether there is a folder to go to.
    pub(crate) fn go_forward(&mut self) -> bool {
        let Some(place) = self.forward.pop() else { return false };
        let from = self.turn_to(place);
        self.back.push(from);
        true
    }

    fn turn_to(&mut self, place: Place) -> Place {
        if let Some(name) = self.current().map(|item| item.entry.name.clone()) {
            if self.cursors.len() >= REMEMBERED {
                self.cursors.clear();
            }
            self.cursors.insert(self.place.clone(), name);
        }
        let from = std::mem::replace(&mut self.place, place);
        self.listing = Listing::default();
        if !from.is_beside(&self.place) {
            self.elsewhere = Some(from.clone());
        }
        (self.cursor, self.offset, self.range, self.problem, self.loading) = (0, 0, None, None, None);
        self.fresh = true;
        self.landing.clear();
        self.sizes.clear();
        self.viewing.filter = None;
        self.land = match from.parent() == Some(self.place.clone()) {
            true => from.name(),
            false => self.cursors.get(&self.place).cloned(),
        };
        from
    }

    /// The folder is being read, for the first time or again.
    pub(crate) fn begin(&mut self, ticket: Ticket, now: Duration) {
        let again = (self.listing.total() > 0).then(Listing::default);
        let marks = if again.is_some() { self.listing.marked_names() } else { HashSet::new() };
        if self.land.is_none() && again.is_some() {
            self.land = self.current().map(|item| item.entry.name.clone());
        }
        self.loading = Some(Loading { ticket, since: now, again, marks });
    }

    /// Takes a page of the folder.
    pub(crate) fn take(&mut self, mut items: Vec<Item>) {
        let Some(loading) = &mut self.loading else { return };
        if !loading.marks.is_empty() {
            items.iter_mut().for_each(|item| item.marked = loading.marks.contains(&item.entry.name));
        }
        if let Some(again) = &mut loading.again {
            again.extend(items, &self.viewing);
            return;
        }
        self.keeping_cursor(|listing, viewing| listing.extend(items, viewing));
    }

    /// Shows what has landed.
    pub(crate) fn land(&mut self, now: Duration) {
        self.landed = now;
        let items = std::mem::take(&mut self.landing);
        if let Some(again) = self.loading.as_mut().and_then(|loading| loading.again.as_mut()) {
            again.update(items.clone(), &self.viewing);
        }
        self.keeping_cursor(|listing, viewing| listing.update(items, viewing));
    }

    /// Changes the listing without taking entries away; the cursor stays on its entry.
    fn keeping_cursor(&mut self, change: impl FnOnce(&mut Listing, &Viewing)) {
        let under = self.cursor.checked_sub(self.up_rows()).and_then(|row| self.listing.handle(row));
        change(&mut self.listing, &self.viewing);
        self.begin_on_entry();
        if self.try_land() {
            return;
        }
        // The cursor stays on its entry while others are put before it, unless it was never moved.
        if let Some(row) = under.filter(|_| self.cursor > self.up_rows()).and_then(|at| self.listing.row_of_handle(at))
        {
            self.cursor = row + self.up_rows();
        }
    }

    /// All pages are there.
    pub(crate) fn finish(&mut self) {
        if let Some(again) = self.loading.take().and_then(|loading| loading.again) {
            let name = |row: usize| self.item(row).map(|item| item.entry.name.clone());
            let range = self.range.and_then(name);
            let keep = self.land.take().or_else(|| self.current().map(|item| item.entry.name.clone()));
            self.listing = again;
            self.listing.rearrange(&self.viewing);
            let row = range.and_then(|name| self.listing.row_of(name.as_bytes()));
            self.range = row.map(|row| row + self.up_rows());
            self.land = keep;
        }
        self.begin_on_entry();
        self.try_land();
        self.land = None;
        self.problem = None;
    }

    /// The folder cannot be read.
    pub(crate) fn fail(&mut self, problem: Problem) {
        self.loading = None;
        self.land = None;
        self.problem = Some(problem);
    }

    fn try_land(&mut self) -> bool {
        let row = self.land.as_ref().and_then(|name| self.listing.row_of(name.as_bytes()));
        if let Some(row) = row {
            self.cursor = row + self.up_rows();
            (self.land, self.fresh) = (None, false);
        }
        row.is_some()
    }

    /// Shows the entries as `viewing` now demands; the cursor stays on its entry.
    pub(crate) fn rearrange(&mut self, resort: bool) {
        let name = self.current().map(|item| item.entry.name.clone());
        if resort {
            self.listing.rearrange(&self.viewing)
        } else {
            self.listing.refilter(&self.viewing)
        }
        if let Some(again) = self.loading.as_mut().and_then(|loading| loading.again.as_mut()) {
            again.rearrange(&self.viewing);
        }
        self.range = None;
        let row = name.and_then(|name| self.listing.row_of(name.as_bytes()));
        self.put_cursor(row.map_or(self.cursor, |row| row + self.up_rows()));
    }

    /// An entry is gone.
    pub(crate) fn remove(&mut self, name: &Name) {
        self.listing.remove(name.as_bytes());
        if let Some(again) = self.loading.as_mut().and_then(|loading| loading.again.as_mut()) {
            again.remove(name.as_bytes());
        }
        self.cursor = self.cursor.min(self.rows().saturating_sub(1));
    }
}
