//! A folder's entries as they arrive: kept small, sorted, filtered and marked.

use std::collections::HashMap;

use ferry_shared::name::Name;

use super::{
    item::Item,
    order::{By, Sort},
    pattern::Pattern,
};

/// The sort order and the filters of a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Viewing {
    /// In which order.
    pub(crate) sort: Sort,
    /// Whether hidden names are shown.
    pub(crate) hidden: bool,
    /// The pattern that names must match.
    pub(crate) filter: Option<Pattern>,
}

impl Viewing {
    fn shows(&self, item: &Item) -> bool {
        (self.hidden || !item.is_hidden()) && self.filter.as_ref().is_none_or(|filter| filter.picks(item.name()))
    }
}

/// The amount of some entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amount {
    /// Files, and everything else that is no folder.
    pub(crate) files: u64,
    /// Folders.
    pub(crate) folders: u64,
    /// Bytes of the files.
    pub(crate) bytes: u64,
}

impl Amount {
    /// Files and folders.
    pub(crate) fn entries(&self) -> u64 {
        self.files.saturating_add(self.folders)
    }

    /// Counts one more.
    pub(crate) fn count(&mut self, item: &Item) {
        if item.is_folder() {
            self.folders += 1;
        } else {
            self.files += 1;
            self.bytes = self.bytes.saturating_add(item.entry.size);
        }
    }

    fn take(&mut self, item: &Item) {
        if item.is_folder() {
            self.folders = self.folders.saturating_sub(1);
        } else {
            self.files = self.files.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(item.entry.size);
        }
    }
}

/// The entries of one folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    items: Vec<Item>,
    /// All items in order.
    sorted: Vec<u32>,
    /// Those of them that are shown.
    shown: Vec<u32>,
    marked: Amount,
}

impl Listing {
    /// Inserts entries in sort order.
    pub(crate) fn extend(&mut self, items: Vec<Item>, viewing: &Viewing) {
        let first = self.items.len();
        self.items.extend(items);
        for item in &self.items[first..] {
            if item.marked {
                self.marked.count(item);
            }
        }
        let mut new: Vec<u32> = (first..self.items.len()).filter_map(|at| u32::try_from(at).ok()).collect();
        sort(&self.items, &mut new, viewing.sort);
        merge(&self.items, &mut self.sorted, &new, viewing.sort);
        new.retain(|at| viewing.shows(&self.items[*at as usize]));
        merge(&self.items, &mut self.shown, &new, viewing.sort);
    }

    /// Inserts entries, or replaces those of the same names; a folder that is there already stays as it is.
    pub(crate) fn update(&mut self, items: Vec<Item>, viewing: &Viewing) {
        let mut new: HashMap<Name, Item> = items.into_iter().map(|item| (item.entry.name.clone(), item)).collect();
        let mut replaced = false;
        for old in &mut self.items {
            let Some(mut item) = new.remove(&old.entry.name) else { continue };
            if item.is_folder() {
                continue;
            }
            let marked = old.marked;
            set(old, false, &mut self.marked);
            set(&mut item, marked, &mut self.marked);
            *old = item;
            replaced = true;
        }
        self.extend(new.into_values().collect(), viewing);
        if replaced && viewing.sort.by != By::Name {
            self.rearrange(viewing);
        }
    }

    /// Sorts and filters again.
    pub(crate) fn rearrange(&mut self, viewing: &Viewing) {
        sort(&self.items, &mut self.sorted, viewing.sort);
        self.refilter(viewing);
    }

    /// Filters again, in the present order.
    pub(crate) fn refilter(&mut self, viewing: &Viewing) {
        self.shown.clear();
        self.shown.extend(self.sorted.iter().filter(|at| viewing.shows(&self.items[**at as usize])));
    }

    /// How many entries are shown.
    pub(crate) fn len(&self) -> usize {
        self.shown.len()
    }

