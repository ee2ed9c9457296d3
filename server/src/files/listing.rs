//! The entries of a folder, of a tree, or those that match a pattern: one page at a time, each sent as soon as it
//! is read.

use ferry_shared::{digest::Digest, entry::Entry, limits::PAGE_MAX, path::RemotePath};

use super::{Error, Files, Step, Work};
use crate::storage::{Finder, Lister, WalkPage, Walker};

/// Entries of one folder.
#[derive(Debug, Default)]
pub struct Page {
    /// The folder, relative to where the work began.
    pub under: RemotePath,
    /// All or some of its entries.
    pub entries: Vec<Entry>,
    /// The remembered digests of the entries, in their order, if they were asked for.
    pub digests: Vec<Option<Digest>>,
    /// Folders that could not be read.
    pub unreadable: Vec<RemotePath>,
}

impl Files {
    /// The entries of one folder.
    ///
    /// # Errors
    /// [`Error`].
    pub fn list(&self, path: &RemotePath) -> Result<Box<dyn Work<Item = Page>>, Error> {
        Ok(Box::new(Listing(self.user.home.lister(path)?)))
    }

    /// The entries of a folder and of all folders below, in pages, with the digests of the files that have not changed since
    /// they were read. Each folder yields at least one page, even if it is empty.
    ///
    /// # Errors
    /// [`Error`].
    pub fn walk_with_digests(&self, path: &RemotePath) -> Result<Box<dyn Work<Item = Page>>, Error> {
        Ok(Box::new(Walking(self.user.home.walker_with_digests(path)?)))
    }

    /// As [`Self::walk_with_digests`], without the remembered digests.
    ///
    /// # Errors
    /// [`Error`].
    pub fn walk(&self, path: &RemotePath) -> Result<Box<dyn Work<Item = Page>>, Error> {
        Ok(Box::new(Walking(self.user.home.walker(path)?)))
    }

    /// The entries below a folder whose names match a pattern, at most `limit` of them.
    ///
    /// # Errors
    /// [`Error`].
    pub fn find(&self, path: &RemotePath, pattern: &str, limit: u64) -> Result<Box<dyn Work<Item = Page>>, Error> {
        Ok(Box::new(Finding(self.user.home.finder(path, pattern, limit)?)))
    }
}

#[derive(Debug)]
struct Listing(Lister);

impl Work for Listing {
    type Item = Page;

    fn step(&mut self) -> Result<Step<Page>, Error> {
        let entries = self.0.next_page(PAGE_MAX)?;
        Ok(step(entries.map(|entries| WalkPage { entries, ..WalkPage::default() })))
    }
}

#[derive(Debug)]
struct Walking(Walker);

impl Work for Walking {
    type Item = Page;

    fn step(&mut self) -> Result<Step<Page>, Error> {
        Ok(step(self.0.next_page()?))
    }
}

#[derive(Debug)]
struct Finding(Finder);

impl Work for Finding {
    type Item = Page;

    fn step(&mut self) -> Result<Step<Page>, Error> {
        Ok(match self.0.next_page()? {
            // Nothing matched on this page; an empty page only gives others a turn.
            Some(page) if page.entries.is_empty() && page.unreadable.is_empty() => Step::Busy,
            page => step(page),
        })
    }

    fn is_heavy(&self) -> bool {
        true
    }
}

fn step(page: Option<WalkPage>) -> Step<Page> {
    match page {
        Some(WalkPage { under, entries, digests, unreadable }) => {
            Step::Item(Page { under, entries, digests, unreadable })
        }
        None => Step::Last(Page::default()),
    }
}