    /// How many entries there are, shown or not.
    pub(crate) fn total(&self) -> usize {
        self.items.len()
    }

    /// The entry shown at `row`.
    pub(crate) fn get(&self, row: usize) -> Option<&Item> {
        self.items.get(*self.shown.get(row)? as usize)
    }

    /// The entries shown from `row` on.
    #[cfg(test)]
    pub(crate) fn from(&self, row: usize) -> impl Iterator<Item = &Item> {
        self.shown.iter().skip(row).filter_map(|at| self.items.get(*at as usize))
    }

    /// All entries, shown or not, as they came.
    pub(crate) fn all(&self) -> &[Item] {
        &self.items
    }

    /// The row of an entry.
    pub(crate) fn row_of(&self, name: &[u8]) -> Option<usize> {
        self.shown.iter().position(|at| self.items[*at as usize].name() == name)
    }

    /// An identifier of the entry at `row` that stays valid while others arrive.
    pub(crate) fn handle(&self, row: usize) -> Option<u32> {
        self.shown.get(row).copied()
    }

    /// The row of the entry with this handle.
    pub(crate) fn row_of_handle(&self, handle: u32) -> Option<usize> {
        self.shown.iter().position(|at| *at == handle)
    }

    /// The amount of the marked entries, shown or not.
    pub(crate) fn marked(&self) -> Amount {
        self.marked
    }

    /// The marked entries in the order shown; hidden ones come last.
    pub(crate) fn marked_items(&self) -> impl Iterator<Item = &Item> {
        self.sorted.iter().filter_map(|at| self.items.get(*at as usize)).filter(|item| item.marked)
    }

    /// Marks or unmarks the entry shown at `row`.
    pub(crate) fn mark(&mut self, row: usize, marked: bool) {
        if let Some(at) = self.shown.get(row) {
            set(&mut self.items[*at as usize], marked, &mut self.marked);
        }
    }

    /// Marks or unmarks the shown entries, as `choose` decides for each; `None` leaves it.
    pub(crate) fn mark_shown(&mut self, mut choose: impl FnMut(&Item) -> Option<bool>) {
        for at in &self.shown {
            let item = &mut self.items[*at as usize];
            if let Some(marked) = choose(item) {
                set(item, marked, &mut self.marked);
            }
        }
    }

    /// Unmarks everything, shown or not.
    pub(crate) fn unmark_all(&mut self) {
        self.items.iter_mut().for_each(|item| item.marked = false);
        self.marked = Amount::default();
    }

    /// Names that are marked.
    pub(crate) fn marked_names(&self) -> std::collections::HashSet<Name> {
        self.items.iter().filter(|item| item.marked).map(|item| item.entry.name.clone()).collect()
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, name: &[u8]) {
        let Some(at) = self.items.iter().position(|item| item.name() == name) else { return };
        set(&mut self.items[at], false, &mut self.marked);
        self.items.remove(at);
        for list in [&mut self.sorted, &mut self.shown] {
            list.retain(|other| *other as usize != at);
            for other in list.iter_mut().filter(|other| **other as usize > at) {
                *other -= 1;
            }
        }
    }
}

fn set(item: &mut Item, marked: bool, amount: &mut Amount) {
    match (item.marked, marked) {
        (false, true) => amount.count(item),
        (true, false) => amount.take(item),
        _ => {}
    }
    item.marked = marked;
}

fn sort(items: &[Item], order: &mut [u32], by: Sort) {
    order.sort_unstable_by(|a, b| by.compare(&items[*a as usize], &items[*b as usize]).then(a.cmp(b)));
}

/// Merges sorted `new` into sorted `order`, with few comparisons if little is new.
fn merge(items: &[Item], order: &mut Vec<u32>, new: &[u32], by: Sort) {
    if new.is_empty() {
        return;
    }
    let mut merged = Vec::with_capacity(order.len() + new.len());
    let mut rest = order.as_slice();
    for at in new {
        let item = &items[*at as usize];
        let before = rest.partition_point(|other| by.compare(&items[*other as usize], item).is_le());
        let (head, tail) = rest.split_at(before);
        merged.extend_from_slice(head);
        merged.push(*at);
        rest = tail;
    }
    merged.extend_from_slice(rest);
    *order = merged;
}

#[cfg(test)]
pub(crate) mod tests {
    use ferry_shared::entry::{Entry, Kind, Mtime};

    use super::*;

    /// A file, or with a `/` at its end a folder.
    pub(crate) fn item(name: &str, size: u64) -> Item {
        let (name, kind) = name.strip_suffix('/').map_or((name, Kind::File), |name| (name, Kind::Folder));
        let name = Name::try_from(name).unwrap();
        Item::new(Entry {
            name,
            kind,
            size,
            mtime: Mtime(1_790_000_000 - i64::try_from(size).unwrap(), 0),
            mode: 0o644,
        })
    }

    fn names(listing: &Listing) -> Vec<String> {
        listing.from(0).map(|item| item.entry.name.display().to_string()).collect()
    }

    #[test]
    fn pages_in_any_order_end_up_as_if_they_came_at_once() {
        for sort in [Sort::default(), Sort { by: By::Size, reversed: true }, Sort { by: By::Time, reversed: false }] {
            let viewing = Viewing { sort, ..Viewing::default() };
            let all: Vec<Item> = (0..500)
                .map(|n| item(&format!("f{}{}", n * 7919 % 500, if n % 9 == 0 { "/" } else { "" }), n % 5))
                .collect();
            let mut once = Listing::default();
            once.extend(all.clone(), &viewing);
            let mut paged = Listing::default();
            all.chunks(33).for_each(|page| paged.extend(page.to_vec(), &viewing));
            assert_eq!(names(&once), names(&paged));
            paged.rearrange(&viewing);
            assert_eq!(names(&once), names(&paged));
        }
    }

    #[test]
    fn folders_come_first_however_it_is_sorted() {
        let mut listing = Listing::default();
        let viewing = Viewing { sort: Sort { by: By::Name, reversed: true }, ..Viewing::default() };
        listing.extend(vec![item("a", 1), item("b/", 0), item("c", 1), item("A/", 0)], &viewing);
        assert_eq!(names(&listing), ["b", "A", "c", "a"]);
    }

    #[test]
    fn hidden_and_filtered_entries_are_there_but_not_shown() {
        let mut listing = Listing::default();
        let mut viewing = Viewing::default();
        listing.extend(vec![item(".git/", 0), item("a.txt", 1), item("b.jpg", 2)], &viewing);
        assert_eq!((names(&listing), listing.total()), (vec!["a.txt".into(), "b.jpg".into()], 3));
        viewing.hidden = true;
        viewing.filter = Some(Pattern::new("g").unwrap());
        listing.refilter(&viewing);
        assert_eq!(names(&listing), [".git", "b.jpg"]);
    }

    #[test]
    fn marks_are_counted_and_go_with_what_is_removed() {
        let mut listing = Listing::default();
        listing.extend(vec![item("a", 10), item("b", 20), item("c/", 0)], &Viewing::default());
        listing.mark_shown(|_| Some(true));
        assert_eq!(listing.marked(), Amount { files: 2, folders: 1, bytes: 30 });
        listing.remove(b"b");
        assert_eq!(listing.marked(), Amount { files: 1, folders: 1, bytes: 10 });
        assert_eq!(names(&listing), ["c", "a"]);
        listing.mark(1, false);
        assert_eq!(listing.marked(), Amount { files: 0, folders: 1, bytes: 0 });
        listing.unmark_all();
        assert_eq!(listing.marked(), Amount::default());
    }

    #[test]
    fn an_entry_stays_below_a_few_hundred_bytes() {
        // The rest is the name itself and its two places in the orders.
        assert!(size_of::<Item>() <= 64, "{}", size_of::<Item>());
    }
}
